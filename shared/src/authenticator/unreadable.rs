//! Session cookies that none of our secrets opens: counted, and said once in a while.
//!
//! Why: a secret that differs is the classic failure, and such a cookie is nobody's: without a trace, all that is seen is
//! that everybody is signed out.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::UnixTime;

/// Seconds between two lines in the log: anybody can send such cookies.
const PAUSE: u64 = 60;

/// Remembers when it was said last.
#[derive(Debug, Default)]
pub struct Unreadable {
    said: AtomicI64,
}

impl Unreadable {
    /// A request whose session cookie could not be opened.
    pub(super) fn seen(&self, now: UnixTime) {
        metrics::counter!("hallpass_sessions_unreadable_total").increment(1);
        if self.is_to_be_said(now.as_seconds()) {
            tracing::warn!(
                event = "session_unreadable",
                "a session cookie cannot be read with this secret: run `satellite check` and compare the secrets (said \
                 once a minute; hallpass_sessions_unreadable_total counts all)"
            );
        }
    }

    fn is_to_be_said(&self, now: i64) -> bool {
        let said = self.said.load(Ordering::Relaxed);
        // One of several at a time.
        now.abs_diff(said) >= PAUSE
            && self.said.compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_minute_also_after_the_clock_was_set_back() {
        let unreadable = Unreadable::default();
        let said = [1_000, 1_000, 1_059, 1_060, 1_061, 900, 901].map(|now| unreadable.is_to_be_said(now));
        assert_eq!(said, [true, false, false, true, false, true, false]);
    }
}
