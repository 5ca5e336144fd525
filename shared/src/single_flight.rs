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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

mod waiters;

pub use waiters::Waiters;

/// The work ended without a result: it panicked, nobody waited for it, or the runtime is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared work ended without a result")]
pub struct Lost;

/// Most results that stay for a while.
const MOST_LINGERING: usize = 50_000;

/// What to do when nobody waits for the work any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// It goes on to its end.
    GoesOn,
    /// It is dropped.
    Stops,
}

struct Flight<V> {
    ended: Shared<BoxFuture<'static, Result<V, Lost>>>,
    waiters: Arc<Waiters>,
}

type Flights<K, V> = Arc<Mutex<HashMap<K, Flight<V>>>>;

fn lock<K, V>(flights: &Flights<K, V>) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs work at most once at a time for each key. The keys held are those of work in progress, and of results that
/// stay for a while.
pub struct SingleFlight<K, V> {
    flights: Flights<K, V>,
    linger: fn(&V) -> Duration,
    abandoned: Abandoned,
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing under way.
    pub fn new(abandoned: Abandoned) -> Self {
        Self { flights: Arc::default(), linger: |_| Duration::ZERO, abandoned }
    }

    /// A result also answers those who come within this time after it.
    #[must_use]
    pub fn lingering(mut self, linger: fn(&V) -> Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Whether work for `key` is in progress, or its result still stays.
    pub fn is_under_way(&self, key: &K) -> bool {
        lock(&self.flights).contains_key(key)
    }

    /// Joins the work under way for `key`, or starts `work`, which is told who waits for it.
    ///
    /// # Errors
    /// [`Lost`] if the work panicked.
    pub async fn run<F>(&self, key: K, work: impl FnOnce(Arc<Waiters>) -> F) -> Result<V, Lost>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let (ended, _waiting) = {
            // The lock is held until the entry is in, so `landing` cannot take it out too early.
            let mut flights = lock(&self.flights);
            if let Some(flight) = flights.get(&key) {
                (flight.ended.clone(), flight.waiters.join())
            } else {
                let waiters = Arc::new(Waiters::default());
                let waiting = waiters.join();
                let work = work(Arc::clone(&waiters));
                let landing = Landing {
                    flights: Arc::clone(&self.flights),
                    key: key.clone(),
                    waiters: Arc::clone(&waiters),
                };
                let task = tokio::spawn(fly(landing, work, self.linger, self.abandoned));
                let ended = task.map(|ended| ended.unwrap_or(Err(Lost))).boxed().shared();
                flights.insert(key, Flight { ended: ended.clone(), waiters });
                (ended, waiting)
            }
        };
        ended.await
    }
}

async fn fly<K, V, F>(
    landing: Landing<K, V>,
    work: F,
    linger: fn(&V) -> Duration,
    abandoned: Abandoned,
) -> Result<V, Lost>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    F: Future<Output = V> + Send + 'static,
{
    let value = match abandoned {
        Abandoned::GoesOn => work.await,
        Abandoned::Stops => tokio::select! {
            biased;
            value = work => value,
            () = landing.deserted() => return Err(Lost),
        },
    };
    landing.after(linger(&value));
    Ok(value)
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
    waiters: Arc<Waiters>,
}

impl<K, V> Landing<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn after(self, linger: Duration) {
        let lingering = lock(&self.flights).len();
        if !linger.is_zero() && lingering < MOST_LINGERING {
            tokio::spawn(async move {
                tokio::time::sleep(linger).await;
                drop(self);
            });
        }
    }

    /// Waits until nobody waits, and takes the entry out before anybody can join.
    async fn deserted(&self) {
        loop {
            self.waiters.all_left().await;
            if self.is_deserted() {
                return;
            }
        }
    }

    fn is_deserted(&self) -> bool {
        let mut flights = lock(&self.flights);
        let deserted = !self.waiters.anybody();
        if deserted {
            self.take_out(&mut flights);
        }
        deserted
    }
}

