//! A store that goes on without the store.
//!
//! Why: when Redis is stopped, paused or emptied, or a disk is full, nobody must be signed out (threat-model R8). Every
//! result is kept in this process, too, and every operation that fails is done in this process: one refresh for each
//! token on each machine, counters of its own. Never silently: it shows in the log, in the metrics and in `/readyz`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_shared::{
    clock::Clock,
    revocation::Revocation,
    store::{
        Answer, Claim, Cursor, Kept, Lease, Limit, Memory, Page, Past, Reach, Store, StoreError, StoreKey,
        Written,
    },
    telemetry::causes,
};
use tokio::time::Instant;

/// A store with a spare.
#[derive(Debug)]
pub struct Failsafe {
    store: Arc<dyn Store>,
    spare: Memory,
    /// Why an operation failed lately.
    broken: Mutex<Option<String>>,
    failed: Mutex<Option<Instant>>,
    epoch: Mutex<Option<String>>,
    /// Leases whose end the store has not heard of: whoever shares it would wait for each to run out.
    owed: Mutex<HashMap<StoreKey, Lease>>,
}

/// It works again when nothing has failed for so long: one that is full reads all the same, a few times a second.
const CALM: Duration = Duration::from_secs(30);
/// Most of them; a lease that is forgotten runs out.
const MOST_OWED: usize = 10_000;

impl Failsafe {
    /// Over `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            spare: Memory::new(clock),
            broken: Mutex::default(),
            failed: Mutex::default(),
            epoch: Mutex::default(),
            owed: Mutex::default(),
        }
    }

    fn owed(&self) -> MutexGuard<'_, HashMap<StoreKey, Lease>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owe(&self, key: StoreKey, lease: Lease) {
        let mut owed = self.owed();
        if owed.len() < MOST_OWED {
            owed.insert(key, lease);
        }
    }

    /// Ends in the store what ended here while it was away, with the result where there is one. Where it still does not
    /// write, the log has been told.
    async fn settle(&self) {
        let mut owed = std::mem::take(&mut *self.owed()).into_iter();
        while let Some((key, lease)) = owed.next() {
            let told = match self.spare.kept(&key) {
                Some(kept) => self.store.keep(lease, &kept).await.map(drop),
                None => self.store.release(key, lease).await,
            };
            if self.heard(told).is_err() {
                self.owe(key, lease);
                owed.for_each(|(key, lease)| self.owe(key, lease));
                return;
            }
        }
    }

    /// Tells the log when the store breaks and when it is back, not each time.
    fn heard<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Ok(_) => {
                let is_calm = self.last_failed().is_none_or(|ago| ago >= CALM);
                if is_calm && broken.take().is_some() {
                    tracing::info!(event = "store", outcome = "back", "the store works again");
                }
                metrics::gauge!("hallpass_store_up").set(u8::from(broken.is_none()));
            }
            Err(error) => {
                let cause = causes(error);
                if broken.is_none() {
                    tracing::error!(
                        event = "store",
                        outcome = "broken",
                        error = cause,
                        "the store does not work; going on with this process's own memory"
                    );
                }
                *broken = Some(cause);
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                metrics::gauge!("hallpass_store_up").set(0);
                metrics::counter!("hallpass_store_failures_total").increment(1);
            }
        }
        outcome
    }
}

impl Store for Failsafe {
    fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim> {
        Box::pin(async move {
            match self.heard(self.store.claim(key, lease, span).await) {
                // It may have been emptied, or been away when this was to be kept.
                Ok(claim @ (Claim::Leased(Past::Unknown) | Claim::Busy(_))) => {
                    // One that nobody had yet may have been claimed elsewhere since, unless the store has lost it.
                    let may_be = self.last_failed().is_some() || !self.spare.is_unclaimed(&key);
                    let Some(kept) = self.spare.kept(&key).filter(|_| may_be) else { return Ok(claim) };
                    if let Claim::Leased(_) = claim {
                        // Now it is there for the others, too.
                        let _ = self.store.keep(lease, &kept).await;
                    }
                    Ok(Claim::Kept(kept.value))
                }
                Ok(claim) => {
                    if let Claim::Kept(_) = claim {
                        self.spare.begin_grace(key);
                    }
                    Ok(claim)
                }
                Err(_) => self.spare.claim(key, lease, span).await,
            }
        })
    }

    fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written> {
        Box::pin(async move {
            let written = self.heard(self.store.keep(lease, kept).await);
            // Also what was granted to one whose lease an emptied store has forgotten.
            self.spare.put(kept);
            self.spare.release(kept.spent, lease).await?;
            if written.is_err() {
                self.owe(kept.spent, lease);
                let _ = self.store.release(kept.spent, lease).await;
            } else {
                // Written once is enough: it may be superseded by then.
                self.owed().remove(&kept.spent);
            }
            Ok(written.unwrap_or(Written::Yes))
        })
    }

    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.heard(self.store.release(key, lease).await).is_err() {
                self.owe(key, lease);
            }
            self.spare.release(key, lease).await
        })
    }

    fn forget(&self, key: StoreKey) -> Answer<'_, ()> {
        Box::pin(async move {
            let _ = self.heard(self.store.forget(key).await);
            self.spare.forget(key).await
        })
    }

    /// Without a spare: whoever revokes keeps what could not be written, and tries again.
    fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()> {
        Box::pin(async move { self.heard(self.store.revoke(revocations).await) })
    }

    fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page> {
        Box::pin(async move {
            let page = self.heard(self.store.revocations(cursor).await)?;
            self.settle().await;
            let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
            if epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch) {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            *epoch = Some(page.epoch.clone());
            Ok(page)
        })
    }

    fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>> {
        Box::pin(async move {
            match self.heard(self.store.count(limits).await) {
                Ok(counted) => Ok(counted),
                Err(_) => self.spare.count(limits).await,
            }
        })
    }

    fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()> {
        Box::pin(async move {
            let _ = self.heard(self.store.give_back(limits).await);
            self.spare.give_back(limits).await
        })
    }

    fn last_failed(&self) -> Option<Duration> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    fn reach(&self) -> Reach {
        self.store.reach()
    }

    fn health(&self) -> Result<String, String> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (broken, self.store.health()) {
            (None, healthy) => healthy,
            (Some(cause), Ok(store) | Err(store)) => Err(format!(
                "{store} does not work, or did not within the last {} seconds ({cause}): look at it and at the setting \
                 `store.url`; going on with this process's own memory, so sign-outs and throttling reach other auth servers \
                 when it is back",
                CALM.as_secs()
            )),
        }
    }
}

#[cfg(test)]
mod tests;
