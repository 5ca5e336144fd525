//! The only source of time.
//!
//! Why: every decision about a session (its end, its refresh, its absolute limit) must use one clock, so
//! that a test can hold it still and two parts never disagree (threat-model R15). Times are whole seconds,
//! as in RFC 7519 section 2 (`NumericDate`).

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment, in whole seconds since 1970-01-01T00:00:00Z (RFC 7519 section 2, `NumericDate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The largest moment taken from outside: 9999-12-31T23:59:59Z, the last that RFC 3339 can write.
    pub const MAX: Self = Self(253_402_300_799);

    /// Takes seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// This moment and `span` more; never beyond [`UnixTime::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span)).min(Self::MAX)
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As NextAuth writes it: `2026-12-23T06:42:32.000Z` (RFC 3339 section 5.6).
    pub fn to_rfc3339(self) -> String {
        let seconds = u64::try_from(self.0.min(Self::MAX.0)).unwrap_or(0);
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    }
}

/// Tells the time. The one door to it; see `clippy.toml`.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is moved. For tests.
#[cfg(feature = "test-support")]
#[derive(Debug)]
pub struct FixedClock(std::sync::atomic::AtomicI64);

#[cfg(feature = "test-support")]
impl FixedClock {
    /// Stands at `now`.
    pub fn at(now: UnixTime) -> Self {
        Self(std::sync::atomic::AtomicI64::new(now.0))
    }

    /// Moves forward by `span`.
    pub fn advance(&self, span: Duration) {
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        self.0.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "test-support")]
impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_nextauth_writes_them() {
        assert_eq!(UnixTime::from_seconds(1_798_008_152).to_rfc3339(), "2026-12-23T06:42:32.000Z");
        assert_eq!(UnixTime::from_seconds(-5).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(UnixTime::from_seconds(i64::MAX).to_rfc3339(), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn arithmetic_never_overflows() {
        assert_eq!(UnixTime::from_seconds(i64::MAX).plus(Duration::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::from_seconds(i64::MIN).since(UnixTime::MAX), Duration::ZERO);
    }
}
