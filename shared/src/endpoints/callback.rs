//! `POST /callback/credentials`: the sign-in itself.
//!
//! Why: this is the one way in, for the page, for scripts and for the official clients alike, so that none is
//! weaker than the others (threat-model S10). On a satellite the provider authorizes nobody.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{Endpoints, Form, Mode, Query, Shared, with_query};
use crate::{
    authenticator::BeginError,
    client::{self, Peer},
    cookie::{RequestCookies, SetCookies},
    key::log_id,
    provider::{AuthorizeError, Credentials, SignOutReach},
    refresh::Grant,
    rejection::{Rejection, RetryAt},
    return_to::ReturnTo,
    telemetry::causes,
};

pub(super) async fn credentials(
    State(endpoints): Shared,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    query: Query,
    form: Form,
) -> Response {
    let attempt = Attempt {
        mode: Mode::of(&headers, &form),
        to: endpoints.destination(Some(&form), &query),
        headers: &headers,
    };
    let proof = match endpoints.csrf.verify(&Method::POST, &headers, form.text("csrfToken")) {
        Ok(proof) => proof,
        Err(error) => {
            return endpoints.csrf_failed(error, attempt.mode, endpoints.dialect.csrf_sign_in_location);
        }
    };
    let address = peer.map(|Extension(peer)| client::address(peer.0, &headers, &endpoints.trusted_proxies));
    let text = |names| form.either(names).unwrap_or_default().to_owned();
    let granted = match Credentials::new(text(["username", "email"]), text(["password", "password"]), address)
    {
        Ok(credentials) => endpoints.provider.authorize(proof, credentials).await,
        Err(impossible) => Err(impossible),
    };
    match granted {
        Ok(grant) => endpoints.begin(&attempt, &grant).await,
        Err(error) => endpoints.turn_away(&attempt, error),
    }
}

struct Attempt<'r> {
    mode: Mode,
    to: ReturnTo,
    headers: &'r HeaderMap,
}

impl Endpoints {
    /// A new session, whatever the request came with: that one ends (threat-model T12).
    async fn begin(&self, attempt: &Attempt<'_>, grant: &Grant) -> Response {
        let cookies = RequestCookies::new(attempt.headers);
        match self.authenticator.begin(grant, cookies) {
            Ok((claims, set)) => {
                for old in self.authenticator.presented(cookies) {
                    self.end(&old, SignOutReach::Replaced).await;
                }
                count("ok");
                let session = claims.sid.as_deref().map(log_id);
                tracing::info!(event = "sign_in", outcome = "ok", session, "signed in");
                let policy = self.authenticator.cookie.policy();
                let note = |sid: &str| super::kept::note(sid, self.authenticator.clock.now());
                let set = claims.sid.iter().fold(set, |set, sid| set.and(policy.bind(sid, &note(sid))));
                attempt.mode.go(StatusCode::OK, attempt.to.as_str(), set)
            }
            Err(error) => self.not_begun(attempt, &error),
        }
    }

    fn not_begun(&self, attempt: &Attempt<'_>, error: &BeginError) -> Response {
        count("not_begun");
        tracing::error!(event = "sign_in", outcome = "not_begun", error = causes(error), "{error}");
        match error {
            BeginError::TooLarge(_) => self.fail(attempt, Rejection::SessionTooLarge),
            _ => self.fail(attempt, Rejection::Unavailable(crate::refusal::Outage::of("the backend"))),
        }
    }

    fn turn_away(&self, attempt: &Attempt<'_>, error: AuthorizeError) -> Response {
        let outcome = match error {
            AuthorizeError::Denied => "denied",
            AuthorizeError::Throttled(_) => "throttled",
            AuthorizeError::Unavailable(_) => "unavailable",
        };
        count(outcome);
        tracing::info!(event = "sign_in", outcome, "nobody was signed in: {error}");
        match (error, attempt.mode) {
            (AuthorizeError::Denied, Mode::Json) => {
                let status =
                    StatusCode::from_u16(self.dialect.denied_status).unwrap_or(StatusCode::UNAUTHORIZED);
                attempt.mode.go(status, &self.address(self.dialect.denied_location), SetCookies::none())
            }
            (AuthorizeError::Denied, Mode::Redirect) => {
                let page = self.form_again(attempt, Some("CredentialsSignin"));
                attempt.mode.go(StatusCode::OK, &page, SetCookies::none())
            }
            (error, _) => self.fail(attempt, error.into()),
        }
    }

    /// The sign-in page, on the way to the same place.
    fn form_again(&self, attempt: &Attempt<'_>, error: Option<&str>) -> String {
        let to = (attempt.to != self.returns.home()).then(|| attempt.to.as_str());
        with_query(&self.pages.sign_in, &[("callbackUrl", to), ("error", error)])
    }

    /// A status that says what is the matter; for the official clients with the address they need to read.
    fn fail(&self, attempt: &Attempt<'_>, rejection: Rejection) -> Response {
        if attempt.mode == Mode::Redirect {
            let mut response = rejection.into_response();
            response.extensions_mut().insert(RetryAt(self.form_again(attempt, None)));
            return response;
        }
        let (status, code, _) = rejection.verdict();
        let url = self.address(&format!("/error?error={code}"));
        let mut response = attempt.mode.go(status, &url, SetCookies::none());
        if let Some(after) = rejection.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("hallpass_sign_ins_total", "outcome" => outcome).increment(1);
}
