//! Which sessions and subjects are over before their time.
//!
//! Why: a session lives in a cookie, and a copy of a cookie knows nothing of a sign-out (threat-model T14).
//! Each node therefore looks at this list before it admits anybody. It holds digests only, each until its
//! session could not live any longer anyway, so that it stays small and names nobody.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::{clock::UnixTime, key::digest, token::Claims};

/// The digest of a session id or of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevocationKey([u8; 16]);

impl RevocationKey {
    /// For the session `sid`.
    pub fn of_session(sid: &str) -> Self {
        Self::of("hallpass sid", sid)
    }

    /// For all sessions of `subject` so far.
    pub fn of_subject(subject: &str) -> Self {
        Self::of("hallpass sub", subject)
    }

    fn of(label: &str, text: &str) -> Self {
        let mut half = [0; 16];
        half.iter_mut().zip(digest(label, text)).for_each(|(to, from)| *to = from);
        Self(half)
    }
}

/// What is known about one key.
#[derive(Clone, Copy, Debug)]
struct Revoked {
    /// Sessions of before this moment are over.
    at: UnixTime,
    /// After this moment no such session can live, so the entry may go.
    until: UnixTime,
}

/// The list of one process.
#[derive(Debug, Default)]
pub struct Revocations {
    entries: RwLock<HashMap<RevocationKey, Revoked>>,
}

impl Revocations {
    /// Ends the sessions of `key` that began up to `at`; kept until `until`.
    pub fn revoke(&self, key: RevocationKey, at: UnixTime, until: UnixTime) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == entries.capacity() {
            entries.retain(|_, revoked| revoked.until >= at);
        }
        let known = entries.entry(key).or_insert(Revoked { at, until });
        *known = Revoked { at: known.at.max(at), until: known.until.max(until) };
    }

    /// Whether the session of these claims was ended.
    pub fn covers(&self, claims: &Claims) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return false;
        }
        let by_session = claims.sid.as_deref().map(RevocationKey::of_session);
        if by_session.is_some_and(|key| entries.contains_key(&key)) {
            return true;
        }
        let began = claims.auth_time.or(claims.issued_at);
        let by_subject = claims.subject().map(RevocationKey::of_subject);
        by_subject
            .and_then(|key| entries.get(&key))
            .is_some_and(|revoked| began.is_none_or(|began| began <= revoked.at))
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

    #[test]
    fn a_session_or_all_of_a_subject_can_be_ended() {
        // threat-model T14, T15
        let list = Revocations::default();
        assert!(!list.covers(&claims("one", 0)));
        list.revoke(RevocationKey::of_session("one"), NOW, UnixTime::MAX);
        assert!(list.covers(&claims("one", 0)));
        assert!(!list.covers(&claims("two", 0)));
        list.revoke(RevocationKey::of_subject("7"), NOW, UnixTime::MAX);
        assert!(list.covers(&claims("two", -1)));
        assert!(!list.covers(&claims("three", 1)), "a later sign-in is a new session");
    }

    #[test]
    fn entries_leave_when_their_sessions_could_not_live_any_more() {
        let list = Revocations::default();
        for sid in 0..10_000 {
            let at = UnixTime::from_seconds(NOW.as_seconds() + sid);
            list.revoke(RevocationKey::of_session(&sid.to_string()), at, at);
        }
        assert!(list.entries.read().unwrap().len() < 100);
    }
}
