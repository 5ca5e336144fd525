//! `path-confusion.json`: one path in many spellings, and who gets to what the app takes it for.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use hallpass_satellite::CanonicalPath;
use hallpass_tests::raw::{Connection, Lines, Seen, fold, head, latin1};
use serde::Deserialize;

use super::{CLIENT, EDGE, Edge, HOST, STRANGER, Site, Who, lines, none_failed, with_host};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    mode: Mode,
    method: String,
    raw_target: String,
    /// Of a check: which edge's way to ask.
    dialect: Option<Dialect>,
    peer: Option<Peer>,
    headers: Lines,
    at_least: Level,
    at_most: Level,
    #[serde(default)]
    upstream_absent: Vec<String>,
    #[serde(default)]
    repeat: BTreeMap<String, (String, usize)>,
    #[serde(rename = "tier")]
    _tier: String,
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    ReverseProxy,
    ForwardAuth,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Dialect {
    Forwardauth,
    AuthRequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Peer {
    Trusted,
    Untrusted,
}

/// Who gets through, fewer and fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Public,
    Authenticated,
    Admin,
    Reject,
}

/// How a request is asked about.
#[derive(Clone, Copy, Debug)]
enum Way {
    Proxy,
    Check(Edge, Ipv4Addr),
}

/// What became of one request.
struct Outcome {
    status: u16,
    seen: Vec<Seen>,
    passed: bool,
}

impl Level {
    /// Of what nobody, a user and an admin got.
    fn of(outcomes: &[Outcome]) -> Option<Self> {
        let [nobody, user, admin] = outcomes else { return None };
        let asked = matches!(nobody.status, 302 | 303 | 401) && !nobody.passed;
        match (nobody.passed, user.passed, admin.passed) {
            (true, true, true) => Some(Self::Public),
            (false, true, true) if asked => Some(Self::Authenticated),
            (false, false, true) if asked && user.status == 403 => Some(Self::Admin),
            (false, false, false) if outcomes.iter().all(|it| (400..500).contains(&it.status)) => {
                Some(Self::Reject)
            }
            _ => None,
        }
    }

    /// What an app that reads paths by the letter takes a path for.
    fn by_the_letter(path: &str, method: &str) -> Self {
        let first = path.split('/').nth(1).unwrap_or_default();
        match first {
            "public" | "static" => Self::Public,
            "hooks" if matches!(method, "GET" | "HEAD") => Self::Public,
            "hooks" | "admin" => Self::Admin,
            _ => Self::Authenticated,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<_> =
            self.seen.iter().map(|seen| seen.target().chars().take(80).collect::<String>()).collect();
        write!(f, "{} {targets:?}", self.status)
    }
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all: Vec<Self> = crate::vectors::cases(include_str!("../../vectors/path-confusion.json"));
        for case in &mut all {
            for (name, (text, count)) in &case.repeat {
                case.raw_target = case.raw_target.replace(&format!("{{{name}}}"), &text.repeat(*count));
            }
        }
        all
    }

    /// The ways in which it is to be tried.
    fn ways(&self) -> Vec<Way> {
        let peer = if self.peer == Some(Peer::Untrusted) { STRANGER } else { EDGE };
        let edges: &[Edge] = match self.dialect {
            None => &Edge::ALL,
            Some(Dialect::AuthRequest) => &[Edge::Nginx],
            Some(Dialect::Forwardauth) => &[Edge::Traefik, Edge::Caddy, Edge::HaProxy],
        };
        let checks = edges.iter().map(|edge| Way::Check(*edge, peer));
        let proxy = (self.mode == Mode::ReverseProxy).then_some(Way::Proxy);
        proxy.into_iter().chain(checks).collect()
    }

    fn bytes(&self, way: Way, lines: &Lines) -> Vec<u8> {
        let Self { method, raw_target, .. } = self;
        latin1(&match way {
            Way::Proxy => head(&format!("{method} {raw_target} HTTP/1.1"), with_host(lines)),
            Way::Check(edge, _) if self.mode == Mode::ReverseProxy => edge.check(method, raw_target, lines),
            // The case says all that the edge does.
            Way::Check(edge, _) => head(&format!("{method} {} HTTP/1.1", edge.path()), with_host(lines)),
        })
    }

    async fn outcome(&self, site: &Site, way: Way, who: Who) -> Outcome {
        let mut lines = self.headers.clone();
        lines.extend(site.cookie_of(who).map(|cookie| ("Cookie".to_owned(), cookie)));
        let (port, from) = match way {
            Way::Proxy => (site.gate.port, CLIENT),
            Way::Check(_, from) => (site.edges, from),
        };
        let mut connection = Connection::open(port, from).await;
        connection.send(self.bytes(way, &lines)).await;
        // A connection that is closed without a word is a refusal, too.
        let status = connection.answer().await.map_or(400, |answer| answer.status);
        let seen = site.app.take();
        let passed = match way {
            Way::Proxy => seen.len() == 1 && status == 200,
            Way::Check(..) => status == 200,
        };
        Outcome { status, seen, passed }
    }

