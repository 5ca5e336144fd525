//! What a renewal asks, and how it keeps what it gets.
//!
//! Why: the same renewal serves the auth server and a satellite that asks the backend itself.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    dialect::Dialect,
    refresh::Grant,
    refusal::Outage,
    secret::{Secret, SecretRing},
};

/// Why a backend granted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// Definitely not: wrong credentials, or a refresh token that is dead.
    #[error("the backend denied it")]
    Denied,
    /// Definitely not: the user's address does not take the access token that was granted just now.
    #[error("the backend does not take the access token that it has just granted")]
    UserDenied,
    /// The backend asks to wait that long.
    #[error("the backend asks for a pause")]
    Throttled(Duration),
    /// No answer, or none that can be understood. It says nothing about password or token.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}

/// Trades refresh tokens for new tokens.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// To be called once for each token: a backend may take a second use for theft (threat-model R1).
    fn trade<'a>(&'a self, refresh_token: &'a Secret) -> BoxFuture<'a, Result<Grant, BackendError>>;

    /// How long a request waits for a renewal, which goes on without it.
    fn patience(&self) -> Duration;
}

/// How results are sealed, and how long they stay.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// How sealed tokens look.
    pub dialect: Dialect,
    /// What seals them.
    pub ring: SecretRing,
    /// How long a result stays available to requests with the old cookie.
    pub grace: Duration,
}
