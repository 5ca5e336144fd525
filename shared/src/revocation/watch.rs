//! Waiting for the end of one session.
//!
//! Why: a socket or a stream is judged once, at its start, and may outlive its session by days. Whoever holds one open
//! waits here, and is woken by the entry that concerns it and by no other (threat-model B6, T14).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::{RevocationKey, Revocations};
use crate::token::Claims;

/// Those who wait, by what they wait for.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<RevocationKey, Vec<Arc<Notify>>>>);

impl Watchers {
    pub(super) fn wake(&self, key: &RevocationKey) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watcher in watchers.get(key).into_iter().flatten() {
            watcher.notify_one();
        }
    }

    fn enter(&self, keys: &[RevocationKey], watcher: &Arc<Notify>) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            watchers.entry(*key).or_default().push(Arc::clone(watcher));
        }
    }

    fn leave(&self, keys: &[RevocationKey], watcher: &Arc<Notify>) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(waiting) = watchers.get_mut(key) {
                waiting.retain(|other| !Arc::ptr_eq(other, watcher));
                if waiting.is_empty() {
                    watchers.remove(key);
                }
            }
        }
    }
}

/// Waits for the end of one session, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    list: Arc<Revocations>,
    keys: Vec<RevocationKey>,
    woken: Arc<Notify>,
}

impl Watch {
    /// Returns when the session of `claims` is over before its time; at once if it is.
    pub async fn revoked(&self, claims: &Claims) {
        while !self.list.covers(claims) {
            self.woken.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.list.watchers.leave(&self.keys, &self.woken);
    }
}

impl Revocations {
    /// Waits from now on for what ends the session of `claims`.
    pub fn watch(self: &Arc<Self>, claims: &Claims) -> Watch {
        let session = claims.sid.as_deref().map(RevocationKey::of_session);
        let subject = claims.subject().map(RevocationKey::of_subject);
        let keys: Vec<_> = session.into_iter().chain(subject).collect();
        let woken = Arc::new(Notify::new());
        self.watchers.enter(&keys, &woken);
        Watch { list: Arc::clone(self), keys, woken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::UnixTime, revocation::Revocation};

    #[tokio::test]
    async fn a_watch_ends_with_its_session_and_leaves_nothing_behind() {
        // threat-model B6
        let list = Arc::new(Revocations::default());
        let claims = Claims { sid: Some("one".into()), sub: Some("7".into()), ..Claims::default() };
        let (first, second) = (list.watch(&claims), list.watch(&claims));
        let end = |key| Revocation { key, at: UnixTime::from_seconds(1), until: UnixTime::MAX };
        list.revoke(end(RevocationKey::of_session("other")));
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), first.revoked(&claims));
        assert!(early.await.is_err(), "another session's end is none of its business");
        list.revoke(end(RevocationKey::of_session("one")));
        tokio::join!(first.revoked(&claims), second.revoked(&claims));
        drop((first, second));
        assert!(list.watchers.0.lock().unwrap().is_empty());
    }
}
