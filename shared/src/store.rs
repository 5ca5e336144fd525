//! What outlives a request: results of renewals, leases, revocations, counters.
//!
//! Why: several processes must act as one (threat-model R1, R7), a late request must find what an earlier one got (R3),
//! a sign-out must outlive a restart (T14), and a throttle must count for all replicas. Each operation is one step that
//! cannot be torn apart, so that no caller has to put two of them together. Everything here is bounded and expires.
//! Values come sealed (R9): a store knows digests and ciphertext, nothing else.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

use crate::revocation::Revocation;

mod memory;
#[cfg(feature = "test-support")]
pub mod suite;

pub use memory::Memory;

/// A digest: what a store knows of a token or of an account (threat-model R2).
pub type StoreKey = [u8; 32];

/// The fencing value of one who holds a lease: whoever took over has another one (threat-model R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(u128);

impl Lease {
    /// A new one, unlike any other.
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }

    /// As a store keeps it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

/// What one who wants to renew a token is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It was done already: the sealed result.
    Kept(Vec<u8>),
    /// Yours to do: nobody else may while the lease lasts.
    Leased(Past),
    /// Somebody is at it, for this long at most.
    Busy(Duration),
}

/// Whether there was a result before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Not within the grace time, as far as the store knows.
    Unknown,
    /// There was one, and the token granted by it has been spent in its turn: it is not given any more.
    Superseded,
}

/// A result to keep.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The token that was spent for it.
    pub spent: StoreKey,
    /// The token that was granted, if it is another one. When that is spent in its turn, this result goes.
    pub granted: Option<StoreKey>,
    /// The sealed result.
    pub value: Vec<u8>,
    /// How long it stays available once somebody has it.
    pub grace: Duration,
    /// Whether somebody has it.
    pub claimed: Claimed,
}

/// Whether somebody has been given a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Yes: the grace time has begun.
    Already,
    /// Nobody waited for it any more. It stays for this long, and its grace time begins with the first who claims it.
    NotYet(Duration),
}

impl Kept {
    /// How long it stays, as things stand.
    pub fn span(&self) -> Duration {
        match self.claimed {
            Claimed::Already => self.grace,
            Claimed::NotYet(span) => span.max(self.grace),
        }
    }
}

/// Whether something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "without its lease nobody writes"]
pub enum Written {
    /// It was.
    Yes,
    /// Somebody else has taken the lease over.
    LeaseLost,
}

/// How far somebody has read the revocations; empty: nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Some revocations, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The next ones.
    pub revocations: Vec<Revocation>,
    /// Where to go on.
    pub cursor: Cursor,
    /// Whether there may be more right now.
    pub more: bool,
    /// Names the store's contents: another value means that they were lost.
    pub epoch: String,
}

/// One counter and its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub counter: StoreKey,
    /// At most this often
    pub most: u32,
    /// within this time from the first.
    pub per: Duration,
}

/// The store did not do it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    what: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// For the reason `what`.
    pub fn new(what: &'static str) -> Self {
        Self { what, source: None }
    }

    /// For the reason `what`, with its cause.
    pub fn caused(what: &'static str, by: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what, source: Some(by.into()) }
    }
}

/// What an operation of a store comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Keeps what outlives a request. Every error means that nothing is known, never that there is nothing.
pub trait Store: fmt::Debug + Send + Sync {
    /// Takes the result kept under `key`, or the lease to make it, or neither. Whoever holds the lease has it
    /// prolonged by asking again with the same value.
    fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim>;

    /// Keeps a result under the lease for its spent token, and ends the lease. Durable when this returns, as far as the
    /// store is durable at all.
    fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written>;

    /// Ends a lease without a result.
    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()>;

    /// Forgets a result that nobody can open.
    fn forget(&self, key: StoreKey) -> Answer<'_, ()>;

    /// Adds revocations. Durable when this returns.
    fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()>;

    /// The revocations after `cursor`, oldest first, of every process that shares the store.
    fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page>;

    /// Counts once on each of `limits`, if none of them is reached; else on none. Says how long to wait if one is.
    fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>>;

    /// Takes back what [`Store::count`] counted.
    fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()>;

    /// How long ago it last failed to do something or turned out to have lost something; nothing if it never did.
    fn last_failed(&self) -> Option<Duration> {
        None
    }

    /// Who else reads and writes it.
    fn reach(&self) -> Reach;

    /// How it is, for an operator: a sentence.
    ///
    /// # Errors
    /// What is wrong and what it means, in a sentence.
    fn health(&self) -> Result<String, String>;
}

/// Who shares a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This process, while it lives.
    Process,
    /// This process and those that come after it.
    Machine,
    /// Many processes at a time.
    Everybody,
}
