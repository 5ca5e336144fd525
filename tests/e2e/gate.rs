//! The satellite as a program between clients and an app, and beside five edges: bytes that no client library would send,
//! and exactly what comes out at the other end.
//!
//! Why: a gate is as good as its reading of what an attacker writes. The cases of `vectors/` are tried on the program as it
//! runs, with raw sockets on both sides; a failure names its case.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    cookie::CookiePolicy,
    dialect::{Dialect, Scheme},
    secret::Secret,
    token::{Claims, Codec},
};
use hallpass_tests::{
    SECRET,
    programs::{Server, port},
    raw::{Connection, Lines, RawAnswer, RawApp, exchange, head},
    scripted::ScriptedBackend,
};
use serde_json::{Value, json};

use crate::vectors::{example_com, ring};

mod apps;
mod bad_cookies;
mod cookies;
mod edge;
mod forwarded;
mod framing;
mod header_spoofing;
mod http2;
mod identity;
mod middleware;
mod navigations;
mod path_confusion;
mod pipelines;
mod sockets;
mod verify;

use edge::Edge;

const HOST: &str = "app.example.com";
/// Where clients are.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Where edges are, which are believed.
const EDGE: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Somebody who is no edge.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 8);
/// A proxy before the proxy, which is believed about the client's address.
const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

const ACCESS_TOKEN: &str = "access-of-alice";
const DAY: Duration = Duration::from_hours(24);

/// As in the cases.
const OWN_NAMES: &str = r#"
[satellite.identity]
X-Auth-User = "/sub"
X-Auth-Email = "/email"
X-Auth-Name = "/name"
X-Auth-Groups = "/groups"
X-Auth-Is-Admin = "/is_admin"
"#;

const RULES: &str = r#"
[[satellite.rules]]
path = "/public"
access = "public"
[[satellite.rules]]
path = "/static"
access = "public"
[[satellite.rules]]
path = "/admin"
require = { claim = "/is_admin", equals = true }
[[satellite.rules]]
path = "/hooks"
methods = ["GET", "HEAD"]
access = "public"
[[satellite.rules]]
path = "/hooks"
require = { claim = "/is_admin", equals = true }
[[satellite.rules]]
path = "/cors"
access = "signed-in"
preflight = true
[[satellite.rules]]
path = "/"
access = "signed-in"
"#;

/// `https://app.example.com` behind something that does TLS, on this machine.
struct Site {
    backend: ScriptedBackend,
    auth: Server,
    gate: Server,
    /// Where edges ask.
    edges: u16,
    app: RawApp,
    policy: CookiePolicy,
    codec: Codec,
}

/// Whose session a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    User,
    Admin,
}

impl Site {
    /// With the names of the cases.
    async fn start() -> Self {
        Self::with(Dialect::NEXT_AUTH_V4, OWN_NAMES).await
    }

    /// With an app that gets the session's cookie.
    async fn passing_the_session() -> Self {
        Self::with_keys(Dialect::NEXT_AUTH_V4, "insecure_pass_session_cookie = true", OWN_NAMES).await
    }

    /// `settings` are TOML, sections below `[satellite]`.
    async fn with(dialect: Dialect, settings: &str) -> Self {
        Self::with_keys(dialect, "", settings).await
    }

