//! `Cookie` lines that a sibling, a browser's leftovers or an attacker could send: alice or nobody.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    authenticator::{Authentication, Authenticator},
    callbacks::{DefaultCallbacks, Exposure},
    clock::{FixedClock, UnixTime},
    cookie::{CookiePolicy, RequestCookies, SessionCookie, chunk},
    dialect::{Dialect, Scheme},
    refresh::Refresher,
    refusal::{NotAdmitted, Outage},
    secret::Secret,
    session::Lifetime,
    token::{Claims, Codec},
};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

use super::{cases, example_com, ring};

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
const ISSUED_EARLIER: UnixTime = UnixTime::from_seconds(NOW.as_seconds() - 600);
const DAY: Duration = Duration::from_hours(24);

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
    dialect: Dialect,
    /// Placeholders and what they stand for.
    placeholders: Vec<(String, String)>,
}

/// Fresh in every respect.
fn alice() -> Claims {
    Claims {
        sub: Some("alice".into()),
        sid: Some("sid-of-alice".into()),
        issued_at: Some(ISSUED),
        expires: Some(NOW.plus(DAY)),
        access_token: Some(Secret::new("access")),
        access_token_expires: Some(NOW.plus(DAY)),
        refresh_token: Some(Secret::new("refresh")),
        ..Claims::default()
    }
}

/// The access token is over, so whoever followed these claims would ask for a new one.
fn stale(claims: Claims) -> Claims {
    Claims { access_token_expires: Some(ISSUED), ..claims }
}

fn large(mut claims: Claims) -> Claims {
    claims.user.insert("pad".into(), "p".repeat(6500).into());
    claims
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
            cookie: SessionCookie::new(policy.clone()),
            callbacks: Arc::new(callbacks),
            revocations: Arc::default(),
            lifetime: Lifetime::default(),
            clock,
        };
        let placeholders = placeholders(dialect, &authenticator.codec, &policy);
        Self { authenticator, refreshes, dialect, placeholders }
    }

    /// The bytes of a line, which may hold what no header can.
    pub(crate) fn expand(&self, line: &str) -> Vec<u8> {
        let mut line = line.replace("authjs", self.dialect.cookie_stem);
        for (placeholder, text) in &self.placeholders {
            line = line.replace(placeholder, text);
        }
        line = expand_each(&line, "{SEQ:", |spec| {
            let [prefix, count, suffix] = *spec.splitn(3, ':').collect::<Vec<_>>() else { panic!("{spec}") };
            (0..count.parse::<usize>().unwrap())
                .flat_map(|n| [prefix.to_owned(), n.to_string(), suffix.to_owned()])
                .collect()
        });
        line = expand_each(&line, "{REPEAT:", |spec| {
            let (text, count) = spec.rsplit_once(':').unwrap();
            text.repeat(count.parse().unwrap())
        });
        line.chars().map(|char| u8::try_from(char).unwrap()).collect()
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

fn placeholders(dialect: Dialect, codec: &Codec, policy: &CookiePolicy) -> Vec<(String, String)> {
    let seal = |codec: &Codec, claims: &Claims| codec.seal(claims).unwrap().expose().to_owned();
    let wrong_key = Codec::for_session(dialect, &ring(&["another secret"]), &policy.name).unwrap();
    let other_purpose = Codec::for_purpose(dialect, &ring(&[SECRET]), &policy.csrf_name).unwrap();
    let mallory =
        Claims { sub: Some("mallory".into()), sid: Some("sid-of-mallory".into()), ..stale(alice()) };
    let old = Claims { issued_at: Some(ISSUED_EARLIER), ..alice() };
    let expired = Claims { absolute_expires: Some(ISSUED), ..stale(alice()) };
    let valid = seal(codec, &alice());
    let (head, tail) = valid.split_at(valid.len() / 2);
    let mut all = vec![
        ("{NAME}".to_owned(), policy.name.clone()),
        ("{VALID_OLD}".to_owned(), seal(codec, &old)),
        ("{VALID_TAMPERED}".to_owned(), flip_a_bit_of_the_tag(&valid)),
        ("{VALID_HEAD}".to_owned(), head.to_owned()),
        ("{VALID_TAIL}".to_owned(), tail.to_owned()),
        ("{OTHER}".to_owned(), seal(codec, &mallory)),
        ("{EXPIRED}".to_owned(), seal(codec, &expired)),
        ("{WRONGKEY}".to_owned(), seal(&wrong_key, &stale(alice()))),
        ("{OTHERPURPOSE}".to_owned(), seal(&other_purpose, &stale(alice()))),
    ];
    for (stem, claims) in [("BIG", alice()), ("OTHER", mallory)] {
        let token = seal(codec, &large(claims));
        let pieces: Vec<&str> = chunk::split(&token, policy.chunk_chars).collect();
        assert_eq!(pieces.len(), 3, "{} characters", token.len());
        all.extend(
            pieces.iter().enumerate().map(|(n, piece)| (format!("{{{stem}.{n}}}"), (*piece).to_owned())),
        );
    }
    all.push(("{VALID}".to_owned(), valid));
    all
}

fn flip_a_bit_of_the_tag(token: &str) -> String {
    let (front, tag) = token.rsplit_once('.').unwrap();
    let mut tag = URL_SAFE_NO_PAD.decode(tag).unwrap();
    tag[7] ^= 1;
    format!("{front}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Puts `text_of` what stands between `open` and the next `}` in its place.
fn expand_each(line: &str, open: &str, text_of: impl Fn(&str) -> String) -> String {
    let mut expanded = line.to_owned();
    while let Some((front, rest)) = expanded.split_once(open) {
        let (spec, back) = rest.split_once('}').unwrap();
        expanded = format!("{front}{}{back}", text_of(spec));
    }
    expanded
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
