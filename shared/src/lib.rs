//! What the auth server and the satellites of a Hallpass deployment share.
//!
//! Every request goes one way, and changes type at each step, so that a skipped check does not compile:
//!
//! ```text
//! headers → RequestCookies → SealedToken → Claims → (jwt callback) Claims → (session callback) Session → response
//! ```
//!
//! In reading order: who is ours ([`domain`], [`return_to`]), what is secret ([`secret`], [`key`]), how NextAuth
//! writes it ([`dialect`], [`cookie`], [`token`]), what a session is ([`session`], [`refusal`], [`revocation`]), how
//! it is renewed ([`refresh`], [`callbacks`]), how one request is judged ([`authenticator`]), who signs in
//! ([`provider`], [`csrf`]), what is answered ([`endpoints`], [`pages`], [`rejection`]), and what runs it all
//! ([`settings`], [`server`], [`admin`], [`process`]). The [`manual`] says what is promised.

pub mod admin;
pub mod authenticator;
pub mod backend;
pub mod breaker;
pub mod callbacks;
pub mod client;
pub mod clock;
pub mod cookie;
pub mod csrf;
pub mod dialect;
pub mod domain;
pub mod endpoints;
pub mod http_client;
pub mod internal;
pub mod key;
#[cfg(any(doc, doctest))]
pub mod manual;
pub mod pages;
pub mod process;
pub mod provider;
pub mod refresh;
pub mod refusal;
pub mod rejection;
pub mod renewal;
pub mod return_to;
pub mod revocation;
pub mod secret;
pub mod server;
pub mod session;
pub mod settings;
pub mod single_flight;
pub mod store;
pub mod telemetry;
pub mod token;
