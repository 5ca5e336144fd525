//! `bad-cookies.json` and cookies of any size, at the program: alice or nobody, at the proxy and at each edge's check.

use std::time::Duration;

use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    cookie::chunk,
    dialect::Dialect,
};
use hallpass_tests::{
    SECRET,
    raw::{Connection, RawAnswer, latin1, text_of, values},
};
use tokio::time::Instant;

use super::{CLIENT, EDGE, Edge, OWN_NAMES, Site, alice, none_failed, overridden, with_host};
use crate::vectors::{bad_cookies::Case, placeholders::Placeholders};

/// Where a cookie is tried.
#[derive(Clone, Copy, Debug)]
enum Way {
    Proxy,
    Check(Edge),
}

impl Way {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Proxy].into_iter().chain(Edge::ALL.map(Self::Check))
    }

    /// A request for a protected page with these `Cookie` lines.
    fn bytes(self, cookies: &[Vec<u8>]) -> Vec<u8> {
        let lines = cookies.iter().map(|line| ("Cookie".to_owned(), text_of(line))).collect();
        latin1(&match self {
            Self::Proxy => hallpass_tests::raw::head("GET /page HTTP/1.1", with_host(&lines)),
            Self::Check(edge) => edge.check("GET", "/page", &lines),
        })
    }

    async fn answer(self, site: &Site, cookies: &[Vec<u8>]) -> Option<RawAnswer> {
        let (port, from) = match self {
            Self::Proxy => (site.gate.port, CLIENT),
            Self::Check(_) => (site.edges, EDGE),
        };
        let mut connection = Connection::open(port, from).await;
        connection.send(self.bytes(cookies)).await;
        connection.answer().await
    }

    /// In the words of the file; `alice` is her name for the app.
    async fn outcome(self, site: &Site, cookies: &[Vec<u8>], alice: &str) -> String {
        let answer = self.answer(site, cookies).await;
        let seen = site.app.take();
        let users: Vec<Vec<&str>> = match (self, &answer) {
            (Self::Proxy, _) => seen.iter().map(|seen| seen.folded("x-auth-user")).collect(),
            (Self::Check(_), Some(answer)) => vec![values(&answer.headers, "x-auth-user")],
            (Self::Check(_), None) => Vec::new(),
        };
        match (answer.as_ref().map(|answer| answer.status), &users[..]) {
            (Some(200), [user]) if user[..] == [alice] => "valid".into(),
            (Some(401 | 302 | 303), _) if seen.is_empty() => "anonymous".into(),
            (Some(400 | 413 | 431) | None, _) if seen.is_empty() => "reject".into(),
            (status, users) => format!("{status:?} for {users:?}"),
        }
    }
}

async fn all_cases(dialect: Dialect) {
    let site = Site::with(dialect, OWN_NAMES).await;
    let placeholders = Placeholders::new(dialect, SECRET, SystemClock.now());
    let mut failures = Vec::new();
    for case in Case::all() {
        let cookies: Vec<_> = case.cookie.iter().map(|line| placeholders.expand(line)).collect();
        for way in Way::all() {
            let begun = Instant::now();
            let outcome = way.outcome(&site, &cookies, "alice").await;
            let late = begun.elapsed() > Duration::from_secs(2);
            let asked = site.backend.take_received();
            if late || !asked.is_empty() || !case.expect.split('|').any(|expected| expected == outcome) {
                failures.push(format!(
                    "{} ({}), {way:?}: {outcome} instead of {}, in {:?}, and the backend was asked {asked:?}",
                    case.id,
                    case.why,
                    case.expect,
                    begun.elapsed()
                ));
            }
        }
    }
    none_failed(&failures);
    for log in [site.gate.process.output(), site.auth.process.output()] {
        for token in placeholders.tokens() {
            let (_, half) = token.split_at(token.len() / 2);
            assert!(!log.contains(half), "a token is in a log");
        }
    }
}

#[tokio::test]
async fn a_request_is_alices_or_nobodys() {
    // threat-model C2 to C7
    all_cases(Dialect::NEXT_AUTH_V4).await;
}

#[tokio::test]
async fn a_request_is_alices_or_nobodys_in_the_other_dialect() {
    // threat-model C2 to C7
    all_cases(Dialect::AUTHJS_V5).await;
}

#[tokio::test]
async fn a_session_of_four_cookies_beside_many_others_passes() {
    // threat-model D9, C10
    let site = Site::start().await;
    let pad = std::iter::once(("pad".to_owned(), "p".repeat(9_500).into())).collect();
    let token = site.codec.seal(&overridden(alice(), &pad)).unwrap();
    let pieces: Vec<_> = chunk::split(token.expose(), site.policy.chunk_chars).collect();
    assert_eq!(pieces.len(), 4, "{}", token.expose().len());
    let name = &site.policy.name;
    let ours = pieces.iter().enumerate().map(|(n, piece)| format!("{name}.{n}={piece}"));
    let others: Vec<_> = (0..16).map(|n| format!("other-{n}={}", "o".repeat(1_000))).collect();
    let line = others.iter().cloned().chain(ours).collect::<Vec<_>>().join("; ").into_bytes();
    for way in Way::all() {
        let answer = way.answer(&site, std::slice::from_ref(&line)).await.unwrap();
        let seen = site.app.take();
        let left = match way {
            Way::Proxy => seen[0].values("cookie"),
            Way::Check(_) => answer.values("cookie"),
        };
        assert_eq!((answer.status, left), (200, vec![others.join("; ").as_str()]), "{way:?}");
    }
}
