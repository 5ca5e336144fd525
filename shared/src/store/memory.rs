//! The store of one process, in its memory.
//!
//! Why: for a first look, for tests, and as what the other stores fall back to. It ends with the process.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Answer, Claim, Claimed, Cursor, Kept, Lease, Limit, Page, Past, Reach, Store, StoreError, StoreKey,
    Written,
};
use crate::{
    clock::{Clock, UnixTime},
    revocation::Revocation,
};

/// Most results kept; beyond it the oldest goes.
const MOST_RESULTS: usize = 100_000;
const MOST_LEASES: usize = 100_000;
const MOST_COUNTERS: usize = 200_000;
const PAGE: usize = 4096;

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    epoch: String,
}

#[derive(Debug, Default)]
struct State {
    results: HashMap<StoreKey, KeptResult>,
    /// From a granted token to the one that was spent for it.
    spent_for: HashMap<StoreKey, StoreKey>,
    /// Results in the order of their ends.
    ends: BTreeSet<(UnixTime, StoreKey)>,
    leases: HashMap<StoreKey, (Lease, UnixTime)>,
    counters: HashMap<StoreKey, (u32, UnixTime)>,
    revocations: Vec<(u64, Revocation)>,
    last: u64,
}

#[derive(Debug)]
struct KeptResult {
    until: UnixTime,
    /// Its grace time, if nobody has claimed it yet.
    unclaimed: Option<Duration>,
    granted: Option<StoreKey>,
    /// Empty once it is superseded.
    value: Arc<[u8]>,
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

impl State {
    fn put(&mut self, kept: &Kept, until: UnixTime, now: UnixTime) {
        while self.ends.first().is_some_and(|(end, _)| *end < now) || self.ends.len() >= MOST_RESULTS {
            let Some((_, key)) = self.ends.pop_first() else { break };
            if let Some(granted) = self.results.remove(&key).and_then(|result| result.granted) {
                self.spent_for.remove(&granted);
            }
        }
        self.forget(&kept.spent);
        // Two generations back nothing is given any more (threat-model R3).
        if let Some(before) = self.spent_for.remove(&kept.spent).and_then(|key| self.results.get_mut(&key)) {
            before.value = Arc::default();
        }
        if let Some(granted) = kept.granted {
            self.spent_for.insert(granted, kept.spent);
        }
        let unclaimed = matches!(kept.claimed, Claimed::NotYet(_)).then_some(kept.grace);
        let value = kept.value.as_slice().into();
        self.results.insert(kept.spent, KeptResult { until, unclaimed, granted: kept.granted, value });
        self.ends.insert((until, kept.spent));
    }

    fn forget(&mut self, key: &StoreKey) {
        let Some(result) = self.results.remove(key) else { return };
        self.ends.remove(&(result.until, *key));
        if let Some(granted) = result.granted {
            self.spent_for.remove(&granted);
        }
    }

    /// The first who is given a result begins its grace time.
    fn claimed(&mut self, key: StoreKey, now: UnixTime) -> Option<Vec<u8>> {
        let result = self.results.get_mut(&key)?;
        let value = result.value.to_vec();
        if let Some(grace) = result.unclaimed.take() {
            self.ends.remove(&(result.until, key));
            result.until = result.until.min(now.plus(grace));
            self.ends.insert((result.until, key));
        }
        Some(value)
    }

    fn claim(
        &mut self,
        key: StoreKey,
        lease: Lease,
        span: Duration,
        now: UnixTime,
    ) -> Result<Claim, StoreError> {
        let past = match self.results.get(&key).filter(|result| now <= result.until) {
            Some(result) if !result.value.is_empty() => {
                return Ok(Claim::Kept(self.claimed(key, now).unwrap_or_default()));
            }
            Some(_) => Past::Superseded,
            None => Past::Unknown,
        };
        if let Some((held, until)) = self.leases.get(&key)
            && *held != lease
            && now < *until
        {
            return Ok(Claim::Busy(until.since(now)));
        }
        if self.leases.len() >= MOST_LEASES {
            self.leases.retain(|_, (_, until)| now < *until);
            if self.leases.len() >= MOST_LEASES {
                return Err(StoreError::new("there are too many renewals under way"));
            }
        }
        self.leases.insert(key, (lease, now.plus(span)));
        Ok(Claim::Leased(past))
    }

    fn release(&mut self, key: &StoreKey, lease: Lease) {
        if self.leases.get(key).is_some_and(|(held, _)| *held == lease) {
            self.leases.remove(key);
        }
    }

    fn count(&mut self, limits: &[Limit], now: UnixTime) -> Result<(), Duration> {
        if self.counters.len() + limits.len() > MOST_COUNTERS {
            self.counters.retain(|_, (_, ends)| now < *ends);
        }
        // What is full refuses rather than forgets (threat-model D6).
        let full = self.counters.len() + limits.len() > MOST_COUNTERS;
        for limit in limits {
            match self.counters.get(&limit.counter).filter(|(_, ends)| now < *ends) {
                Some((count, ends)) if *count >= limit.most => return Err(ends.since(now)),
                None if full => return Err(limit.per),
                _ => {}
            }
        }
        for limit in limits {
            let fresh = (0, now.plus(limit.per.max(Duration::from_secs(1))));
            let counter = self.counters.entry(limit.counter).or_insert(fresh);
            if counter.1 <= now {
                *counter = fresh;
            }
            counter.0 += 1;
        }
        Ok(())
    }

    fn revoke(&mut self, revocations: &[Revocation], now: UnixTime) {
        if self.revocations.len() + revocations.len() > self.revocations.capacity() {
            self.revocations.retain(|(_, revocation)| now <= revocation.until);
        }
        for revocation in revocations {
            self.last += 1;
            self.revocations.push((self.last, *revocation));
        }
    }

    fn page(&self, cursor: &Cursor, epoch: &str) -> Page {
        let after = cursor.0.parse().unwrap_or(0_u64);
        let first = self.revocations.partition_point(|(number, _)| *number <= after);
        let rest = self.revocations.get(first..).unwrap_or_default();
        let page = rest.get(..PAGE).unwrap_or(rest);
        Page {
            revocations: page.iter().map(|(_, revocation)| *revocation).collect(),
            cursor: Cursor(page.last().map_or(after, |(number, _)| *number).to_string()),
            more: page.len() < rest.len(),
            epoch: epoch.to_owned(),
        }
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
    use crate::clock::FixedClock;

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
