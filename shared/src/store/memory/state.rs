//! What a store in memory holds.
//!
//! Why: everything here changes under one lock, so each operation is one step.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::super::{Claim, Claimed, Cursor, Kept, Lease, Limit, Page, Past, StoreError, StoreKey};
use crate::{clock::UnixTime, revocation::Revocation};

/// Most results kept; beyond it the oldest goes.
const MOST_RESULTS: usize = 100_000;
const MOST_LEASES: usize = 100_000;
const MOST_COUNTERS: usize = 200_000;
const PAGE: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) results: HashMap<StoreKey, KeptResult>,
    /// From a granted token to the one that was spent for it.
    pub(super) spent_for: HashMap<StoreKey, StoreKey>,
    /// Results in the order of their ends.
    pub(super) ends: BTreeSet<(UnixTime, StoreKey)>,
    pub(super) leases: HashMap<StoreKey, (Lease, UnixTime)>,
    pub(super) counters: HashMap<StoreKey, (u32, UnixTime)>,
    revocations: Vec<(u64, Revocation)>,
    last: u64,
}

#[derive(Debug)]
pub(super) struct KeptResult {
    pub(super) until: UnixTime,
    /// Its grace time, if nobody has claimed it yet.
    pub(super) unclaimed: Option<Duration>,
    pub(super) granted: Option<StoreKey>,
    /// Empty once it is superseded.
    pub(super) value: Arc<[u8]>,
}

impl State {
    pub(super) fn put(&mut self, kept: &Kept, until: UnixTime, now: UnixTime) {
        while let Some((end, key)) = self.ends.first().copied()
            && end < now
        {
            self.ends.remove(&(end, key));
            self.forget(&key);
        }
        // Of too many, those go that nobody has come for.
        if self.ends.len() >= MOST_RESULTS
            && let Some((_, key)) = self.ends.last().copied()
        {
            self.forget(&key);
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

    pub(super) fn forget(&mut self, key: &StoreKey) {
        let Some(result) = self.results.remove(key) else { return };
        self.ends.remove(&(result.until, *key));
        if let Some(granted) = result.granted {
            self.spent_for.remove(&granted);
        }
    }

    /// The first who is given a result begins its grace time.
    pub(super) fn claimed(&mut self, key: StoreKey, now: UnixTime) -> Option<Vec<u8>> {
        let result = self.results.get_mut(&key)?;
        let value = result.value.to_vec();
        if let Some(grace) = result.unclaimed.take() {
            self.ends.remove(&(result.until, key));
            result.until = result.until.min(now.plus(grace));
            self.ends.insert((result.until, key));
        }
        Some(value)
    }

    pub(super) fn claim(
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

    pub(super) fn release(&mut self, key: &StoreKey, lease: Lease) {
        if self.leases.get(key).is_some_and(|(held, _)| *held == lease) {
            self.leases.remove(key);
        }
    }

    pub(super) fn count(&mut self, limits: &[Limit], now: UnixTime) -> Result<(), Duration> {
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

    pub(super) fn revoke(&mut self, revocations: &[Revocation], now: UnixTime) {
        if self.revocations.len() + revocations.len() > self.revocations.capacity() {
            self.revocations.retain(|(_, revocation)| now <= revocation.until);
        }
        for revocation in revocations {
            self.last += 1;
            self.revocations.push((self.last, *revocation));
        }
    }

    pub(super) fn page(&self, cursor: &Cursor, epoch: &str) -> Page {
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
