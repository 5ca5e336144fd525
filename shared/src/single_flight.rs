//! One run per key at a time, however many ask.
//!
//! Why: parallel requests that each spend the same rotating refresh token sign the user out
//! (threat-model R1). Here the first caller's work runs in a task of its own and every caller of the same
//! key awaits that one result: whoever goes away, the first included, leaves nobody waiting and does not
//! stop a renewal that the backend has already counted.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

type Flight<V> = Shared<BoxFuture<'static, Result<V, Lost>>>;
type Flights<K, V> = Arc<Mutex<HashMap<K, Flight<V>>>>;

/// The work ended without a result: it panicked, or the runtime is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared work ended without a result")]
pub struct Lost;

/// Most results that stay for a while.
const MOST_LINGERING: usize = 50_000;

/// Runs work at most once at a time for each key. The keys held are those of work in progress, and of results that
/// stay for a while.
pub struct SingleFlight<K, V> {
    flights: Flights<K, V>,
    linger: fn(&V) -> Duration,
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing under way.
    pub fn new() -> Self {
        Self { flights: Arc::default(), linger: |_| Duration::ZERO }
    }

    /// A result also answers those who come within this time after it.
    #[must_use]
    pub fn lingering(mut self, linger: fn(&V) -> Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Whether work for `key` is in progress, or its result still stays.
    pub fn is_under_way(&self, key: &K) -> bool {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// Joins the work under way for `key`, or starts `work`.
    ///
    /// # Errors
    /// [`Lost`] if the work panicked.
    pub async fn run<F>(&self, key: K, work: F) -> Result<V, Lost>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(flight) = flights.get(&key) {
                flight.clone()
            } else {
                // The lock is held until the entry is in, so `landing` cannot take it out too early.
                let landing = Landing { flights: Arc::clone(&self.flights), key: key.clone() };
                let linger = self.linger;
                let task = tokio::spawn(async move {
                    let value = work.await;
                    landing.after(linger(&value));
                    value
                });
                let flight = task.map(|ended| ended.map_err(|_| Lost)).boxed().shared();
                flights.insert(key, flight.clone());
                flight
            }
        };
        flight.await
    }
}

impl<K, V> Default for SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

/// Takes the entry out when the work ends, also by a panic.
struct Landing<K: Eq + Hash, V> {
    flights: Flights<K, V>,
    key: K,
}

impl<K, V> Landing<K, V>
where
    K: Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn after(self, linger: Duration) {
        let lingering = self.flights.lock().unwrap_or_else(PoisonError::into_inner).len();
        if !linger.is_zero() && lingering < MOST_LINGERING {
            tokio::spawn(async move {
                tokio::time::sleep(linger).await;
                drop(self);
            });
        }
    }
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;

    fn counted(runs: &Arc<AtomicU32>) -> impl Future<Output = u32> + Send + 'static {
        let runs = Arc::clone(runs);
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            runs.fetch_add(1, Ordering::SeqCst) + 1
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_run() {
        // threat-model R1
        let flights = SingleFlight::new();
        let runs = Arc::new(AtomicU32::new(0));
        let calls = (0..1000).map(|_| flights.run("token", counted(&runs)));
        let results = futures_util::future::join_all(calls).await;
        assert!(results.iter().all(|result| *result == Ok(1)));
        assert_eq!(flights.run("token", counted(&runs)).await, Ok(2), "a later caller starts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_first_caller_leaves_nobody_waiting() {
        let flights = Arc::new(SingleFlight::new());
        let runs = Arc::new(AtomicU32::new(0));
        let first = tokio::time::timeout(Duration::from_millis(10), flights.run("token", counted(&runs)));
        assert!(first.await.is_err());
        assert_eq!(flights.run("token", counted(&runs)).await, Ok(1), "joins the run of the one that left");
    }

    #[tokio::test(start_paused = true)]
    async fn work_whose_every_caller_left_still_ends_and_is_forgotten() {
        let flights = SingleFlight::new();
        let runs = Arc::new(AtomicU32::new(0));
        let call = tokio::time::timeout(Duration::from_millis(10), flights.run("token", counted(&runs)));
        assert!(call.await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(flights.flights.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_that_stays_answers_those_who_come_soon_after() {
        // threat-model R6
        let flights = SingleFlight::new().lingering(|_| Duration::from_secs(1));
        let runs = Arc::new(AtomicU32::new(0));
        for _ in 0..100 {
            assert_eq!(flights.run("token", counted(&runs)).await, Ok(1));
        }
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert!(!flights.is_under_way(&"token"));
        assert_eq!(flights.run("token", counted(&runs)).await, Ok(2));
    }

    #[tokio::test]
    async fn a_panic_reaches_every_caller_as_an_error_and_blocks_nothing() {
        let flights = SingleFlight::<_, u32>::new();
        assert_eq!(flights.run("token", async { panic!("on purpose") }).await, Err(Lost));
        assert_eq!(flights.run("token", async { 7 }).await, Ok(7));
    }
}
