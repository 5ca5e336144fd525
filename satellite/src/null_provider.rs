//! The provider that signs nobody in.
//!
//! Why: a satellite only reads and refreshes the domain-wide cookie. Its endpoints still answer as NextAuth's do
//! when `authorize` returns null, so that the official client works against it; signing out is told to the auth
//! server, so that it reaches everybody.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hallpass_shared::{
    csrf::CsrfVerified,
    provider::{AuthorizeError, Credentials, Ended, Provider},
    refresh::Grant,
};

use crate::auth_server::AuthServer;

const SIGN_OUT_TIME: Duration = Duration::from_secs(3);

/// Authorizes nobody.
#[derive(Clone, Debug)]
pub struct NullProvider {
    auth_server: Arc<AuthServer>,
}

impl NullProvider {
    /// Tells `auth_server` of sign-outs.
    pub fn new(auth_server: Arc<AuthServer>) -> Self {
        Self { auth_server }
    }
}

impl Provider for NullProvider {
    fn authorize(&self, _: CsrfVerified, _: Credentials) -> BoxFuture<'_, Result<Grant, AuthorizeError>> {
        Box::pin(std::future::ready(Err(AuthorizeError::Denied)))
    }

    fn signed_out<'a>(&'a self, ended: Ended<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let told = self.auth_server.revoke(ended);
            if tokio::time::timeout(SIGN_OUT_TIME, told).await.is_err() {
                tracing::warn!(event = "sign_out", "the auth server did not take the sign-out in time");
            }
        })
    }
}
