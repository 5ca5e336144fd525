//! A backend over HTTP: REST or GraphQL, as the settings describe it.
//!
//! Why: who asks a backend must ask it alike, the auth server and a satellite that renews by itself. Its answers are
//! granted, definitely denied, or not to be told (threat-model R4); nothing it says reaches a client or the log (K5).

use std::sync::Arc;

use crate::{
    clock::Clock,
    settings::{SettingsError, Texts},
};

mod call;
mod grant;
mod graphql;
mod http;
mod reply;
mod rest;
#[cfg(test)]
mod scripted;
mod settings;
mod template;

pub use self::{http::HttpBackend, reply::Protocol};
use crate::renewal::BackendError;

/// What outages of a backend are called.
pub const BACKEND: &str = "the backend";

impl HttpBackend {
    /// Reads `[backend]`.
    ///
    /// # Errors
    /// The first [`SettingsError`].
    pub fn read(protocol: Protocol, texts: &Texts, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        match protocol {
            Protocol::Rest => rest::read(texts, clock),
            Protocol::GraphQl => graphql::read(texts, clock),
        }
    }
}
