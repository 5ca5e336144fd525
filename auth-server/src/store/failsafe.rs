//! A store that goes on without the store.
//!
//! Why: when Redis is stopped, paused or emptied, or a disk is full, nobody must be signed out (threat-model R8). Every
//! result is kept in this process, too, and every operation that fails is done in this process: one refresh for each
//! token on each machine, counters of its own. Never silently: it shows in the log, in the metrics and in `/readyz`.

use std::{
    sync::{Arc, Mutex, PoisonError},
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
    /// Why the last operation failed; nothing if it did not.
    broken: Mutex<Option<String>>,
    failed: Mutex<Option<Instant>>,
    epoch: Mutex<Option<String>>,
}

impl Failsafe {
    /// Over `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            spare: Memory::new(clock),
            broken: Mutex::default(),
            failed: Mutex::default(),
            epoch: Mutex::default(),
        }
    }

    /// Tells the log when the store breaks and when it is back, not each time.
    fn heard<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Ok(_) => {
                if broken.take().is_some() {
                    tracing::info!(event = "store", outcome = "back", "the store works again");
                }
                metrics::gauge!("hallpass_store_up").set(1);
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
                let _ = self.store.release(kept.spent, lease).await;
            }
            Ok(written.unwrap_or(Written::Yes))
        })
    }

    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
        Box::pin(async move {
            let _ = self.heard(self.store.release(key, lease).await);
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
                "{store} does not work ({cause}): look at it and at the setting `store.url`; going on with this process's own \
                 memory, so sign-outs and throttling reach other auth servers when it is back"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_shared::clock::{FixedClock, UnixTime};

    use super::*;

    /// Fails while it is told to, and can be emptied.
    #[derive(Debug)]
    struct Shaky {
        inner: Mutex<Arc<Memory>>,
        broken: std::sync::atomic::AtomicBool,
        clock: Arc<dyn Clock>,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Whole,
        Broken,
    }

    impl Shaky {
        fn works(&self) -> Result<Arc<Memory>, StoreError> {
            if self.broken.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(StoreError::new("broken on purpose"));
            }
            Ok(Arc::clone(&self.inner.lock().unwrap()))
        }

        fn turn(&self, state: State) {
            self.broken.store(state == State::Broken, std::sync::atomic::Ordering::SeqCst);
        }

        fn empty(&self) {
            *self.inner.lock().unwrap() = Arc::new(Memory::new(Arc::clone(&self.clock)));
        }
    }

    impl Store for Shaky {
        fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim> {
            Box::pin(async move { self.works()?.claim(key, lease, span).await })
        }
        fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written> {
            Box::pin(async move { self.works()?.keep(lease, kept).await })
        }
        fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
            Box::pin(async move { self.works()?.release(key, lease).await })
        }
        fn forget(&self, key: StoreKey) -> Answer<'_, ()> {
            Box::pin(async move { self.works()?.forget(key).await })
        }
        fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()> {
            Box::pin(async move { self.works()?.revoke(revocations).await })
        }
        fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page> {
            Box::pin(async move { self.works()?.revocations(cursor).await })
        }
        fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>> {
            Box::pin(async move { self.works()?.count(limits).await })
        }
        fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()> {
            Box::pin(async move { self.works()?.give_back(limits).await })
        }
        fn reach(&self) -> Reach {
            Reach::Everybody
        }
        fn health(&self) -> Result<String, String> {
            Ok("a shaky store".into())
        }
    }

    fn shaky() -> (Arc<Shaky>, Failsafe) {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(UnixTime::from_seconds(1_800_000_000)));
        let inner = Mutex::new(Arc::new(Memory::new(Arc::clone(&clock))));
        let shaky = Arc::new(Shaky { inner, broken: false.into(), clock: Arc::clone(&clock) });
        (Arc::clone(&shaky), Failsafe::new(shaky, clock))
    }

    const SPAN: Duration = Duration::from_secs(10);

    async fn renew(store: &Failsafe, spent: StoreKey, granted: StoreKey) {
        let lease = Lease::new();
        assert!(matches!(store.claim(spent, lease, SPAN).await.unwrap(), Claim::Leased(_)));
        let claimed = hallpass_shared::store::Claimed::Already;
        let kept = Kept { spent, granted: Some(granted), value: vec![spent[0]], grace: SPAN, claimed };
        assert_eq!(store.keep(lease, &kept).await.unwrap(), Written::Yes);
    }

    #[tokio::test]
    async fn a_result_is_found_though_the_store_is_away_or_was_emptied() {
        // threat-model R8
        let (shaky, store) = shaky();
        renew(&store, [1; 32], [2; 32]).await;
        shaky.empty();
        assert_eq!(store.claim([1; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![1]));
        shaky.turn(State::Broken);
        assert_eq!(store.claim([1; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![1]));
        renew(&store, [7; 32], [8; 32]).await;
        assert!(store.health().unwrap_err().contains("broken on purpose"));
        shaky.turn(State::Whole);
        assert_eq!(store.claim([7; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![7]));
        assert_eq!(store.health().unwrap(), "a shaky store");
    }

    #[tokio::test]
    async fn the_spare_does_not_bring_back_what_the_store_has_superseded() {
        // threat-model R3
        let (_, store) = shaky();
        renew(&store, [1; 32], [2; 32]).await;
        renew(&store, [2; 32], [3; 32]).await;
        let claim = store.claim([1; 32], Lease::new(), SPAN).await.unwrap();
        assert_eq!(claim, Claim::Leased(Past::Superseded));
    }

    #[tokio::test]
    async fn guesses_are_counted_though_the_store_is_away() {
        let (shaky, store) = shaky();
        shaky.turn(State::Broken);
        let limits = [Limit { counter: [1; 32], most: 2, per: SPAN }];
        assert_eq!(store.count(&limits).await.unwrap(), Ok(()));
        assert_eq!(store.count(&limits).await.unwrap(), Ok(()));
        assert!(store.count(&limits).await.unwrap().is_err());
    }
}
