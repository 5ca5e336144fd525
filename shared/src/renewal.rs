//! Renewing tokens at the backend: once per refresh token, however many ask, on however many machines.
//!
//! Why: a backend that rotates refresh tokens takes a second use of one for theft and ends the session
//! (threat-model R1). In one process parallel requests share one call; between processes a lease in the store says who
//! makes it (R7), and requests that come later with the old cookie find the result for a grace time (R3). What is kept
//! is sealed with a key of its own for each token, so that nobody who writes into the store can hand one user the
//! result of another (R9).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;

use crate::{
    breaker::{Breaker, jittered},
    clock::Clock,
    key::{digest, log_id},
    refresh::{Due, Grant, Refresher},
    refusal::{NotAdmitted, Outage, Refusal},
    secret::Secret,
    single_flight::{Abandoned, SingleFlight, Waiters},
    store::{Claim, Claimed, Kept, Lease, Past, Store, StoreKey, Written},
    telemetry::{carried, causes},
    token::{Claims, Codec, SealError, SealedToken},
};

mod source;

pub use source::{BackendError, Keeping, TokenSource};

type Renewed = Result<Arc<Claims>, NotAdmitted>;

/// Renews, once.
#[derive(Debug)]
pub struct Renewal {
    core: Arc<Core>,
    flights: SingleFlight<StoreKey, Renewed>,
}

#[derive(Debug)]
struct Core {
    source: Arc<dyn TokenSource>,
    breaker: Breaker,
    store: Arc<dyn Store>,
    keeping: Keeping,
    clock: Arc<dyn Clock>,
    asked: AtomicU64,
}

/// A lease lasts longer than the backend may take, and is prolonged while its holder lives.
const LEASE_MARGIN: Duration = Duration::from_secs(3);
/// Between two looks whether another process is done.
const LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(250);
/// A result that nobody waited for any more stays for this long.
const UNCLAIMED: Duration = Duration::from_hours(1);
/// A renewal that another process makes is waited for this long.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

impl Renewal {
    /// At `source`, with results in `store`.
    pub fn new(
        source: Arc<dyn TokenSource>,
        store: Arc<dyn Store>,
        keeping: Keeping,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let core =
            Core { source, breaker: Breaker::default(), store, keeping, clock, asked: AtomicU64::new(0) };
        Self { core: Arc::new(core), flights: SingleFlight::new(Abandoned::GoesOn).lingering(linger) }
    }

    /// How often the backend was asked.
    pub fn asked(&self) -> u64 {
        self.core.asked.load(Ordering::Relaxed)
    }

    /// Whether the backend is being left alone, because it did not answer.
    pub fn is_shut(&self) -> bool {
        self.core.breaker.is_shut()
    }
}

/// A failure answers those who come right after it (threat-model R6); a result is in the store.
pub fn linger<T>(result: &Result<T, NotAdmitted>) -> Duration {
    match result {
        Ok(_) => Duration::ZERO,
        Err(NotAdmitted::Refused(_)) => Duration::from_secs(5),
        Err(_) => Duration::from_millis(500),
    }
}

/// Under which digest a refresh token is known.
pub fn token_key(token: &Secret) -> StoreKey {
    digest("hallpass refresh token", token.expose())
}

/// A result that waited for long may need renewing itself.
const GENERATIONS: usize = 3;

impl Refresher for Renewal {
    fn refresh<'a>(&'a self, claims: &'a Claims, due: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
        Box::pin(async move {
            let mut renewed = self.once(claims, due).await?;
            for _ in 1..GENERATIONS {
                let now = self.core.clock.now();
                if renewed.access_token_end().is_none_or(|end| now < end) {
                    break;
                }
                match self.once(&renewed, Due::Now).await {
                    Ok(next) => renewed = next,
                    // It has been claimed: whoever asked must carry it home, or it is lost with its grace time.
                    Err(NotAdmitted::Unavailable(_)) => break,
                    Err(refused) => return Err(refused),
                }
            }
            Ok(renewed)
        })
    }
}

impl Renewal {
    async fn once(&self, claims: &Claims, due: Due) -> Result<Claims, NotAdmitted> {
        let Some(token) = claims.refresh_token.clone() else {
            return Err(Refusal::RefreshTokenExpired.into());
        };
        let key = token_key(&token);
        if due == Due::Soon && self.flights.is_under_way(&key) {
            return Err(Outage::of("the renewal under way").into());
        }
        let (core, claims) = (Arc::clone(&self.core), claims.clone());
        let work = |waiters: Arc<Waiters>| {
            carried(async move { core.renew(key, &token, (&claims, &waiters)).await })
        };
        let renewed = tokio::time::timeout(self.core.source.patience(), self.flights.run(key, work)).await;
        // A slow backend has perhaps spent the token: whoever comes later finds what it granted (threat-model R5).
        let Ok(renewed) = renewed else { return Err(Outage::of("the backend").into()) };
        renewed.unwrap_or(Err(Outage::of("the refresh").into())).map(|claims| Claims::clone(&claims))
    }
}

impl Core {
    async fn renew(&self, key: StoreKey, token: &Secret, (claims, waiters): (&Claims, &Waiters)) -> Renewed {
        let lease = Lease::new();
        if let Some(kept) = self.kept_or_leased(key, lease, waiters).await? {
            count("kept");
            return Ok(Arc::new(kept));
        }
        let traded = match self.breaker.enter() {
            Ok(()) => self.trade(key, lease, token).await,
            Err(pause) => Err(Outage { retry_after: pause, ..Outage::of("the backend") }.into()),
        };
        match traded {
            Ok(grant) => self.granted(key, lease, grant.apply_to(claims), waiters).await,
            Err(error) => {
                let _ = self.store.release(key, lease).await;
                Err(denied(error, claims))
            }
        }
    }