    /// What is wrong, if anything is.
    async fn problem(&self, site: &Site, way: Way) -> Option<String> {
        let mut outcomes = Vec::new();
        for who in [Who::Nobody, Who::User, Who::Admin] {
            outcomes.push(self.outcome(site, way, who).await);
        }
        let shown = || outcomes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let Some(level) = Level::of(&outcomes) else { return Some(format!("no level: {}", shown())) };
        if !(self.at_least..=self.at_most).contains(&level) {
            return Some(format!("{level:?}: {}", shown()));
        }
        let mut all = outcomes.iter().flat_map(|outcome| &outcome.seen);
        all.find_map(|seen| self.sent_on(seen, level)).map(|problem| format!("{problem}: {}", shown()))
    }

    /// What is wrong with what the app got.
    fn sent_on(&self, seen: &Seen, level: Level) -> Option<String> {
        if let Some(name) = self.upstream_absent.iter().find(|name| !seen.folded(name).is_empty()) {
            return Some(format!("{} goes on", fold(name)));
        }
        let sent = self.raw_target.strip_prefix(&format!("http://{HOST}")).unwrap_or(&self.raw_target);
        let sent = sent.split('#').next().unwrap_or_default();
        let (path, query) = sent.split_once('?').map_or((sent, None), |(path, query)| (path, Some(query)));
        let canonical = CanonicalPath::parse(path).ok()?;
        let judged =
            query.map_or(canonical.as_str().to_owned(), |query| format!("{}?{query}", canonical.as_str()));
        if seen.target() != judged {
            return Some(format!("{judged} was judged, and something else goes on"));
        }
        let taken = Level::by_the_letter(canonical.as_str(), &self.method);
        (taken > level).then(|| format!("an app takes it for {taken:?}"))
    }
}

#[tokio::test]
async fn what_is_judged_is_what_goes_on() {
    // threat-model P1 to P7, P9, H8, H10
    let site = Site::start().await;
    let mut failures = Vec::new();
    for case in Case::all() {
        for way in case.ways() {
            if let Some(problem) = case.problem(&site, way).await {
                failures.push(format!("{} ({}), {way:?}: {problem}", case.id, case.why));
            }
        }
    }
    none_failed(&failures);
}

#[tokio::test]
async fn no_spelling_of_our_own_endpoints_goes_on() {
    // threat-model P10, C10
    let site = Site::start().await;
    let cookie = site.cookie_of(Who::User).unwrap();
    for path in [
        "/api/auth",
        "/api/auth/session",
        "/api/auth/unknown",
        "/api//auth/session",
        "//api/auth/session",
        "/api/./auth/session",
        "/x/../api/auth/session",
        "/api/auth/../auth/session",
        "/api/%61uth/session",
        "/api%2fauth/session",
        "/api/auth%2fsession",
        "/api/auth;x/session",
        "/api/auth/session?x=/public",
    ] {
        for (name, value) in [("Cookie", cookie.as_str()), ("Accept", "*/*")] {
            let answer =
                site.ask(head(&format!("GET {path} HTTP/1.1"), [("Host", HOST), (name, value)])).await;
            let seen = site.app.take();
            // A parameter makes it another path, which goes on as such.
            let goes_on = path.contains(';') && seen.iter().all(|seen| seen.target() == path);
            assert!(seen.is_empty() || goes_on, "{path}: {answer:?}, {seen:?}");
            assert!(matches!(answer.status, 200 | 400 | 401 | 404), "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn other_hosts_are_not_served() {
    // threat-model H13, P7
    let site = Site::start().await;
    for host in [
        "evil.com",
        "app.example.com.evil.com",
        "xapp.example.com",
        "auth.example.com",
        "127.0.0.1",
        "app.example.com@evil.com",
        "",
        "app.example.com:x",
        "app.example.com:",
        "[::1]",
        "app.example.com evil.com",
    ] {
        let answer = site.ask(head("GET /public/x HTTP/1.1", [("Host", host)])).await;
        assert!(matches!(answer.status, 400 | 421) && site.app.take().is_empty(), "{host:?}: {answer:?}");
        for edge in Edge::ALL {
            let told = edge.check("GET", "/public/x", &lines(&[])).replace(HOST, host);
            let mut connection = Connection::open(site.edges, EDGE).await;
            connection.send(&told).await;
            let status = connection.answer().await.map_or(400, |answer| answer.status);
            assert!(matches!(status, 400 | 403), "{host:?} at {edge:?}: {status}");
        }
    }
    for host in ["APP.Example.COM", "app.example.com.", "app.example.com:443", "app.example.com:8443"] {
        let answer = site.ask(head("GET /public/x HTTP/1.1", [("Host", host)])).await;
        let seen = site.app.take();
        assert_eq!((answer.status, seen[0].values("host")), (200, vec![HOST]), "{host}: {answer:?}");
        assert_eq!(seen[0].values("x-forwarded-host"), [HOST], "{host}");
    }
}
