//! A backend that is asked over HTTP, by REST or GraphQL.
//!
//! Why: sign-ins and renewals have pools of their own, so that a flood of one does not starve the other
//! (threat-model K7); a renewal is sent once and never repeated on a doubtful outcome (R5), with an
//! `Idempotency-Key` for backends that can tell a repetition. Nothing of the client's request is passed on but what
//! it typed and, where configured, its address (K6).

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    http_client::{self, Reply},
    key::digest,
    refresh::Grant,
    refusal::Outage,
    renewal::TokenSource,
    secret::Secret,
    settings::SettingsError,
    telemetry::causes,
    token::Claims,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode};
use reqwest::{Client, RequestBuilder};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    BACKEND, BackendError,
    call::{Call, Step},
    grant::{Clocks, Misfit, Pointer, Pointers, Presence},
    reply::{Definite, Protocol, judge, unusable},
    settings::Reader,
    template::Values,
};

mod reach;

const RENEWAL_TIME: Duration = Duration::from_secs(30);
const SIGN_OUT_TIME: Duration = Duration::from_secs(2);
/// Renewals that may wait for each one that runs.
const QUEUE: usize = 16;

/// A request that grants tokens.
pub(super) struct Granting {
    pub(super) call: Call,
    pub(super) definite: Definite,
    pub(super) pointers: Pointers,
}

/// What a backend can be asked for.
pub(super) struct Calls {
    pub(super) sign_in: Granting,
    pub(super) refresh: Option<Granting>,
    pub(super) user: Option<(Call, Pointer)>,
    pub(super) sign_out: Option<Call>,
}

/// Asks a backend over HTTP.
pub struct HttpBackend {
    protocol: Protocol,
    calls: Calls,
    sign_in_client: Client,
    refresh_client: Client,
    limit: Limit,
    patience: Duration,
    address_header: Option<HeaderName>,
    clock: Arc<dyn Clock>,
}

