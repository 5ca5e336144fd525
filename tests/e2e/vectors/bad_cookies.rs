//! `Cookie` lines that a sibling, a browser's leftovers or an attacker could send: alice or nobody.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_shared::{
    authenticator::{Authentication, Authenticator, Unreadable},
    callbacks::{DefaultCallbacks, Exposure},
    clock::{FixedClock, UnixTime},
    cookie::{CookiePolicy, RequestCookies, SessionCookie},
    dialect::{Dialect, Scheme},
    refresh::Refresher,
    refusal::{NotAdmitted, Outage},
    session::Lifetime,
    token::{Claims, Codec},
};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

use super::{cases, example_com, placeholders::Placeholders, ring};

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// The lines of one request.
    pub(crate) cookie: Vec<String>,
    /// One outcome, or several joined by `|`.
    pub(crate) expect: String,
    pub(crate) why: String,
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        cases(include_str!("../../vectors/bad-cookies.json"))
    }
}

/// The secret of the deployment whose cookies they are, on `https://*.example.com`.
pub(crate) const SECRET: &str = "secret";

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const ISSUED: UnixTime = UnixTime::from_seconds(NOW.as_seconds() - 60);

/// Counts how often it is asked, and never helps.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Refresher for Counting {
    fn refresh<'a>(
        &'a self,
        _: &'a Claims,
        _: hallpass_shared::refresh::Due,
    ) -> Pin<Box<dyn Future<Output = Result<Claims, NotAdmitted>> + Send + 'a>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Err(Outage::of("a refresher").into())))
    }
}

/// A deployment, and what its cookies are called and hold.
pub(crate) struct Site {
    authenticator: Authenticator,
    refreshes: Arc<Counting>,
    placeholders: Placeholders,
}

impl Site {
    pub(crate) fn new(dialect: Dialect) -> Self {
        let policy = CookiePolicy::new(dialect, example_com(), Scheme::Https);
        let refreshes = Arc::new(Counting::default());
        let clock = Arc::new(FixedClock::at(NOW));
        let callbacks = DefaultCallbacks {
            stale: std::time::Duration::ZERO,
            refresher: refreshes.clone(),
            clock: clock.clone(),
            skew: Duration::from_secs(30),
            access_token: Exposure::Hidden,
        };
        let authenticator = Authenticator {
            codec: Codec::for_session(dialect, &ring(&[SECRET]), &policy.name).unwrap(),
            cookie: SessionCookie::new(policy),
            callbacks: Arc::new(callbacks),
            revocations: Arc::default(),
            unreadable: Unreadable::default(),
            lifetime: Lifetime::default(),
            clock,
        };
        Self { authenticator, refreshes, placeholders: Placeholders::new(dialect, SECRET, NOW) }
    }

    /// The bytes of a line, which may hold what no header can.
    pub(crate) fn expand(&self, line: &str) -> Vec<u8> {
        self.placeholders.expand(line)
    }

    async fn outcome(&self, lines: &[String]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            match HeaderValue::from_bytes(&self.expand(line)) {
                Ok(line) => headers.append(header::COOKIE, line),
                // No HTTP server makes a request of it.
                Err(_) => return "reject".into(),
            };
        }
        match self.authenticator.authenticate(RequestCookies::new(&headers)).await {
            Authentication::Admitted(admission) => {
                match (admission.claims.subject(), admission.claims.issued_at) {
                    (Some("alice"), Some(ISSUED)) => "valid".into(),
                    (subject, issued) => format!("{subject:?} of {issued:?}"),
                }
            }
            Authentication::Anonymous | Authentication::Refused { .. } => "anonymous".into(),
            Authentication::Unavailable { outage, .. } => outage.to_string(),
        }
    }
}

#[tokio::test]
async fn every_request_is_alices_or_nobodys_and_refreshes_nothing() {
    // threat-model C2 to C6
    for dialect in [Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5] {
        let site = Site::new(dialect);
        for case in Case::all() {
            let at = format!("{}, {dialect:?}: {}", case.id, case.why);
            let outcome = site.outcome(&case.cookie).await;
            let expected = case.expect.split('|').any(|expected| expected == outcome);
            assert!(expected, "{at}: {outcome} instead of {}", case.expect);
            assert_eq!(site.refreshes.0.load(Ordering::SeqCst), 0, "{at}: a refresh");
        }
    }
}

#[tokio::test]
async fn what_must_not_refresh_would_if_it_were_followed() {
    let site = Site::new(Dialect::NEXT_AUTH_V4);
    assert_eq!(site.outcome(&["{NAME}={OTHER}".into()]).await, "a refresher is not available");
    assert_eq!(site.refreshes.0.load(Ordering::SeqCst), 1);
}
