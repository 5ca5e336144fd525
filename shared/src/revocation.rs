//! Which sessions and subjects are over before their time.
//!
//! Why: a session lives in a cookie, and a copy of a cookie knows nothing of a sign-out (threat-model T14).
//! Each node therefore looks at this list before it admits anybody. It holds digests only, each until its
//! session could not live any longer anyway, so that it stays small and names nobody. A node that hears of others'
//! sign-outs by a feed also knows when it last did: a list that is too old is no list (R8).

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{clock::UnixTime, refusal::Outage, token::Claims};

mod entry;
mod watch;

use entry::seconds;
pub use entry::{Revocation, RevocationKey};
pub use watch::Watch;
use watch::Watchers;

/// Parts of the list, so that a writer keeps few readers waiting and growing moves little at a time.
const SHARDS: usize = 64;
/// A node that has just started waits this long for the list before it answers.
const FIRST_WAIT: Duration = Duration::from_secs(3);
/// A list that was not heard of for longer is not of now.
const NOTICED: Duration = Duration::from_secs(5);

/// When sessions end: seconds, to keep an entry small.
#[derive(Clone, Copy, Debug)]
struct Ends {
    at: u32,
    until: u32,
}

type Shard = RwLock<HashMap<RevocationKey, Ends>>;

/// The list of one process.
#[derive(Debug)]
pub struct Revocations {
    shards: [Shard; SHARDS],
    /// So that a list with nothing on it costs nothing.
    entries: AtomicUsize,
    news: Option<News>,
    watchers: Watchers,
}

/// What a list that others write knows about its own age.
#[derive(Debug)]
struct News {
    allow: Duration,
    /// Unix time.
    heard: AtomicI64,
    /// Whether it was ever read to its end.
    whole: AtomicBool,
    begun: AtomicBool,
    first: Notify,
}

impl Default for Revocations {
    /// A list that nobody else writes.
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard::default()),
            entries: AtomicUsize::new(0),
            news: None,
            watchers: Watchers::default(),
        }
    }
}

impl Revocations {
    /// A list that is written from elsewhere, and may be trusted for `allow` after it was last heard from. `since` counts
    /// as the first time, if the process may start without a list.
    pub fn followed(allow: Duration, since: Option<UnixTime>) -> Self {
        let news = News {
            allow,
            heard: AtomicI64::new(since.map_or(0, UnixTime::as_seconds)),
            whole: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            first: Notify::new(),
        };
        Self { news: Some(news), ..Self::default() }
    }

    /// Ends sessions. Whether that was news.
    pub fn revoke(&self, revocation: Revocation) -> bool {
        let is_news = self.enter(revocation);
        if is_news {
            self.watchers.wake(&revocation.key);
        }
        is_news
    }

    fn enter(&self, revocation: Revocation) -> bool {
        let (at, until) = (seconds(revocation.at), seconds(revocation.until));
        let Some(shard) = self.shard(&revocation.key) else { return false };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() == shard.capacity() {
            let before = shard.len();
            shard.retain(|_, ends| ends.until >= at);
            self.entries.fetch_sub(before - shard.len(), Ordering::Release);
        }
        match shard.get_mut(&revocation.key) {
            Some(known) if known.at >= at && known.until >= until => false,
            Some(known) => {
                *known = Ends { at: known.at.max(at), until: known.until.max(until) };
                true
            }
            None => {
                shard.insert(revocation.key, Ends { at, until });
                self.entries.fetch_add(1, Ordering::Release);
                true
            }
        }
    }

    /// Whether the session of these claims was ended.
    pub fn covers(&self, claims: &Claims) -> bool {
        if self.is_empty() {
            return false;
        }
        if claims.sid.as_deref().is_some_and(|sid| self.ends(RevocationKey::of_session(sid)).is_some()) {
            return true;
        }
        let ends = claims.subject().and_then(|subject| self.ends(RevocationKey::of_subject(subject)));
        let began = claims.auth_time.or(claims.issued_at);
        ends.is_some_and(|ends| began.is_none_or(|began| seconds(began) <= ends.at))
    }

    /// When a session of `claims`' subject that begins `now` is to say it began: after what ended those before it.
    pub fn beginning(&self, claims: &Claims, now: UnixTime) -> UnixTime {
        let ends = claims.subject().and_then(|subject| self.ends(RevocationKey::of_subject(subject)));
        ends.map_or(now, |ends| UnixTime::from_seconds(i64::from(ends.at) + 1).max(now))
    }

