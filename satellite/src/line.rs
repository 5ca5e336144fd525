//! Asking the auth server: where it is, with what patience, and what when it does not answer.
//!
//! Why: a satellite must not be slower or frailer than its auth server. Connections are pooled; each of several addresses
//! is left alone while it does not answer (threat-model R6); a question about one token goes to the same address from
//! every satellite, so that renewals meet in one process even where the store is away (R8).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_shared::{
    breaker::{Breaker, jittered},
    clock::Clock,
    http_client::{self, Reply},
    internal::{Bearers, REFRESH, RefreshReply, SessionRequest},
    key::digest,
    provider::SignOutReach,
    refusal::{NotAdmitted, Outage},
    revocation::Revocation,
    secret::Secret,
    settings::SharedSettings,
    token::{Claims, Codec, SealedToken},
};
use http::{HeaderValue, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use crate::auth_server::AuthServerError;

pub(crate) const WHAT: &str = "the auth server";
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most sign-outs that wait for an auth server.
const MOST_UNTOLD: usize = 100_000;
/// As long as there is another address to ask.
const TIMEOUT_WITH_OTHERS: Duration = Duration::from_secs(3);
/// What failed sooner than this is tried once more: nobody has begun to work on it.
const SOON: Duration = Duration::from_secs(1);
/// Before that.
const PAUSE: Duration = Duration::from_millis(100);

/// What a question needs.
#[derive(Debug)]
pub(crate) struct Line {
    client: reqwest::Client,
    /// For the feed, which goes on for ever.
    endless: reqwest::Client,
    addresses: Vec<Address>,
    bearers: Bearers,
    codec: Codec,
    clock: Arc<dyn Clock>,
    /// Sign-outs that no auth server has taken yet.
    untold: Mutex<Vec<Revocation>>,
}

/// One place where an auth server is.
#[derive(Debug)]
struct Address {
    url: Url,
    breaker: Breaker,
}

/// Why there is no answer.
enum Unanswered {
    /// None of the addresses answered.
    Nowhere,
    /// One did, and cannot do it now.
    NotNow(Outage),
}

impl Unanswered {
    fn outage(self) -> Outage {
        match self {
            Self::Nowhere => Outage::of(WHAT),
            Self::NotNow(outage) => outage,
        }
    }
}

/// Whether an auth server says so, and not something before it.
fn is_ours(reply: &Reply) -> bool {
    let problem = reply.headers.get(header::CONTENT_TYPE);
    problem.is_some_and(|kind| kind.as_bytes() == b"application/problem+json")
}

/// For as long as the auth server says.
fn outage_of(reply: &Reply) -> Outage {
    let after = reply.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let outage = Outage::of("the backend");
    Outage { retry_after: after.map_or(outage.retry_after, Duration::from_secs), ..outage }
}

impl Line {
    pub(crate) fn new(
        settings: &SharedSettings,
        codec: Codec,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthServerError> {
        let client = http_client::build(TIMEOUT, None)?;
        let address = |url: &Url| Address { url: url.clone(), breaker: Breaker::default() };
        Ok(Self {
            client,
            endless: http_client::build_endless(None)?,
            addresses: settings.auth_server.iter().map(address).collect(),
            bearers: Bearers::derive(&settings.ring)?,
            codec,
            clock,
            untold: Mutex::default(),
        })
    }

    /// All addresses.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &Url> {
        self.addresses.iter().map(|address| &address.url)
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) fn endless(&self) -> &reqwest::Client {
        &self.endless
    }

    pub(crate) fn bearers(&self) -> &Bearers {
        &self.bearers
    }

    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        self.bearers.header()
    }

    /// Keeps a sign-out until an auth server has taken it.
    pub(crate) fn keep(&self, revocation: Revocation) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.len() < MOST_UNTOLD {
            untold.push(revocation);
        }
    }

    /// What no auth server has taken yet.
    pub(crate) fn untold(&self) -> Vec<Revocation> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An auth server has taken these.
    pub(crate) fn told(&self, told: &[Revocation]) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.retain(|known| !told.contains(known));
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Asks about a session: the address that its token points to, then the others. Only where nobody answers
    /// at once is it tried again (threat-model R5, R6). The answer, and whose it is.
    pub(crate) async fn ask(
        &self,
        path: &str,
        claims: &Claims,
        reach: SignOutReach,
    ) -> Result<(Reply, &Url), Outage> {
        let sealed = self.codec.seal(claims).map_err(|_| Outage::of("the session codec"))?;
        let everywhere = reach == SignOutReach::Everywhere;
        let body = SessionRequest { token: sealed.expose().to_owned(), everywhere };
        let order = self.order(claims);
        let begun = Instant::now();
        match self.ask_each(path, &body, &order).await {
            Err(Unanswered::Nowhere) if begun.elapsed() < SOON => {
                tokio::time::sleep(jittered(PAUSE)).await;
                self.ask_each(path, &body, &order).await.map_err(Unanswered::outage)
            }
            answered => answered.map_err(Unanswered::outage),
        }
    }

    async fn ask_each<'l>(
        &'l self,
        path: &str,
        body: &SessionRequest,
        order: &[&'l Address],
    ) -> Result<(Reply, &'l Url), Unanswered> {
        for (number, address) in order.iter().enumerate() {
            let Ok(url) = address.url.join(path) else { continue };
            // Whoever enters a shut breaker is the one that tries, so nobody enters who does not ask.
            if address.breaker.enter().is_err() {
                continue;
            }
            let mut request = self.client.post(url).json(body);
            if let Some(bearer) = self.bearers.header() {
                request = request.header(header::AUTHORIZATION, bearer);
            }
            // Another one finds what this one has begun, by their store.
            if order.iter().skip(number + 1).any(|other| !other.breaker.is_shut()) {
                request = request.timeout(TIMEOUT_WITH_OTHERS);
            }
            match http_client::send(WHAT, request).await {
                Ok(reply) if !reply.status.is_server_error() => {
                    address.breaker.answered();
                    return Ok((reply, &address.url));
                }
                // It speaks for the backend, which the others would only ask again.
                Ok(reply) if is_ours(&reply) => {
                    address.breaker.answered();
                    return Err(Unanswered::NotNow(outage_of(&reply)));
                }
                // A proxy before it, perhaps.
                Ok(_) | Err(_) => address.breaker.failed(),
            }
        }
        Err(Unanswered::Nowhere)
    }

    /// Highest random weight: every satellite has the same order for one token, and each address its share of tokens.
    fn order(&self, claims: &Claims) -> Vec<&Address> {
        let token = claims.refresh_token.as_ref().map(Secret::expose).unwrap_or_default();
        let mut order: Vec<_> = self.addresses.iter().collect();
        order.sort_by_cached_key(|address| digest(address.url.as_str(), token));
        order
    }

    pub(crate) async fn renew(&self, claims: &Claims) -> Result<Arc<Claims>, NotAdmitted> {
        let (reply, url) = self.ask(REFRESH, claims, SignOutReach::Session).await?;
        if reply.status != StatusCode::OK {
            let status = reply.status.as_u16();
            // Without a bearer it knows, an auth server does not admit that the path exists.
            let why = if status == 404 { " (404: it does not know our secret, or is none)" } else { "" };
            tracing::error!(
                event = "refresh",
                status,
                address = %url,
                "the auth server at {url} does not renew for us{why}; see `satellite check`"
            );
            return Err(Outage::of(WHAT).into());
        }
        match serde_json::from_slice(&reply.body) {
            Ok(RefreshReply::Refused { why }) => Err(RefreshReply::refusal(&why).into()),
            Ok(RefreshReply::Renewed { token }) => {
                let opened = SealedToken::from_wire(token)
                    .and_then(|token| self.codec.open(&token, self.clock.now()).ok());
                opened.map(|opened| opened.claims).ok_or_else(|| Outage::of(WHAT).into())
            }
            Err(_) => Err(Outage::of(WHAT).into()),
        }
    }
}
