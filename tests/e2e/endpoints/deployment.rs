//! A deployment with one user, and ways to look at what it sends.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_auth_server::{App, Settings as AuthSettings};
use hallpass_satellite::{Satellite, Settings as SatelliteSettings};
use hallpass_shared::{clock::Clock, cookie::RequestCookies, settings::Texts, token::Claims};
use hallpass_tests::{
    Answer, SECRET, Visitor, World,
    scripted::{Reply, ScriptedBackend},
};
use http::{HeaderMap, HeaderValue, Request, header};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tower::ServiceExt as _;

pub(super) const AUTH: &str = "auth.example.localhost";
pub(super) const APP: &str = "app.example.localhost";
pub(super) const ADMIN: &str = "admin.example.localhost";
pub(super) const ALICE: &str = "alice@example.com";
pub(super) const PASSWORD: &str = "correct horse";
/// The session cookie of `next-auth` 4 on plain http.
pub(super) const NAME: &str = "next-auth.session-token";

/// Beyond the year 2096: for an access token that never ends in a test.
pub(super) const FAR: i64 = 4_000_000_000;

/// Everything that runs, and nobody signed in.
pub(super) struct Deployment {
    pub(super) backend: ScriptedBackend,
    pub(super) world: World,
}

impl Deployment {
    pub(super) async fn start() -> Self {
        Self::with("").await
    }

    /// With these settings first, such as `cookie.dialect = "authjs-v5"`.
    pub(super) async fn with(settings: &str) -> Self {
        let backend = backend().await;
        let section = patient(&backend);
        Self::of(backend, &format!("{settings}\n{section}")).await
    }

    /// With these settings and nothing else.
    pub(super) async fn of(backend: ScriptedBackend, settings: &str) -> Self {
        let world = World::start(&format!("{settings}{QUICK}")).await;
        Self { backend, world }
    }

    /// Somebody new.
    pub(super) fn visitor(&self) -> Visitor {
        Visitor::new(self.world.port)
    }

    /// Alice, signed in; what the backend was sent for it is forgotten.
    pub(super) async fn alice(&self) -> Visitor {
        let mut visitor = self.visitor();
        let answer = visitor.sign_in(ALICE, PASSWORD).await;
        assert!(self.claims(&visitor).is_some(), "{answer:?}");
        self.backend.take_received();
        visitor
    }

    /// Alice with a session whose sealed claims were changed.
    pub(super) async fn alice_but(&self, change: impl FnOnce(&mut Claims)) -> Visitor {
        let mut visitor = self.alice().await;
        let mut claims = self.claims(&visitor).unwrap();
        change(&mut claims);
        let sealed = self.world.auth.endpoints.authenticator.codec.seal(&claims).unwrap();
        visitor.jar.insert((NAME.into(), ".example.localhost".into()), sealed.expose().into());
        visitor
    }

    /// Alice, whose access token is over.
    pub(super) async fn alice_to_be_renewed(&self) -> Visitor {
        self.alice_but(|claims| claims.access_token_expires = claims.issued_at).await
    }

    /// The claims in the visitor's cookies, as the auth server would read them; revoked or not.
    pub(super) fn claims(&self, visitor: &Visitor) -> Option<Claims> {
        let line = cookie_line(visitor);
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(line).unwrap())]);
        let authenticator = &self.world.auth.endpoints.authenticator;
        let tokens = authenticator.cookie.candidates(RequestCookies::new(&headers));
        tokens
            .iter()
            .find_map(|token| authenticator.codec.open(token, authenticator.clock.now()).ok())
            .map(|opened| std::sync::Arc::unwrap_or_clone(opened.claims))
    }

    /// How often the backend was asked to renew.
    pub(super) fn renewals(&self) -> usize {
        self.backend.take_received().iter().filter(|received| received.target == "/refresh").count()
    }
}

/// A refusal need not take long in a test.
pub(super) const QUICK: &str = "[throttle]\nanswer_floor = \"10ms\"\n";

/// `[backend]` with time enough for a machine that is busy.
pub(super) fn patient(backend: &ScriptedBackend) -> String {
    backend.settings().replace("timeout = \"1s\"", "timeout = \"30s\"")
}

