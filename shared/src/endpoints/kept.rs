//! Whether the browser keeps the session's cookie at all.
//!
//! Why: one that keeps cookies of this host, but none of the whole domain, comes back from every sign-in as nobody, is
//! asked to sign in again, and is never told why (threat-model O9).

use std::time::Duration;

use http::HeaderMap;

use super::Endpoints;
use crate::{clock::UnixTime, cookie::RequestCookies, revocation::RevocationKey};

/// Somebody who comes back within this time has just signed in.
const JUST_NOW: Duration = Duration::from_mins(1);

/// When which session was begun, to be kept for this host.
pub(super) fn note(sid: &str, now: UnixTime) -> String {
    format!("{}-{}", now.as_seconds(), RevocationKey::of_session(sid).to_hex())
}

impl Endpoints {
    /// Whether this browser has signed in a moment ago, did not sign out again, and has no session's cookie all the same.
    pub fn lost_its_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = RequestCookies::new(headers);
        let cookie = &self.authenticator.cookie;
        let begun = cookie.policy().note_of_binding(cookies).and_then(|note| {
            let (seconds, key) = note.split_once('-')?;
            Some((UnixTime::from_seconds(seconds.parse().ok()?), RevocationKey::from_hex(key)?))
        });
        begun.is_some_and(|(begun, key)| {
            let just_now = self.authenticator.clock.now().since(begun) < JUST_NOW;
            just_now && !cookie.is_present(cookies) && !self.authenticator.revocations.has(key)
        })
    }
}