impl HttpBackend {
    pub(super) fn new(
        reader: &Reader<'_>,
        mut calls: Calls,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SettingsError> {
        let timeout = reader.timeout()?;
        // A token that could never be used would only make a session look renewable.
        if calls.refresh.is_none() {
            calls.sign_in.pointers.refresh_token.1 = Presence::Ignored;
        }
        if calls.user.is_some() {
            calls.sign_in.pointers.user.1 = Presence::Optional;
        }
        let ca_file = reader.common.ca_file.as_deref();
        let client = |timeout| {
            http_client::build(timeout, ca_file).map_err(|error| {
                let path = ca_file.map(|path| format!("{}: ", path.display())).unwrap_or_default();
                reader.texts.invalid("backend.ca_file", format!("{path}{}", causes(&error)))
            })
        };
        Ok(Self {
            protocol: reader.protocol,
            calls,
            sign_in_client: client(timeout)?,
            // Whoever waits gives up sooner; the renewal itself goes on, since it may have been counted already.
            refresh_client: client(timeout.max(RENEWAL_TIME))?,
            limit: Limit::new(reader.concurrency()?, timeout),
            patience: timeout,
            address_header: reader.address_header()?,
            clock,
        })
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long a request waits for a renewal, which goes on without it.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Checks a name and a password.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn sign_in(
        &self,
        username: &Secret,
        password: &Secret,
        address: Option<IpAddr>,
    ) -> Result<Grant, BackendError> {
        let step = &self.calls.sign_in;
        let values = Values { username: Some(username), password: Some(password), ..Values::default() };
        let mut request = filled(&step.call, &self.sign_in_client, &values)?;
        if let (Some(name), Some(address)) = (&self.address_header, address)
            && let Ok(value) = HeaderValue::try_from(address.to_string())
        {
            request = request.header(name, value);
        }
        let mut grant = self.granted(step, request).await?;
        match self.user(&self.sign_in_client, &grant).await {
            Ok(Some(user)) => grant.user.get_or_insert_default().extend(user),
            Ok(None) => {}
            // The password was right: a fresh token that is not taken is no wrong password.
            Err(error @ BackendError::UserDenied) => {
                return Err(unusable(Step::User, None, Step::User.key(), &error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(grant)
    }

    /// Trades a refresh token for new tokens.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Grant, BackendError> {
        let Some(step) = &self.calls.refresh else {
            let problem = "a session has a refresh token, but there is no way to use it";
            return Err(unusable(Step::Refresh, None, Step::Refresh.key(), problem));
        };
        let _place = self.limit.enter().await?;
        let values = Values { refresh_token: Some(refresh_token), ..Values::default() };
        let key = URL_SAFE_NO_PAD.encode(digest("hallpass idempotency", refresh_token.expose()));
        let request = filled(&step.call, &self.refresh_client, &values)?.header("idempotency-key", key);
        let mut grant = self.granted(step, request).await?;
        // The old refresh token may be spent: the new ones are kept, with or without the user (threat-model R5).
        match self.user(&self.refresh_client, &grant).await {
            Ok(Some(user)) => grant.user.get_or_insert_default().extend(user),
            Ok(None) => {}
            // Somebody who may not even see himself any more is out (threat-model T15).
            Err(error @ BackendError::UserDenied) => return Err(error),
            Err(_) => {
                tracing::warn!(event = "backend_user", "the tokens were renewed without the user's fields");
            }
        }
        Ok(grant)
    }

    /// Best effort, in a bounded time.
    pub async fn sign_out(&self, claims: &Claims) {
        let Some(call) = &self.calls.sign_out else { return };
        let values = Values {
            refresh_token: claims.refresh_token.as_ref(),
            access_token: claims.access_token.as_ref(),
            ..Values::default()
        };
        // A session without the token that it takes has nothing to end there.
        let Some(request) = call.request(&self.sign_in_client, &values) else { return };
        let told = async {
            let Ok(reply) = http_client::send(BACKEND, request).await else { return };
            let done = match self.protocol {
                Protocol::Rest => reply.status.is_success(),
                Protocol::GraphQl => judge(self.protocol, call.step, &Definite::default(), &reply).is_ok(),
            };
            if !done {
                let status = reply.status.as_u16();
                tracing::warn!(event = "backend_sign_out", status, "the backend did not take the sign-out");
            }
        };
        if tokio::time::timeout(SIGN_OUT_TIME, told).await.is_err() {
            tracing::warn!(event = "backend_sign_out", "the backend did not take the sign-out in time");
        }
    }

    async fn granted(&self, step: &Granting, request: RequestBuilder) -> Result<Grant, BackendError> {
        let reply = http_client::send(BACKEND, request).await?;
        let document = judge(self.protocol, step.call.step, &step.definite, &reply)?;
        step.pointers
            .grant(document, Clocks::of(self.clock.now(), &reply.headers))
            .map_err(|misfit| misfitting(step.call.step, &reply, &misfit))
    }

    async fn user(&self, client: &Client, grant: &Grant) -> Result<Option<Map<String, Value>>, BackendError> {
        let Some((call, pointer)) = &self.calls.user else { return Ok(None) };
        let values = Values { access_token: grant.access_token.as_ref(), ..Values::default() };
        let reply = http_client::send(BACKEND, filled(call, client, &values)?).await?;
        let definite = Definite {
            setting: "backend.user",
            statuses: vec![StatusCode::UNAUTHORIZED],
            codes: ["UNAUTHENTICATED", "NOT_AUTHENTICATED", "TOKEN_NOT_VALID"].map(str::to_owned).to_vec(),
            ..Definite::default()
        };
        let mut document = match judge(self.protocol, Step::User, &definite, &reply) {
            Err(BackendError::Denied) => return Err(BackendError::UserDenied),
            judged => judged?,
        };
        match pointer.user(&mut document) {
            Ok(Some(user)) => Ok(Some(user)),
            Ok(None) => {
                let problem = "the reply has no user there";
                Err(misfitting(Step::User, &reply, &Misfit { setting: pointer.setting.clone(), problem }))
            }
            Err(misfit) => Err(misfitting(Step::User, &reply, &misfit)),
        }
    }
}

impl TokenSource for HttpBackend {
    fn trade<'a>(&'a self, refresh_token: &'a Secret) -> BoxFuture<'a, Result<Grant, BackendError>> {
        Box::pin(self.refresh(refresh_token))
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}

fn filled(call: &Call, client: &Client, values: &Values<'_>) -> Result<RequestBuilder, BackendError> {
    call.request(client, values).ok_or_else(|| {
        let key = format!("{}.headers", call.step.key());
        unusable(call.step, None, &key, "a value that was to be sent is missing or cannot stand in a header")
    })
}

fn misfitting(step: Step, reply: &Reply, misfit: &Misfit) -> BackendError {
    unusable(step, Some(reply.status), &misfit.setting, misfit.problem)
}

impl fmt::Debug for HttpBackend {
    /// Without headers and query, which may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.calls.sign_in.call.url;
        f.debug_struct("HttpBackend")
            .field("protocol", &self.protocol)
            .field("sign_in", &format_args!("{}{}", url.origin().ascii_serialization(), url.path()))
            .finish_non_exhaustive()
    }
}

/// How many renewals run and wait.
struct Limit {
    places: Semaphore,
    running: Semaphore,
    patience: Duration,
}

impl Limit {
    fn new(running: usize, patience: Duration) -> Self {
        let places = Semaphore::new(running.saturating_mul(1 + QUEUE));
        Self { places, running: Semaphore::new(running), patience }
    }

    async fn enter(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Outage> {
        let full = || {
            let setting = "backend.concurrency";
            tracing::warn!(event = "backend_busy", setting, "too many renewals wait for the backend");
            Outage::of(BACKEND)
        };
        let place = self.places.try_acquire().map_err(|_| full())?;
        let turn = tokio::time::timeout(self.patience, self.running.acquire()).await.map_err(|_| full())?;
        Ok((place, turn.map_err(|_| full())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn renewals_wait_in_a_bounded_queue_for_a_bounded_time() {
        // threat-model K7
        let limit = Limit::new(1, Duration::from_secs(5));
        let running = limit.enter().await.unwrap();
        let waiting = futures_util::future::join_all((0..20).map(|_| limit.enter()));
        let ended = waiting.await;
        assert!(ended.iter().all(Result::is_err));
        drop(running);
        assert!(limit.enter().await.is_ok());
    }
}