    /// What another has made already, or the right to make it.
    async fn kept_or_leased(
        &self,
        key: StoreKey,
        lease: Lease,
        waiters: &Waiters,
    ) -> Result<Option<Claims>, NotAdmitted> {
        let unknown = |error: &crate::store::StoreError| {
            tracing::error!(event = "store", error = causes(error), "a renewal could not be begun");
            NotAdmitted::from(Outage::of("the store"))
        };
        let mut look = LOOK;
        let mut waited = Duration::ZERO;
        // A result is not claimed for nobody.
        while waited < LONGEST_WAIT && (waiters.anybody() || waited.is_zero()) {
            match self.store.claim(key, lease, self.lease_span()).await.map_err(|error| unknown(&error))? {
                Claim::Kept(value) => match self.opened(&key, value) {
                    Some(claims) => return Ok(Some(claims)),
                    None => self.store.forget(key).await.map_err(|error| unknown(&error))?,
                },
                Claim::Leased(past) => {
                    if past == Past::Superseded {
                        tracing::warn!(
                            event = "refresh_token_reused",
                            "a refresh token came back whose successor was spent already"
                        );
                    }
                    return Ok(None);
                }
                Claim::Busy(_) => {}
            }
            tokio::time::sleep(jittered(look)).await;
            waited += look;
            look = (look * 2).min(LONGEST_LOOK);
        }
        Err(Outage::of("the refresh").into())
    }

    /// Asks the backend, and prolongs the lease meanwhile.
    async fn trade(&self, key: StoreKey, lease: Lease, token: &Secret) -> Result<Grant, BackendError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut work = self.source.trade(token);
        let traded = loop {
            tokio::select! {
                traded = &mut work => break traded,
                () = tokio::time::sleep(self.lease_span() / 3) => {
                    let _ = self.store.claim(key, lease, self.lease_span()).await;
                }
            }
        };
        match traded {
            Err(BackendError::Unavailable(_)) => self.breaker.failed(),
            _ => self.breaker.answered(),
        }
        traded
    }

    /// Kept before anybody is answered.
    async fn granted(&self, key: StoreKey, lease: Lease, renewed: Claims, waiters: &Waiters) -> Renewed {
        let granted = renewed.refresh_token.as_ref().map(token_key).filter(|granted| *granted != key);
        // A backend that does not rotate takes the same token again.
        let Some(granted) = granted else {
            let _ = self.store.release(key, lease).await;
            return Ok(Arc::new(told(renewed)));
        };
        let value = match self.codec(&key).and_then(|codec| codec.seal(&renewed)) {
            Ok(sealed) => sealed.expose().as_bytes().to_vec(),
            Err(error) => {
                // The old token is spent: those who wait get the new ones all the same.
                tracing::error!(event = "refresh", error = causes(&error), "a renewal could not be sealed");
                let _ = self.store.release(key, lease).await;
                return Ok(Arc::new(told(renewed)));
            }
        };
        // Whoever hung up comes back with the old cookie, perhaps after a while.
        let claimed = if waiters.anybody() { Claimed::Already } else { Claimed::NotYet(UNCLAIMED) };
        let kept = Kept { spent: key, granted: Some(granted), value, grace: self.keeping.grace, claimed };
        match self.store.keep(lease, &kept).await {
            Ok(Written::Yes) => {}
            Ok(Written::LeaseLost) => {
                tracing::warn!(event = "refresh", "another process has taken this renewal over meanwhile");
            }
            Err(error) => {
                tracing::error!(event = "store", error = causes(&error), "a renewal could not be kept");
            }
        }
        Ok(Arc::new(told(renewed)))
    }

    fn opened(&self, key: &StoreKey, value: Vec<u8>) -> Option<Claims> {
        let sealed = SealedToken::from_wire(String::from_utf8(value).ok()?)?;
        let opened = self.codec(key).ok()?.open_any(&sealed, self.clock.now());
        if opened.is_err() {
            tracing::warn!(event = "store", "what the store had kept was not sealed by us for this token");
        }
        Some(Arc::unwrap_or_clone(opened.ok()?.claims))
    }

    /// A key for each place in the store (threat-model R9).
    fn codec(&self, key: &StoreKey) -> Result<Codec, SealError> {
        let name = format!("hallpass refresh result {}", URL_SAFE_NO_PAD.encode(key));
        Codec::for_purpose(self.keeping.dialect, &self.keeping.ring, &name)
    }

    fn lease_span(&self) -> Duration {
        self.source.patience() + LEASE_MARGIN
    }
}

fn told(renewed: Claims) -> Claims {
    count("ok");
    tracing::info!(event = "refresh", outcome = "ok", "tokens were renewed");
    renewed
}

fn denied(error: BackendError, claims: &Claims) -> NotAdmitted {
    match error {
        BackendError::Denied | BackendError::UserDenied => {
            count("refused");
            let session = claims.sid.as_deref().map(log_id);
            // For good, and perhaps because somebody else has spent it (threat-model R10).
            let (step, what) = match error {
                BackendError::UserDenied => ("backend.user", error.to_string()),
                _ => ("backend.refresh", "the backend refused the refresh token".into()),
            };
            tracing::warn!(event = "refresh", outcome = "refused", step, session, "{what}");
            Refusal::RefreshRefused.into()
        }
        BackendError::Throttled(retry_after) => {
            count("unavailable");
            Outage { retry_after, ..Outage::of("the backend") }.into()
        }
        BackendError::Unavailable(outage) => {
            count("unavailable");
            outage.into()
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("hallpass_refreshes_total", "outcome" => outcome).increment(1);
}
