//! `/signout`: ends the session, here and everywhere.
//!
//! Why: a sign-out that reaches only one app, or that a link on another page can trigger, is none
//! (threat-model B2, T14). A GET asks; only a form of ours ends the session, and then every form of the cookie
//! goes, for the domain and for this host. With `everywhere` in the form every session of the user ends.

use axum::{extract::State, response::Response};
use http::{HeaderMap, Method, StatusCode};

use super::{Form, Mode, Query, Shared, redirect, with_query};
use crate::{cookie::RequestCookies, key::log_id, provider::SignOutReach};

pub(super) async fn page(State(endpoints): Shared, query: Query) -> Response {
    let to = endpoints.destination(None, &query);
    redirect(StatusCode::FOUND, &with_query(&endpoints.pages.sign_out, &[("callbackUrl", Some(to.as_str()))]))
}

pub(super) async fn finish(
    State(endpoints): Shared,
    headers: HeaderMap,
    query: Query,
    form: Form,
) -> Response {
    let mode = Mode::of(&headers, &form);
    if let Err(error) = endpoints.csrf.verify(&Method::POST, &headers, form.text("csrfToken")) {
        return endpoints.csrf_failed(error, mode, endpoints.dialect.csrf_sign_out_location);
    }
    let cookies = RequestCookies::new(&headers);
    let everywhere = form.text("everywhere").is_some_and(|said| matches!(said, "true" | "1" | "on"));
    let reach = if everywhere { SignOutReach::Everywhere } else { SignOutReach::Session };
    for claims in endpoints.authenticator.presented(cookies) {
        endpoints.end(&claims, reach).await;
        metrics::counter!("hallpass_sign_outs_total").increment(1);
        let session = claims.sid.as_deref().map(log_id);
        tracing::info!(event = "sign_out", session, everywhere, "signed out");
    }
    let to = endpoints.destination(Some(&form), &query);
    let cookie = &endpoints.authenticator.cookie;
    mode.go(StatusCode::OK, to.as_str(), cookie.clear(cookies).and(cookie.policy().unbind()))
}
