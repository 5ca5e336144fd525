//! What each address below `/api/auth`, and each page of a satellite, answers: stories over HTTP, without a browser.
//!
//! Why: official clients, apps and people depend on these bytes. A backend that is told what to say stands behind
//! them, so that its bad days can be shown too.

mod addresses;
mod cookies;
mod deployment;
mod grace;
mod headers;
mod refresh;
mod rules;
mod satellites;
mod sign_in;
mod sign_out;
pub(crate) mod wire;
