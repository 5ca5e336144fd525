//! Renewing tokens at the backend: once per refresh token, however many ask.
//!
//! Why: a backend that rotates refresh tokens takes a second use of one for theft and ends the session
//! (threat-model R1). Parallel requests share one call; requests that come later with the old cookie find the
//! result for a grace time (R3). What is kept is sealed, and only of the token just before (R3, R9).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hallpass_shared::{
    clock::{Clock, UnixTime},
    key::digest,
    refresh::Refresher,
    refusal::{NotAdmitted, Outage, Refusal},
    secret::Secret,
    single_flight::SingleFlight,
    telemetry::{carried, causes},
    token::{Claims, Codec, SealedToken},
};

use crate::backend::{Backend, BackendError};

type TokenDigest = [u8; 32];
type Renewed = Result<Arc<Claims>, NotAdmitted>;

/// Asks the backend, once.
#[derive(Debug)]
pub struct BackendRefresher {
    core: Arc<Core>,
    flights: SingleFlight<TokenDigest, Renewed>,
}

#[derive(Debug)]
struct Core {
    backend: Arc<Backend>,
    kept: Kept,
    codec: Codec,
    clock: Arc<dyn Clock>,
    grace: Duration,
}

impl BackendRefresher {
    /// Over `backend`; results stay available for `grace`, sealed by `codec`.
    pub fn new(backend: Arc<Backend>, codec: Codec, clock: Arc<dyn Clock>, grace: Duration) -> Self {
        let core = Core { backend, kept: Kept::default(), codec, clock, grace };
        Self { core: Arc::new(core), flights: SingleFlight::new() }
    }
}

impl Refresher for BackendRefresher {
    fn refresh<'a>(&'a self, claims: &'a Claims) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
        Box::pin(async move {
            let Some(token) = claims.refresh_token.clone() else {
                return Err(Refusal::RefreshTokenExpired.into());
            };
            let key = digest("hallpass refresh token", token.expose());
            let (core, claims) = (Arc::clone(&self.core), claims.clone());
            let work = carried(async move { core.renew(key, &token, &claims).await });
            let renewed =
                tokio::time::timeout(self.core.backend.patience(), self.flights.run(key, work)).await;
            // A slow backend has perhaps spent the token: whoever comes later finds what it granted (threat-model R5).
            let Ok(renewed) = renewed else { return Err(Outage::of("the backend").into()) };
            renewed.unwrap_or(Err(Outage::of("the refresh").into())).map(|claims| Claims::clone(&claims))
        })
    }
}

impl Core {
    async fn renew(&self, key: TokenDigest, token: &Secret, claims: &Claims) -> Renewed {
        let now = self.clock.now();
        if let Some(sealed) = self.kept.get(&key, now)
            && let Ok(opened) = self.codec.open_any(&sealed, now)
        {
            count("kept");
            return Ok(Arc::new(opened.claims));
        }
        match self.backend.refresh(token).await {
            Ok(grant) => {
                let renewed = grant.apply_to(claims);
                let sealed = self.codec.seal(&renewed).map_err(|error| {
                    tracing::error!(error = causes(&error), "a renewal could not be kept");
                    Outage::of("the refresh")
                })?;
                let next = renewed
                    .refresh_token
                    .as_ref()
                    .map(|next| digest("hallpass refresh token", next.expose()));
                // Kept before anybody is answered.
                self.kept.keep(key, next, (now.plus(self.grace), sealed), now);
                count("ok");
                tracing::info!(event = "refresh", outcome = "ok", "tokens were renewed");
                Ok(Arc::new(renewed))
            }
            Err(BackendError::Denied) => {
                count("refused");
                tracing::info!(
                    event = "refresh",
                    outcome = "refused",
                    "the backend refused the refresh token"
                );
                Err(Refusal::RefreshRefused.into())
            }
            Err(BackendError::Throttled(retry_after)) => {
                count("unavailable");
                Err(Outage { what: "the backend", retry_after }.into())
            }
            Err(BackendError::Unavailable(outage)) => {
                count("unavailable");
                Err(outage.into())
            }
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("hallpass_refreshes_total", "outcome" => outcome).increment(1);
}

/// Results by the digest of the token that was spent for them.
#[derive(Debug, Default)]
struct Kept(Mutex<Results>);

#[derive(Debug, Default)]
struct Results {
    by_spent: HashMap<TokenDigest, (UnixTime, SealedToken)>,
    /// From a token to the one that was spent for it.
    spent_for: HashMap<TokenDigest, TokenDigest>,
}

impl Kept {
    fn get(&self, spent: &TokenDigest, now: UnixTime) -> Option<SealedToken> {
        let results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        results.by_spent.get(spent).filter(|(until, _)| now <= *until).map(|(_, sealed)| sealed.clone())
    }

    fn keep(
        &self,
        spent: TokenDigest,
        next: Option<TokenDigest>,
        result: (UnixTime, SealedToken),
        now: UnixTime,
    ) {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if results.by_spent.len() == results.by_spent.capacity() {
            results.by_spent.retain(|_, (until, _)| now <= *until);
            let Results { by_spent, spent_for } = &mut *results;
            spent_for.retain(|_, spent| by_spent.contains_key(spent));
        }
        // Two generations back nothing is given any more.
        if let Some(before) = results.spent_for.remove(&spent) {
            results.by_spent.remove(&before);
        }
        if let Some(next) = next.filter(|next| *next != spent) {
            results.spent_for.insert(next, spent);
            results.by_spent.insert(spent, result);
        }
    }
}
