//! The real authorize step: throttle, then backend.
//!
//! Why: every way to sign in comes through here (threat-model S10). Wrong, unknown and disabled take the same
//! answer and as nearly as can be the same time (S4).

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hallpass_shared::{
    csrf::CsrfVerified,
    provider::{AuthorizeError, Credentials, Ended, Provider, SignOutReach},
    refresh::Grant,
};
use tokio::time::Instant;

use crate::{
    backend::{Backend, BackendError},
    ledger::Ledger,
    throttle::Throttle,
};

const SIGN_OUT_TIME: Duration = Duration::from_secs(2);

/// Asks the backend.
#[derive(Debug)]
pub struct BackendProvider {
    pub(crate) backend: Arc<Backend>,
    pub(crate) throttle: Throttle,
    pub(crate) ledger: Arc<Ledger>,
}

impl BackendProvider {
    async fn sign_in(&self, credentials: &Credentials) -> Result<Grant, AuthorizeError> {
        let attempt = self
            .throttle
            .count(credentials.username.expose(), credentials.address)
            .await
            .map_err(AuthorizeError::Throttled)?;
        let _place = match self.throttle.place().await {
            Ok(place) => place,
            Err(busy) => {
                self.throttle.give_back(attempt).await;
                return Err(busy.into());
            }
        };
        let asked =
            self.backend.sign_in(&credentials.username, &credentials.password, credentials.address).await;
        match asked {
            Ok(grant) => {
                self.throttle.give_back(attempt).await;
                Ok(grant)
            }
            Err(BackendError::Denied | BackendError::UserDenied) => Err(AuthorizeError::Denied),
            // Counted: it may have looked at the password first.
            Err(BackendError::Throttled(after)) => Err(AuthorizeError::Throttled(after)),
            Err(BackendError::Unavailable(outage)) => {
                self.throttle.give_back(attempt).await;
                Err(outage.into())
            }
        }
    }
}

impl Provider for BackendProvider {
    fn authorize(
        &self,
        _: CsrfVerified,
        credentials: Credentials,
    ) -> BoxFuture<'_, Result<Grant, AuthorizeError>> {
        Box::pin(async move {
            let started = Instant::now();
            let asked = self.sign_in(&credentials).await;
            if matches!(asked, Err(AuthorizeError::Denied)) {
                let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
                let jitter = Duration::from_micros(u64::from(u16::from_le_bytes([low, high])));
                tokio::time::sleep_until(started + self.throttle.answer_floor() + jitter).await;
            }
            asked
        })
    }

    fn signed_out<'a>(&'a self, ended: Ended<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(revocation) = ended.revocation {
                self.ledger.publish(&[revocation]).await;
            }
            if ended.reach == SignOutReach::Replaced {
                return;
            }
            if tokio::time::timeout(SIGN_OUT_TIME, self.backend.sign_out(ended.claims)).await.is_err() {
                tracing::warn!(event = "backend_sign_out", "the backend did not take the sign-out in time");
            }
        })
    }
}
