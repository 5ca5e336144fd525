//! `/signin` and `/error`: the ways to the pages.
//!
//! Why: clients and middlewares know these addresses and not our pages'. A satellite's lead to the auth server,
//! with the way back as an absolute address.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode};

use super::{Endpoints, Form, Mode, Query, Shared, redirect, with_query};
use crate::{cookie::SetCookies, csrf::CsrfError, rejection::Rejection};

pub(super) async fn page(State(endpoints): Shared, query: Query) -> Response {
    redirect(StatusCode::FOUND, &endpoints.sign_in_address(None, &query))
}

/// A form that names a provider instead of credentials: the sign-in page is what it wants.
pub(super) async fn start(
    State(endpoints): Shared,
    headers: HeaderMap,
    query: Query,
    form: Form,
) -> Response {
    let mode = Mode::of(&headers, &form);
    match endpoints.csrf.verify(&Method::POST, &headers, form.text("csrfToken")) {
        Ok(_) => mode.go(StatusCode::OK, &endpoints.sign_in_address(Some(&form), &query), SetCookies::none()),
        Err(error) => endpoints.csrf_failed(error, mode, endpoints.dialect.csrf_sign_in_location),
    }
}

/// Codes of the sign-in lead to the sign-in page, which shows them; others to the error page.
pub(super) async fn error_page(State(endpoints): Shared, query: Query) -> Response {
    const SHOWN_AT_SIGN_IN: [&str; 4] = ["CredentialsSignin", "SessionRequired", "MissingCSRF", "Signin"];
    let address = match query.error() {
        Some(code) if SHOWN_AT_SIGN_IN.contains(&code) => endpoints.sign_in_address(None, &query),
        code => with_query(&endpoints.pages.error, &[("error", code)]),
    };
    redirect(StatusCode::FOUND, &address)
}

impl Endpoints {
    fn sign_in_address(&self, form: Option<&Form>, query: &Query) -> String {
        let destination = self.destination(form, query);
        // Without a wish of its own the sign-in page knows best where to go.
        let named = (destination != self.returns.home() || !self.is_home_of(&self.pages.sign_in))
            .then(|| destination.as_str());
        with_query(&self.pages.sign_in, &[("callbackUrl", named), ("error", query.error())])
    }

    fn is_home_of(&self, page: &url::Url) -> bool {
        self.returns.home().is_on(page)
    }

    /// A foreign page is told nothing but 403; a stale form of ours leads back to a fresh one.
    pub(super) fn csrf_failed(&self, error: CsrfError, mode: Mode, location: &str) -> Response {
        tracing::info!(event = "csrf_refused", "{error}");
        metrics::counter!("hallpass_csrf_refused_total").increment(1);
        if error == CsrfError::ForeignOrigin {
            return Rejection::Csrf(error).into_response();
        }
        mode.go(StatusCode::FORBIDDEN, &self.address(location), SetCookies::none())
    }
}
