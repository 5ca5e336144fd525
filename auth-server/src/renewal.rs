//! Renewals of the auth server: at the backend, with what is refused ended everywhere.
//!
//! Why: a refresh token that the backend refuses was perhaps spent by a thief, so the whole session ends on every node,
//! whatever copies of its cookie there are (threat-model R10).

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hallpass_shared::{
    clock::Clock,
    key::log_id,
    refresh::{Due, Grant, Refresher},
    refusal::{NotAdmitted, Outage, Refusal},
    renewal::{BackendError, Renewal, TokenSource},
    revocation::{Revocation, RevocationKey},
    secret::Secret,
    session::Lifetime,
    token::Claims,
};

use crate::{backend::Backend, ledger::Ledger};

impl TokenSource for Backend {
    fn trade<'a>(&'a self, refresh_token: &'a Secret) -> BoxFuture<'a, Result<Grant, BackendError>> {
        Box::pin(self.refresh(refresh_token))
    }

    fn patience(&self) -> Duration {
        self.patience()
    }
}

/// Renews, and ends what is refused.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) renewal: Arc<Renewal>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) lifetime: Lifetime,
    pub(crate) grace: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Refresher for Guarded {
    fn refresh<'a>(&'a self, claims: &'a Claims, due: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
        Box::pin(async move {
            let renewed = self.renewal.refresh(claims, due).await;
            if let Err(NotAdmitted::Refused(Refusal::RefreshRefused)) = renewed {
                // Another auth server may have spent the token, and the store have lost its result (threat-model R8).
                if !self.ledger.is_certain(self.grace).await {
                    return Err(Outage::of("the store").into());
                }
                self.end(claims).await;
            }
            renewed
        })
    }
}

impl Guarded {
    async fn end(&self, claims: &Claims) {
        let Some(sid) = &claims.sid else { return };
        let now = self.clock.now();
        let longest = now.plus(self.lifetime.absolute_max_age);
        let until = self.lifetime.absolute_end(claims).unwrap_or(longest);
        let revocation = Revocation { key: RevocationKey::of_session(sid), at: now, until };
        tracing::warn!(
            event = "alert",
            session = log_id(sid),
            "the backend refused a renewal, and the refresh token may have been stolen: its session ends everywhere"
        );
        self.ledger.learn(&[revocation]).await;
    }
}