impl<K: Eq + Hash, V> Landing<K, V> {
    /// This flight's entry, never that of a later one.
    fn take_out(&self, flights: &mut HashMap<K, Flight<V>>) {
        if flights.get(&self.key).is_some_and(|flight| Arc::ptr_eq(&flight.waiters, &self.waiters)) {
            flights.remove(&self.key);
        }
    }
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.take_out(&mut lock(&self.flights));
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
        let flights = SingleFlight::new(Abandoned::GoesOn);
        let runs = Arc::new(AtomicU32::new(0));
        let calls = (0..1000).map(|_| flights.run("token", |_| counted(&runs)));
        let results = futures_util::future::join_all(calls).await;
        assert!(results.iter().all(|result| *result == Ok(1)));
        assert_eq!(flights.run("token", |_| counted(&runs)).await, Ok(2), "a later caller starts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_first_caller_leaves_nobody_waiting() {
        let flights = Arc::new(SingleFlight::new(Abandoned::GoesOn));
        let runs = Arc::new(AtomicU32::new(0));
        let first = tokio::time::timeout(Duration::from_millis(10), flights.run("token", |_| counted(&runs)));
        assert!(first.await.is_err());
        assert_eq!(
            flights.run("token", |_| counted(&runs)).await,
            Ok(1),
            "joins the run of the one that left"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn work_whose_every_caller_left_still_ends_and_is_forgotten() {
        let flights = SingleFlight::new(Abandoned::GoesOn);
        let runs = Arc::new(AtomicU32::new(0));
        let call = tokio::time::timeout(Duration::from_millis(10), flights.run("token", |_| counted(&runs)));
        assert!(call.await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(flights.flights.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_that_stays_answers_those_who_come_soon_after() {
        // threat-model R6
        let flights = SingleFlight::new(Abandoned::GoesOn).lingering(|_| Duration::from_secs(1));
        let runs = Arc::new(AtomicU32::new(0));
        for _ in 0..100 {
            assert_eq!(flights.run("token", |_| counted(&runs)).await, Ok(1));
        }
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert!(!flights.is_under_way(&"token"));
        assert_eq!(flights.run("token", |_| counted(&runs)).await, Ok(2));
    }

    #[tokio::test]
    async fn a_panic_reaches_every_caller_as_an_error_and_blocks_nothing() {
        let flights = SingleFlight::<_, u32>::new(Abandoned::GoesOn);
        assert_eq!(flights.run("token", |_| async { panic!("on purpose") }).await, Err(Lost));
        assert_eq!(flights.run("token", |_| async { 7 }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_work_knows_whether_anybody_waits() {
        let flights = Arc::new(SingleFlight::new(Abandoned::GoesOn));
        let seen = |waiters: Arc<Waiters>| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            waiters.anybody()
        };
        assert_eq!(flights.run("token", seen).await, Ok(true));
        let left = tokio::time::timeout(Duration::from_millis(10), flights.run("token", seen));
        assert!(left.await.is_err());
        let late = tokio::time::timeout(Duration::from_millis(10), flights.run("token", seen));
        assert!(late.await.is_err());
        tokio::time::sleep(Duration::from_millis(95)).await;
        let ended = Arc::new(AtomicU32::new(9));
        let told = Arc::clone(&ended);
        let alone = flights.run("alone", |waiters| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            told.store(u32::from(waiters.anybody()), Ordering::SeqCst);
            true
        });
        assert!(tokio::time::timeout(Duration::from_millis(10), alone).await.is_err());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(ended.load(Ordering::SeqCst), 0, "nobody waited at the end");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_stops_with_its_waiters_is_begun_again_by_the_next() {
        let flights = SingleFlight::new(Abandoned::Stops);
        let runs = Arc::new(AtomicU32::new(0));
        let first = tokio::time::timeout(Duration::from_millis(10), flights.run("token", |_| counted(&runs)));
        assert!(first.await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((runs.load(Ordering::SeqCst), flights.is_under_way(&"token")), (0, false));
        let (second, third) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(10), flights.run("token", |_| counted(&runs))),
            flights.run("token", |_| counted(&runs))
        );
        assert_eq!((second.is_err(), third), (true, Ok(1)), "one who leaves does not stop it for the other");
    }
}
