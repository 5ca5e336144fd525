//! The configurations of `deploy/edges` in their own programs, before a real app and a real backend: nginx, two Caddys,
//! HAProxy, Envoy.
//!
//! Why: each edge has its own way to lose a cookie, to keep a header, or to let something pass while nobody answers. Each
//! story is told at each of them, and must have the same end (threat-model H1, H6, P1, R4).

use hallpass_tests::{
    Visitor,
    apps::App,
    django::Django,
    edges::{Edge, Kind, Places, Scheme},
    programs::{APP, AUTH, Server, port, shared_settings},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A test of each story at each edge.
macro_rules! at_each_edge {
    ($($story:ident),+) => {$(
        mod $story {
            use hallpass_tests::edges::Kind;

            use super::$story;

            #[tokio::test(flavor = "multi_thread")]
            async fn nginx() {
                $story(Kind::Nginx).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn caddy() {
                $story(Kind::Caddy).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn old_caddy() {
                $story(Kind::OldCaddy).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn haproxy() {
                $story(Kind::HaProxy).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn envoy() {
                $story(Kind::Envoy).await;
            }
        }
    )+};
}

mod browsers;
mod decisions;
mod forgeries;
mod renewals;
mod streams;
mod tls;

const ORDINARY: (&str, &str) = ("user@example.com", "hallpass-demo");
/// Whose session takes three cookies.
const BIG: (&str, &str) = ("big@example.com", "hallpass-big");
const SESSION: &str = "next-auth.session-token";
/// An origin whose scripts may read a 401.
const FRIEND: &str = "https://friend.example.com";
const RULES: &str = r#"
origins = ["https://friend.example.com"]
[[satellite.rules]]
path = "/public"
access = "public"
[[satellite.rules]]
path = "/admin"
require = { claim = "/isAdmin", equals = true }
[[satellite.rules]]
path = "/api"
access = "signed-in"
preflight = true
"#;

/// A backend, an auth server, a satellite, an app, and an edge before it.
struct Site {
    django: Django,
    auth: Server,
    satellite: Server,
    _app: App,
    edge: Edge,
    kind: Kind,
    port: u16,
}

impl Site {
    async fn behind(kind: Kind) -> Self {
        Self::with(kind, "", &[]).await
    }

    /// With settings of both servers, and variables of the backend.
    async fn with(kind: Kind, shared: &str, backend: &[(&'static str, &str)]) -> Self {
        Self::over(Scheme::Http, kind, shared, backend).await
    }

    async fn over(scheme: Scheme, kind: Kind, shared: &str, backend: &[(&'static str, &str)]) -> Self {
        let (django, app) = (Django::start_with(backend).await, App::aiohttp().await);
        let (auth, satellite) = ((port(), port()), (port(), port()));
        let places = Places { edge: port(), satellite: port(), app: app.port };
        let secure = scheme == Scheme::Https;
        let origin = format!("{}://{APP}:{}", if secure { "https" } else { "http" }, places.edge);
        let mut shared = shared_settings(auth.0, &origin, &format!("{shared}\n{}", django.rest()));
        if secure {
            shared = shared.replace("auth_url = \"http:", "auth_url = \"https:");
        }
        let own = format!(
            "{shared}\n[satellite]\nurl = \"{origin}\"\n{RULES}\n[satellite.forward_auth]\n\
             listen = \"127.0.0.1:{}\"\ntrusted_peers = [\"127.0.0.1/32\"]\nhosts = [\"{APP}\"]\n",
            places.satellite
        );
        let auth = Server::start("auth-server", auth, &shared).await;
        let satellite = Server::start("satellite", satellite, &own).await;
        let edge = Edge::start(kind, places, scheme).await;
        Self { django, auth, satellite, _app: app, edge, kind, port: places.edge }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{APP}:{}{path}", self.port)
    }

    /// Somebody who has not signed in, at the edge.
    fn nobody(&self) -> Visitor {
        Visitor::new(self.port)
    }

    /// Somebody who has just signed in, at the edge.
    async fn signed_in(&self, (name, password): (&str, &str)) -> Visitor {
        let mut there = Visitor::new(self.auth.port);
        assert_eq!(there.sign_in(name, password).await.status, 303);
        let mut here = self.nobody();
        here.jar = there.jar;
        here
    }

    /// Ends all sessions of `visitor`, as a sign-out at the auth server.
    async fn sign_out(&self, visitor: &Visitor) {
        let mut there = Visitor::new(self.auth.port);
        there.jar = visitor.jar.clone();
        let out = there.post_form(AUTH, "/api/auth/signout", &[]).await;
        assert!(out.status.is_success() || out.status.is_redirection(), "{out:?}");
    }

    /// A connection with a request's head on it: the first line, and the lines after `Host` and `Cookie`.
    async fn request(&self, visitor: &Visitor, first: &str, lines: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let cookies = visitor.jar.iter().map(|((name, _), value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let head = format!("{first}\nHost: {APP}:{}\nCookie: {cookies}\n{lines}\n", self.port);
        stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer to a `GET` of exactly this target.
    async fn get(&self, visitor: &Visitor, target: &str) -> String {
        let first = format!("GET {target} HTTP/1.1");
        let mut stream = self.request(visitor, &first, "Connection: close\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The values of a header, as the app saw them.
fn header(seen: &Value, name: &str) -> Vec<String> {
    let all = seen["headers"].as_array().unwrap().iter();
    let named = all.filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
    named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

/// What is said under this name, an empty value being nothing.
fn said(seen: &Value, name: &str) -> Option<String> {
    let all = header(seen, name);
    assert!(all.len() <= 1, "{name} once: {seen}");
    all.into_iter().next().filter(|value| !value.is_empty())
}
