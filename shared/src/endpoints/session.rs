//! `GET /session`: who is signed in, as NextAuth answers it; `POST /session`: the client's `update()`.
//!
//! Why: this is what every official client polls. An outage must never look like a sign-out to it: the answer
//! is then the session as it was sealed, with `error`, and the cookie stays.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{Endpoints, Form, Shared};
use crate::{
    authenticator::{Admission, Authentication, Freshness, STALE},
    cookie::{RequestCookies, SetCookies},
    rejection::Rejection,
};

pub(super) async fn read(State(endpoints): Shared, headers: HeaderMap) -> Response {
    answer(&endpoints, &headers).await
}

/// The data that the client sends along is not taken over: the session is what the backend says.
pub(super) async fn update(State(endpoints): Shared, headers: HeaderMap, form: Form) -> Response {
    if endpoints.csrf.verify(&Method::POST, &headers, form.text("csrfToken")).is_err() {
        return json(StatusCode::BAD_REQUEST, endpoints.dialect.empty_session.to_owned(), SetCookies::none());
    }
    answer(&endpoints, &headers).await
}

async fn answer(endpoints: &Endpoints, headers: &HeaderMap) -> Response {
    let empty = || endpoints.dialect.empty_session.to_owned();
    let mut fresh = Freshness::Fresh;
    let (session, set) = match endpoints.authenticator.authenticate(RequestCookies::new(headers)).await {
        Authentication::Admitted(Admission { session, set, freshness, .. }) => {
            fresh = freshness;
            (Some(session), set)
        }
        Authentication::Unavailable { session, .. } => (Some(session), SetCookies::none()),
        Authentication::Anonymous => (None, SetCookies::none()),
        Authentication::Refused { set, .. } => (None, set),
    };
    let Ok(body) = session.map(|session| serde_json::to_string(&session)).transpose() else {
        return Rejection::Internal("a session could not be written as JSON").into_response();
    };
    let mut response = json(StatusCode::OK, body.unwrap_or_else(empty), set);
    if fresh == Freshness::Stale {
        response.headers_mut().insert(STALE, HeaderValue::from_static("1"));
    }
    response
}

fn json(status: StatusCode, body: String, set: SetCookies) -> Response {
    let kind = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
    set.add_to(response.headers_mut());
    response
}
