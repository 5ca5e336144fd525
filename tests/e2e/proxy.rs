//! The reverse proxy before real apps: Django and aiohttp, and real browsers in front of them.
//!
//! Why: an app is protected unchanged only if it does not notice: streams stream, sockets stay open, uploads of any size
//! pass; and all of it ends when the session does.

use std::time::Duration;

use hallpass_tests::{
    Visitor,
    apps::App,
    django::Django,
    programs::{APP, Server, port, shared_settings},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

mod browsers;
mod limits;
mod outages;
mod streams;

const PASSWORD: &str = "hallpass-demo";
const USER: &str = "user@example.com";

/// A backend, an auth server, and a satellite as a proxy.
struct Site {
    django: Django,
    auth: Server,
    proxy: Server,
}

impl Site {
    /// Before an app at `upstream`; `settings` are TOML within `[satellite]` and after it.
    async fn before(upstream: &str, settings: &str) -> Self {
        Self::with(upstream, settings, "", &[]).await
    }

    /// With settings of both servers, and variables of the backend.
    async fn with(upstream: &str, settings: &str, shared: &str, backend: &[(&'static str, &str)]) -> Self {
        let django = Django::start_with(backend).await;
        let (auth, proxy) = ((port(), port()), (port(), port()));
        let origin = format!("http://{APP}:{}", proxy.0);
        let shared = shared_settings(auth.0, &origin, &format!("{shared}\n{}", django.rest()));
        let own =
            format!("{shared}\n[satellite]\nurl = \"{origin}\"\nupstream = \"{upstream}\"\n{settings}\n");
        let auth = Server::start("auth-server", auth, &shared).await;
        Self { django, auth, proxy: Server::start("satellite", proxy, &own).await }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{APP}:{}{path}", self.proxy.port)
    }

    /// Somebody who has just signed in, at the proxy.
    async fn signed_in(&self) -> Visitor {
        let mut visitor = Visitor::new(self.auth.port);
        assert_eq!(visitor.sign_in(USER, PASSWORD).await.status, 303);
        let mut here = Visitor::new(self.proxy.port);
        here.jar = visitor.jar;
        here
    }

    /// Ends all sessions of `visitor`, as a sign-out at the auth server.
    async fn sign_out(&self, visitor: &Visitor) {
        let mut there = Visitor::new(self.auth.port);
        there.jar = visitor.jar.clone();
        let out = there.post_form("auth.example.localhost", "/api/auth/signout", &[]).await;
        assert!(out.status.is_success() || out.status.is_redirection(), "{out:?}");
    }

    /// A connection, and a request's head on it, the blank line included.
    async fn request(&self, visitor: &Visitor, head: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.proxy.port)).await.unwrap();
        let cookies: Vec<_> =
            visitor.jar.iter().map(|((name, _), value)| format!("{name}={value}")).collect();
        let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
        let rest = rest.replace('\n', "\r\n");
        let text = format!(
            "{first}\r\nHost: {APP}:{}\r\nCookie: {}\r\n{rest}\r\n{}",
            self.proxy.port,
            cookies.join("; "),
            if rest.is_empty() { "" } else { "\r\n" },
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }
}

/// The head of an answer.
async fn head(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut text);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer").unwrap();
        assert!(read > 0, "it broke off after {text:?}");
    }
    text
}

/// All there is until the connection ends.
async fn rest(stream: &mut BufReader<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("an end");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_line(&mut text))
        .await
        .expect("a line")
        .unwrap();
    text
}

/// `app` at the root.
async fn before_aiohttp(settings: &str) -> (Site, App) {
    let app = App::aiohttp().await;
    (Site::before(&app.url(), settings).await, app)
}
