//! The satellite's view of the auth server: renewals, sign-outs, and whether both agree.
//!
//! Why: only the auth server asks the backend, so that a rotating refresh token is spent once. A satellite sends
//! it the sealed session and takes the renewed one back; parallel requests of this process share one question.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hallpass_shared::{
    clock::Clock,
    http_client::ClientError,
    internal::{Fingerprint, REVOCATIONS},
    provider::Ended,
    refresh::{Due, Refresher},
    refusal::{NotAdmitted, Outage, Refusal},
    renewal::{linger, token_key},
    settings::SharedSettings,
    single_flight::{Abandoned, SingleFlight},
    telemetry::carried,
    token::{Claims, Codec, SealError},
};

use crate::{
    agreement::Agreement,
    line::{Line, WHAT},
};

/// The auth server, as seen from here.
#[derive(Debug)]
pub struct AuthServer {
    line: Arc<Line>,
    fingerprint: Fingerprint,
    flights: SingleFlight<[u8; 32], Result<Arc<Claims>, NotAdmitted>>,
}

/// The view could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthServerError {
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No keys.
    #[error(transparent)]
    Keys(#[from] SealError),
}

impl AuthServer {
    /// At the addresses of the settings.
    ///
    /// # Errors
    /// [`AuthServerError`].
    pub fn new(
        settings: &SharedSettings,
        codec: Codec,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthServerError> {
        let line = Line::new(settings, codec, clock)?;
        let fingerprint = Fingerprint::of(&settings.ring, &settings.cookie, settings.dialect)?;
        Ok(Self {
            line: Arc::new(line),
            fingerprint,
            flights: SingleFlight::new(Abandoned::Stops).lingering(linger),
        })
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Ends the session there, or all of its user. What no auth server takes now is told as soon as one is there.
    pub async fn revoke(&self, ended: Ended<'_>) {
        if let Some(revocation) = ended.revocation {
            self.line.keep(revocation);
        }
        let reply = self.line.ask(REVOCATIONS, ended.claims, ended.reach).await;
        if reply.is_ok_and(|(reply, _)| reply.status.is_success()) {
            self.line.told(ended.revocation.as_slice());
        } else {
            tracing::warn!(event = "sign_out", "a sign-out waits for the auth server to be there");
        }
    }

    /// Compares secret, cookie name, domain and dialect with those of each auth server, which may take so long.
    pub async fn agreement(&self, patience: Duration) -> Agreement {
        Agreement::with(&self.line, &self.fingerprint, patience).await
    }
}

impl Refresher for AuthServer {
    fn refresh<'a>(&'a self, claims: &'a Claims, due: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
        Box::pin(async move {
            let Some(token) = &claims.refresh_token else { return Err(Refusal::RefreshTokenExpired.into()) };
            let key = token_key(token);
            if due == Due::Soon && self.flights.is_under_way(&key) {
                return Err(Outage::of("the renewal under way").into());
            }
            let (line, claims) = (Arc::clone(&self.line), claims.clone());
            // When all have hung up, so does this: the auth server then keeps the result for whoever comes back.
            let work = |_| {
                carried(async move {
                    let renewed = line.renew(&claims).await;
                    let outcome = match renewed {
                        Ok(_) => "ok",
                        Err(NotAdmitted::Refused(_)) => "refused",
                        Err(_) => "unavailable",
                    };
                    metrics::counter!("hallpass_refreshes_total", "outcome" => outcome).increment(1);
                    renewed
                })
            };
            let renewed = self.flights.run(key, work).await;
            renewed.unwrap_or(Err(Outage::of(WHAT).into())).map(|claims| Claims::clone(&claims))
        })
    }
}