    /// `keys` are within `[satellite]`.
    async fn with_keys(dialect: Dialect, keys: &str, settings: &str) -> Self {
        let (backend, app) = (ScriptedBackend::start(&[]).await, RawApp::start().await);
        let (auth, gate, edges) = ((port(), port()), (port(), port()), port());
        let shared = format!(
            "secret = \"{SECRET}\"\nparent_domain = \"example.com\"\nauth_url = \"https://auth.example.com\"\n\
             refresh.auth_server = \"http://127.0.0.1:{}\"\ncookie.dialect = \"{}\"\n{}",
            auth.0,
            dialect.name,
            backend.settings(),
        );
        let own = format!(
            "{shared}\n[server]\ntrusted_proxies = [\"{BALANCER}/32\"]\n[satellite]\nurl = \"https://{HOST}\"\n\
             upstream = \"{}\"\nbearer = true\norigins = [\"https://friend.example.com\"]\n{keys}\n{RULES}\n\
             [satellite.forward_auth]\nlisten = \"127.0.0.1:{edges}\"\ntrusted_peers = [\"{EDGE}/32\"]\n\
             hosts = [\"{HOST}\"]\n{settings}",
            app.url(),
        );
        let auth = Server::start("auth-server", auth, &shared).await;
        let gate = Server::start("satellite", gate, &own).await;
        let policy = CookiePolicy::new(dialect, example_com(), Scheme::Https);
        let codec = Codec::for_session(dialect, &ring(&[SECRET]), &policy.name).unwrap();
        Self { backend, auth, gate, edges, app, policy, codec }
    }

    /// `NAME=TOKEN`.
    fn cookie(&self, claims: &Claims) -> String {
        format!("{}={}", self.policy.name, self.codec.seal(claims).unwrap().expose())
    }

    /// The cookie of somebody, where there is one.
    fn cookie_of(&self, who: Who) -> Option<String> {
        match who {
            Who::Nobody => None,
            Who::User => Some(self.cookie(&alice())),
            Who::Admin => {
                let mut admin = Claims { sub: Some("1".into()), sid: Some("of-admin".into()), ..alice() };
                admin.user.insert("is_admin".into(), true.into());
                Some(self.cookie(&admin))
            }
        }
    }

    /// As a client.
    async fn connect(&self) -> Connection {
        Connection::open(self.gate.port, CLIENT).await
    }

    /// A client's request on a connection of its own.
    async fn ask(&self, bytes: impl AsRef<[u8]>) -> RawAnswer {
        exchange(self.gate.port, CLIENT, bytes).await.0.expect("an answer")
    }

    /// What an edge is told, when it asks about a request.
    async fn check(&self, edge: Edge, (method, target): (&str, &str), lines: &Lines) -> RawAnswer {
        let check = edge.check(method, target, lines);
        exchange(self.edges, EDGE, hallpass_tests::raw::latin1(&check)).await.0.expect("an answer")
    }

    /// One more request, which must come to the app whole and be answered as itself: nothing is left over of those before.
    async fn all_is_in_order(&self, at: &str) {
        let answer = self.ask(head("GET /public/fence HTTP/1.1", [("Host", HOST)])).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "GET /public/fence HTTP/1.1"),
            "{at}: {answer:?}"
        );
    }
}

/// Somebody who has just signed in.
fn alice() -> Claims {
    let now = SystemClock.now();
    let user = json!({"email": "alice@example.com", "name": "Alice", "groups": ["staff"], "is_admin": false});
    Claims {
        sub: Some("42".into()),
        sid: Some("of-alice".into()),
        issued_at: Some(now),
        auth_time: Some(now),
        expires: Some(now.plus(DAY)),
        access_token: Some(Secret::new(ACCESS_TOKEN)),
        access_token_expires: Some(now.plus(DAY)),
        refresh_token: Some(Secret::new("refresh-of-alice")),
        user: user.as_object().unwrap().clone(),
        ..Claims::default()
    }
}

/// Owned lines.
fn lines(lines: &[(&str, &str)]) -> Lines {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Borrowed lines, with `Host` before them.
fn with_host(lines: &Lines) -> impl Iterator<Item = (&str, &str)> {
    [("Host", HOST)].into_iter().chain(lines.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Fails with all that failed.
#[track_caller]
fn none_failed(failures: &[String]) {
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// With these fields instead; null takes one away.
fn overridden(mut claims: Claims, fields: &BTreeMap<String, Value>) -> Claims {
    for (name, value) in fields {
        match value {
            Value::Null => claims.user.remove(name),
            value => claims.user.insert(name.clone(), value.clone()),
        };
    }
    claims
}
