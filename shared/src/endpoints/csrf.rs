//! `GET /csrf`: the token that every changing request must repeat.
//!
//! Why: the official clients fetch it before each sign-in and sign-out.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use serde_json::json;

use super::{Endpoints, Shared};
use crate::{
    cookie::{RequestCookies, SetCookies},
    rejection::Rejection,
};

pub(super) async fn issue(State(endpoints): Shared, headers: HeaderMap) -> Response {
    match endpoints.csrf_token(&headers) {
        Ok((token, set)) => {
            let mut response = Json(json!({ "csrfToken": token })).into_response();
            set.add_to(response.headers_mut());
            response
        }
        Err(rejection) => rejection.into_response(),
    }
}

impl Endpoints {
    /// The token for a form, and the cookie to set with it where the browser has none yet.
    ///
    /// # Errors
    /// [`Rejection::Internal`] without random numbers.
    pub fn csrf_token(&self, headers: &HeaderMap) -> Result<(String, SetCookies), Rejection> {
        let issued = self.csrf.issue(RequestCookies::new(headers));
        let issued = issued.map_err(|_| Rejection::Internal("no random numbers"))?;
        let policy = self.authenticator.cookie.policy();
        let set =
            issued.cookie.map_or_else(SetCookies::none, |value| SetCookies::none().and(policy.csrf(&value)));
        Ok((issued.token, set))
    }
}
