//! The store of one process, in its memory.
//!
//! Why: for a first look, for tests, and as what the other stores fall back to. It ends with the process.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Answer, Claim, Claimed, Cursor, Kept, Lease, Limit, Page, Reach, Store, StoreError, StoreKey, Written,
};
use crate::{clock::Clock, revocation::Revocation};

mod state;

use state::State;

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    epoch: String,
}

impl Memory {
    /// Nothing in it.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), epoch: uuid::Uuid::new_v4().to_string() }
    }

    /// The result kept under `key`, for as long as it stays, without a lease.
    pub fn kept(&self, key: &StoreKey) -> Option<Kept> {
        let now = self.clock.now();
        let state = self.state();
        let result =
            state.results.get(key).filter(|result| now <= result.until && !result.value.is_empty())?;
        let (granted, value) = (result.granted, result.value.to_vec());
        Some(Kept { spent: *key, granted, value, grace: result.until.since(now), claimed: Claimed::Already })
    }

    /// Whether there is a result under `key` that nobody has claimed yet.
    pub fn is_unclaimed(&self, key: &StoreKey) -> bool {
        self.state().results.get(key).is_some_and(|result| result.unclaimed.is_some())
    }

    /// Somebody was given the result under `key` elsewhere.
    pub fn begin_grace(&self, key: StoreKey) {
        let now = self.clock.now();
        self.state().claimed(key, now);
    }

    /// The token that was spent for `granted`.
    pub fn spent_for(&self, granted: &StoreKey) -> Option<StoreKey> {
        self.state().spent_for.get(granted).copied()
    }

    /// Keeps a result that was written elsewhere, whoever holds what lease.
    pub fn put(&self, kept: &Kept) {
        let now = self.clock.now();
        self.state().put(kept, now.plus(kept.span()), now);
    }

    /// Adds revocations that were written elsewhere.
    pub fn add(&self, revocations: &[Revocation]) {
        self.state().revoke(revocations, self.clock.now());
    }

    /// Whether `lease` is held for `key`, or nobody's is.
    pub fn holds(&self, key: &StoreKey, lease: Lease) -> bool {
        let now = self.clock.now();
        self.state().leases.get(key).is_none_or(|(held, until)| *held == lease || *until <= now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What needs no waiting, as a future.
fn ready<'a, T: Send + 'a>(value: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Store for Memory {
    fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim> {
        ready(self.state().claim(key, lease, span, self.clock.now()))
    }

    fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written> {
        if !self.holds(&kept.spent, lease) {
            return ready(Ok(Written::LeaseLost));
        }
        self.put(kept);
        self.state().leases.remove(&kept.spent);
        ready(Ok(Written::Yes))
    }

    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
        self.state().release(&key, lease);
        ready(Ok(()))
    }

    fn forget(&self, key: StoreKey) -> Answer<'_, ()> {
        self.state().forget(&key);
        ready(Ok(()))
    }

    fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()> {
        self.add(revocations);
        ready(Ok(()))
    }

    fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page> {
        ready(Ok(self.state().page(cursor, &self.epoch)))
    }

    fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>> {
        ready(Ok(self.state().count(limits, self.clock.now())))
    }

    fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()> {
        let mut state = self.state();
        for limit in limits {
            // Nothing is left of somebody who signed in.
            let Some((count, _)) = state.counters.get_mut(&limit.counter) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.counters.remove(&limit.counter);
            }
        }
        ready(Ok(()))
    }

    fn reach(&self) -> Reach {
        Reach::Process
    }

    fn health(&self) -> Result<String, String> {
        Ok("in memory: it is lost when the process ends".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, UnixTime};

    #[tokio::test]
    async fn the_memory_store_passes_the_suite() {
        let clock = Arc::new(FixedClock::at(UnixTime::from_seconds(1_800_000_000)));
        let store = Memory::new(Arc::clone(&clock) as Arc<dyn Clock>);
        super::super::suite::run(&store, async |span| clock.advance(span)).await;
    }

    #[test]
    fn results_are_bounded_and_expire() {
        let clock = Arc::new(FixedClock::at(UnixTime::from_seconds(1_800_000_000)));
        let store = Memory::new(Arc::clone(&clock) as Arc<dyn Clock>);
        for number in 0..100_000_u32 {
            let mut spent = [0; 32];
            spent.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
            let mut granted = spent;
            granted[31] = 1;
            let grace = Duration::from_secs(5);
            store.put(&Kept {
                spent,
                granted: Some(granted),
                value: vec![1],
                grace,
                claimed: Claimed::Already,
            });
            if number % 1000 == 0 {
                clock.advance(Duration::from_secs(1));
            }
        }
        let state = store.state();
        assert!(state.results.len() < 10_000 && state.spent_for.len() < 10_000 && state.ends.len() < 10_000);
    }
}
