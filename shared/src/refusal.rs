//! Why a session is not admitted: refused for good, or not to be told just now.
//!
//! Why: reading every failure as "signed out" is how a hiccup of the backend signs everybody out
//! (threat-model R4, law 3). The two stay apart all the way up: only a [`Refusal`] clears a cookie, an
//! [`Outage`] never does.

use std::time::Duration;

/// The session is over, definitely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `exp` has passed.
    #[error("the session has expired")]
    Expired,
    /// The absolute end has passed.
    #[error("the session has reached its absolute end")]
    AbsoluteEnd,
    /// Signed out, or ended by an administrator.
    #[error("the session was revoked")]
    Revoked,
    /// The backend said that the refresh token is no longer good, or did not take what it granted for it.
    #[error("the backend refused the renewal")]
    RefreshRefused,
    /// Access and refresh token are both over.
    #[error("access and refresh token have expired")]
    RefreshTokenExpired,
    /// Cookies of different people in one request.
    #[error("the request carried sessions of different people")]
    MixedSubjects,
    /// The renewed session does not fit into cookies.
    #[error("the renewed session is too large for its cookies")]
    TooLarge,
}

impl Refusal {
    /// All [codes](Self::code).
    pub const CODES: [&'static str; 7] = [
        Self::Expired.code(),
        Self::AbsoluteEnd.code(),
        Self::Revoked.code(),
        Self::RefreshRefused.code(),
        Self::RefreshTokenExpired.code(),
        Self::MixedSubjects.code(),
        Self::TooLarge.code(),
    ];

    /// A word for metrics and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::AbsoluteEnd => "absolute_end",
            Self::Revoked => "revoked",
            Self::RefreshRefused => "refresh_refused",
            Self::RefreshTokenExpired => "refresh_token_expired",
            Self::MixedSubjects => "mixed_subjects",
            Self::TooLarge => "too_large",
        }
    }
}

/// Something that is needed cannot be reached or gave no usable answer. The session stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not available")]
pub struct Outage {
    /// Which neighbour.
    pub what: &'static str,
    /// When trying again makes sense.
    pub retry_after: Duration,
    /// What cannot be told meanwhile.
    pub doubt: Doubt,
}

/// What cannot be told while something is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What the user may: the access token is over. Who it is stands.
    Rights,
    /// Whether the session stands at all.
    Standing,
}

impl Outage {
    /// `what` cannot be reached; five seconds are a fair time to wait.
    pub const fn of(what: &'static str) -> Self {
        Self { what, retry_after: Duration::from_secs(5), doubt: Doubt::Rights }
    }

    /// `what` cannot be reached, so it is not known whether any session stands.
    pub const fn standing(what: &'static str) -> Self {
        Self { doubt: Doubt::Standing, ..Self::of(what) }
    }
}

/// Why claims are not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// For good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// For now.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}