pub(super) async fn backend() -> ScriptedBackend {
    ScriptedBackend::start(&[(ALICE, PASSWORD), ("mallory@example.com", "mallorys own")]).await
}

/// The session of `visitor` as `host` tells it.
pub(super) async fn session(visitor: &mut Visitor, host: &str) -> Value {
    visitor.fetch(host, "/api/auth/session").await.json()
}

/// Every cookie of the jar.
pub(super) fn cookie_line(visitor: &Visitor) -> String {
    let pairs = visitor.jar.iter().map(|((name, _), value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("; ")
}

/// The names of the session's cookies in the jar.
pub(super) fn session_cookies(visitor: &Visitor) -> Vec<String> {
    visitor.cookie_names().into_iter().filter(|name| name.contains("session-token")).collect()
}

/// What the backend grants: an access token until `expires`, and a user with these fields.
pub(super) fn grant(number: u32, expires: i64, user: &Value) -> Reply {
    let payload = URL_SAFE_NO_PAD.encode(json!({ "exp": expires }).to_string());
    let reply = json!({
        "access": format!("e30.{payload}.s{number}"), "refresh": format!("refresh-{number}"), "user": user,
    });
    Reply::Text(200, "application/json", reply.to_string())
}

/// Alice with a field of so many characters.
pub(super) fn alice_with(characters: usize) -> Value {
    json!({"id": ALICE, "email": ALICE, "name": "Alice", "isAdmin": false, "bio": "b".repeat(characters)})
}

/// Cookies with values of their own.
const KEPT: [&str; 3] = ["session-token", "csrf-token", "session-binding"];

/// `Set-Cookie` lines and addresses, with what differs from run to run taken out.
pub(super) fn redacted(text: &str, port: u16) -> String {
    let text = text.replace(&format!(":{port}"), ":PORT").replace(&format!("%3A{port}"), "%3APORT");
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((name, rest)) if KEPT.iter().any(|kept| name.contains(kept)) => {
            let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
            let value = if value.is_empty() { "" } else { "[redacted]" };
            format!("{name}={value};{attributes}")
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The `Set-Cookie` lines of an answer, one a line.
pub(super) fn lines(answer: &Answer) -> String {
    redacted(&answer.set_cookies().join("\n"), 0)
}

/// Settings of a deployment on https, as behind an edge that ends TLS.
pub(super) fn on_https(rest: &str) -> Texts {
    Texts::from_toml(&format!(
        "store.url = \"memory:\"\nsecret = \"{SECRET}\"\nparent_domain = \"example.com\"\nauth_url = \"https://auth.example.com\"\n{rest}"
    ))
    .unwrap()
}

pub(super) fn auth_on_https(backend: &ScriptedBackend) -> App {
    let texts = on_https(&format!("{}{QUICK}", patient(backend)));
    App::build(AuthSettings::read(&texts).unwrap()).unwrap()
}

/// An auth server on https with a clock that the test moves.
pub(super) fn auth_with_clock(backend: &ScriptedBackend, clock: Arc<dyn Clock>) -> App {
    let texts = on_https(&format!("{}{QUICK}", patient(backend)));
    App::build_with_clock(AuthSettings::read(&texts).unwrap(), clock).unwrap()
}

/// A satellite at `url` with these settings.
pub(super) fn satellite(url: &str, settings: &str) -> Satellite {
    let texts = Texts::from_toml(&format!("{settings}\n[satellite]\nurl = \"{url}\"\n")).unwrap();
    Satellite::build(SatelliteSettings::read(&texts).unwrap()).unwrap()
}

/// One request to a router, without a network.
pub(super) async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        whole: true,
    }
}

/// An address that is taken, and where nobody listens.
pub(super) struct Gone {
    pub(super) address: SocketAddr,
    _taken: TcpSocket,
}

impl Gone {
    pub(super) fn somewhere() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { address: socket.local_addr().unwrap(), _taken: socket }
    }
}

/// A GET with these cookies.
pub(super) fn get(target: &str, cookies: &str) -> Request<Body> {
    Request::get(target).header(header::COOKIE, cookies).body(Body::empty()).unwrap()
}
