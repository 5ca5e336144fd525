//! Stub.
pub mod authenticator;
pub mod callbacks;
pub mod clock;
pub mod cookie;
pub mod csrf;
pub mod dialect;
pub mod domain;
pub mod key;
pub mod provider;
pub mod refresh;
pub mod refusal;
pub mod return_to;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod single_flight;
pub mod token;
