//! Sign-in attempts: how many, and how many at a time.
//!
//! Why: passwords are guessed by the thousand, and a flood of guesses takes the backend down with it. An attempt
//! is counted before the backend is asked, so parallel guesses count too, and given back when it succeeds
//! or the backend could not be asked (threat-model S1). An attacker who fails does not lock the owner out: the tight
//! limit is on account and address together, a ten times wider one on the account alone (S3). The counters are in the
//! store, so that all auth servers count together.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_shared::{
    client::source,
    key::digest,
    refusal::Outage,
    settings::Rate,
    store::{Limit, Store},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use unicode_normalization::UnicodeNormalization as _;

use crate::settings::ThrottleSettings;

const ACCOUNT_EVERYWHERE: u32 = 10;
const WAIT: Duration = Duration::from_secs(5);

/// Counts attempts and lets a bounded number through at a time.
#[derive(Debug)]
pub struct Throttle {
    settings: ThrottleSettings,
    store: Arc<dyn Store>,
    places: Semaphore,
    waiting: AtomicUsize,
}

/// An attempt that was counted.
#[derive(Debug)]
#[must_use = "an attempt that succeeds is given back"]
pub struct Attempt {
    counted: [Limit; 3],
}

impl Throttle {
    /// With counters in `store`.
    pub fn new(settings: ThrottleSettings, store: Arc<dyn Store>) -> Self {
        Self { settings, store, places: Semaphore::new(settings.in_flight), waiting: AtomicUsize::new(0) }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// When the next attempt makes sense, if there were too many, or if they cannot be counted.
    pub async fn count(&self, username: &str, address: Option<IpAddr>) -> Result<Attempt, Duration> {
        let counted = self.limits(username, address);
        self.store.count(&counted).await.unwrap_or(Err(WAIT))?;
        Ok(Attempt { counted })
    }

    /// Gives back an attempt that succeeded, or that nobody could judge.
    pub async fn give_back(&self, attempt: Attempt) {
        let _ = self.store.give_back(&attempt.counted).await;
    }

    /// Waits for a place at the backend, not for long and not with everybody (threat-model S11).
    ///
    /// # Errors
    /// [`Outage`] if there is none.
    pub async fn place(&self) -> Result<SemaphorePermit<'_>, Outage> {
        if let Ok(permit) = self.places.try_acquire() {
            return Ok(permit);
        }
        let busy = Outage::of("sign-in capacity");
        let _queued = Queued::join(&self.waiting, self.settings.in_flight * 4).ok_or(busy)?;
        let permit = tokio::time::timeout(WAIT, self.places.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(busy)
    }

    /// How long a refusal takes at least.
    pub fn answer_floor(&self) -> Duration {
        self.settings.answer_floor
    }

    /// Spellings of one name share a counter (threat-model S2); IPv6 counts by /64. Counters are digests: names of
    /// accounts are nobody's business.
    fn limits(&self, username: &str, address: Option<IpAddr>) -> [Limit; 3] {
        let account: String = username.trim().nfkc().collect::<String>().to_lowercase();
        let from = address.map(|address| source(address).to_string()).unwrap_or_default();
        let ThrottleSettings { per_account, per_address, .. } = self.settings;
        let limit = |label: &str, text: &str, rate: Rate| Limit {
            counter: digest(label, text),
            most: rate.count,
            per: rate.per,
        };
        let everywhere = Rate { count: per_account.count.saturating_mul(ACCOUNT_EVERYWHERE), ..per_account };
        [
            limit("account and address", &format!("{from} {account}"), per_account),
            limit("account", &account, everywhere),
            limit("address", &from, per_address),
        ]
    }
}

/// One of those who wait.
struct Queued<'q>(&'q AtomicUsize);

impl<'q> Queued<'q> {
    fn join(waiting: &'q AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use hallpass_shared::{
        clock::{FixedClock, UnixTime},
        store::Memory,
    };

    use super::*;

    fn clock() -> Arc<FixedClock> {
        Arc::new(FixedClock::at(UnixTime::from_seconds(1_800_000_000)))
    }

    fn throttle(clock: Arc<FixedClock>) -> Throttle {
        let per = Duration::from_mins(5);
        let settings = ThrottleSettings {
            per_account: Rate { count: 10, per },
            per_address: Rate { count: 30, per },
            in_flight: 2,
            answer_floor: Duration::ZERO,
        };
        Throttle::new(settings, Arc::new(Memory::new(clock)))
    }

    fn from(address: &str) -> Option<IpAddr> {
        address.parse().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn spellings_of_one_name_share_a_counter() {
        // threat-model S2
        let clock = clock();
        let throttle = throttle(Arc::clone(&clock));
        for name in ["alice@example.com", " ALICE@EXAMPLE.COM ", "ａlice@example.com"].iter().cycle().take(10)
        {
            let _ = throttle.count(name, from("192.0.2.1")).await.unwrap();
        }
        assert!(throttle.count("Alice@example.com", from("192.0.2.1")).await.is_err());
        clock.advance(Duration::from_secs(301));
        assert!(throttle.count("alice@example.com", from("192.0.2.1")).await.is_ok(), "no permanent lockout");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attacker_does_not_lock_the_owner_out() {
        // threat-model S3
        let throttle = throttle(clock());
        for _ in 0..30 {
            let _ = throttle.count("alice", from("192.0.2.1")).await;
        }
        assert!(throttle.count("alice", from("192.0.2.2")).await.is_ok());
        for host in 3..30 {
            for _ in 0..10 {
                let _ = throttle.count("alice", from(&format!("192.0.2.{host}"))).await;
            }
        }
        assert!(
            throttle.count("alice", from("192.0.2.99")).await.is_err(),
            "but from everywhere together it is enough"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_cannot_try_many_accounts_and_one_network_is_one_address() {
        // threat-model S1
        let throttle = throttle(clock());
        for account in 0..30 {
            let _ =
                throttle.count(&account.to_string(), from(&format!("2001:db8::{account}"))).await.unwrap();
        }
        assert!(throttle.count("another", from("2001:db8::ffff")).await.is_err());
        assert!(throttle.count("another", from("2001:db8:1::1")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_is_given_back() {
        let throttle = throttle(clock());
        for _ in 0..100 {
            let attempt = throttle.count("alice", from("192.0.2.1")).await.unwrap();
            throttle.give_back(attempt).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_places_and_queue_there_is_an_answer_at_once() {
        // threat-model S11
        let throttle = throttle(clock());
        let _held = (throttle.place().await.unwrap(), throttle.place().await.unwrap());
        let waits: Vec<_> = (0..8).map(|_| throttle.place()).collect();
        let mut waits = futures_util::future::join_all(waits);
        assert!(futures_util::poll!(&mut waits).is_pending());
        assert!(throttle.place().await.is_err(), "the queue is full");
        assert!(waits.await.iter().all(Result::is_err), "and waiting ends");
    }
}