    /// Whether there is an entry for `key`.
    pub fn has(&self, key: RevocationKey) -> bool {
        self.ends(key).is_some()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Acquire)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, a part at a time.
    pub fn parts(&self) -> impl Iterator<Item = Vec<Revocation>> + '_ {
        (0..SHARDS).map(|index| self.part(index))
    }

    /// The entries of part `index`, of [`Revocations::PARTS`].
    pub fn part(&self, index: usize) -> Vec<Revocation> {
        let Some(shard) = self.shards.get(index) else { return Vec::new() };
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let time = |seconds: u32| UnixTime::from_seconds(seconds.into());
        shard
            .iter()
            .map(|(key, ends)| Revocation { key: *key, at: time(ends.at), until: time(ends.until) })
            .collect()
    }

    /// How many parts there are.
    pub const PARTS: usize = SHARDS;

    /// Whoever writes the list was heard from.
    pub fn heard(&self, now: UnixTime) {
        if let Some(news) = &self.news {
            news.heard.fetch_max(now.as_seconds(), Ordering::Relaxed);
            news.whole.store(true, Ordering::Release);
            if !news.begun.swap(true, Ordering::AcqRel) {
                news.first.notify_waiters();
            }
        }
    }

    /// Waits for the list to arrive, at the start of a process only and not for long: then its age decides.
    pub async fn arrived(&self) {
        let Some(news) = &self.news else { return };
        if news.begun.load(Ordering::Acquire) {
            return;
        }
        let first = news.first.notified();
        // Between the look and the wait it may have come.
        if !news.begun.load(Ordering::Acquire) && tokio::time::timeout(FIRST_WAIT, first).await.is_err() {
            news.begun.store(true, Ordering::Release);
        }
    }

    /// Whether the list is whole and of now, so that others may rely on it.
    pub fn is_current(&self, now: UnixTime) -> bool {
        let Some(news) = &self.news else { return true };
        let age = now.since(UnixTime::from_seconds(news.heard.load(Ordering::Relaxed)));
        news.whole.load(Ordering::Acquire) && age <= NOTICED
    }

    /// What is missing, if the list is older than it may be.
    ///
    /// # Errors
    /// [`Outage`].
    pub fn check_age(&self, now: UnixTime) -> Result<(), Outage> {
        match self.unheard_for(now) {
            Some((age, allow)) if age > allow => Err(Outage::standing("the revocation feed")),
            _ => Ok(()),
        }
    }

    /// How old the list is, and how old it may be; nothing if it cannot get old.
    pub fn unheard_for(&self, now: UnixTime) -> Option<(Duration, Duration)> {
        let news = self.news.as_ref()?;
        Some((now.since(UnixTime::from_seconds(news.heard.load(Ordering::Relaxed))), news.allow))
    }

    /// Tells the metrics how old the list is.
    pub fn show_age(&self, now: UnixTime) {
        if let Some((age, _)) = self.unheard_for(now) {
            metrics::gauge!("hallpass_revocations_age_seconds").set(age.as_secs_f64());
        }
        metrics::gauge!("hallpass_revocations").set(u32::try_from(self.len()).unwrap_or(u32::MAX));
    }

    fn ends(&self, key: RevocationKey) -> Option<Ends> {
        self.shard(&key)?.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    fn shard(&self, key: &RevocationKey) -> Option<&Shard> {
        let [first, ..] = key.0;
        self.shards.get(usize::from(first) % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn claims(sid: &str, began: i64) -> Claims {
        Claims {
            sub: Some("7".into()),
            sid: Some(sid.into()),
            auth_time: Some(UnixTime::from_seconds(NOW.as_seconds() + began)),
            ..Claims::default()
        }
    }

    fn of_session(sid: &str, until: UnixTime) -> Revocation {
        Revocation { key: RevocationKey::of_session(sid), at: NOW, until }
    }

    #[test]
    fn a_session_or_all_of_a_subject_can_be_ended() {
        // threat-model T14, T15
        let list = Revocations::default();
        assert!(!list.covers(&claims("one", 0)));
        assert!(list.revoke(of_session("one", UnixTime::MAX)));
        assert!(!list.revoke(of_session("one", UnixTime::MAX)), "known already");
        assert!(list.covers(&claims("one", 0)));
        assert!(!list.covers(&claims("two", 0)));
        assert!(list.revoke(Revocation {
            key: RevocationKey::of_subject("7"),
            at: NOW,
            until: UnixTime::MAX
        }));
        assert!(list.covers(&claims("two", -1)));
        assert!(!list.covers(&claims("three", 1)), "a later sign-in is a new session");
        let within_the_second = list.beginning(&claims("four", 0), NOW);
        assert!(!list.covers(&Claims { auth_time: Some(within_the_second), ..claims("four", 0) }));
    }

    #[test]
    fn entries_leave_when_their_sessions_could_not_live_any_more() {
        let list = Revocations::default();
        for sid in 0..100_000 {
            let at = UnixTime::from_seconds(NOW.as_seconds() + sid);
            let key = RevocationKey::of_session(&sid.to_string());
            list.revoke(Revocation { key, at, until: at });
        }
        assert!(list.len() < 1000, "{}", list.len());
        assert_eq!(list.parts().map(|part| part.len()).sum::<usize>(), list.len());
    }

    #[test]
    fn what_is_written_is_read() {
        let revocation = of_session("one", UnixTime::from_seconds(1_900_000_000));
        assert_eq!(Revocation::from_bytes(&revocation.to_bytes()), revocation);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_too_old_is_none() {
        // threat-model R8
        let list = Revocations::followed(Duration::from_secs(10), Some(NOW));
        let after = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert!(list.check_age(after(10)).is_ok());
        assert!(list.check_age(after(11)).is_err());
        list.heard(after(11));
        assert!(list.check_age(after(21)).is_ok());
        list.arrived().await;
        let (never, waited) = (Revocations::followed(Duration::ZERO, None), tokio::time::Instant::now());
        never.arrived().await;
        never.arrived().await;
        assert_eq!(waited.elapsed(), FIRST_WAIT, "once");
        assert!(never.check_age(NOW).is_err() && !never.is_current(NOW), "nothing was heard yet");
        never.heard(NOW);
        assert!(never.check_age(NOW).is_ok() && never.is_current(NOW));
        assert!(!never.is_current(after(6)));
        assert!(Revocations::default().check_age(UnixTime::MAX).is_ok());
    }
}
