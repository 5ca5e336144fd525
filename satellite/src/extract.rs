//! [`CurrentSession`]: the signed-in user as a handler's argument.
//!
//! Why: an app names its own user type and gets it, or the request never reaches the handler. Where somebody must
//! be signed in, a page load is sent to sign in and comes back to exactly there; anything else gets 401
//! (threat-model O10).

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri},
    response::{IntoResponse, Response},
};
use hallpass_shared::{refusal::Doubt, rejection::Rejection, session::Session, telemetry::causes};
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    answers::Asked,
    layer::{Core, Visitor},
};

/// The session of whoever makes the request, with the user as the app's own type. As an `Option` it does not ask
/// anybody to sign in.
#[derive(Clone, Debug)]
pub struct CurrentSession<U = Map<String, Value>>(pub Session<U>);

/// Why a handler was not reached.
#[derive(Debug)]
pub struct NotSignedIn(Box<Response>);

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl<S: Send + Sync, U: DeserializeOwned> FromRequestParts<S> for CurrentSession<U> {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotSignedIn> {
        match typed(parts)? {
            Some(session) => Ok(Self(session)),
            None => Err(NotSignedIn(Box::new(ask_to_sign_in(parts)))),
        }
    }
}

impl<S: Send + Sync, U: DeserializeOwned> OptionalFromRequestParts<S> for CurrentSession<U> {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NotSignedIn> {
        Ok(typed(parts)?.map(Self))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        visitor(parts)
    }
}

/// The path and query that the browser asked for.
pub(crate) fn target(parts: &Parts) -> &str {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    uri.path_and_query().map_or("/", |target| target.as_str())
}

fn visitor(parts: &Parts) -> Result<Visitor, Rejection> {
    let found = parts.extensions.get::<Visitor>().cloned();
    found.ok_or(Rejection::Internal("Satellite::layer is missing around this route"))
}

fn typed<U: DeserializeOwned>(parts: &Parts) -> Result<Option<Session<U>>, NotSignedIn> {
    let visitor = visitor(parts).map_err(|rejection| NotSignedIn(Box::new(rejection.into_response())))?;
    let Visitor::SignedIn(signed_in) = visitor else { return Ok(None) };
    // Whether the session stands at all is not known: nobody is let in on a guess (threat-model R8).
    if let Some(outage) = signed_in.outage.filter(|outage| outage.doubt == Doubt::Standing) {
        return Err(NotSignedIn(Box::new(Rejection::Unconfirmed(outage).into_response())));
    }
    signed_in.session.clone().typed().map(Some).map_err(|error| {
        let cause = causes(&error);
        tracing::error!(error = cause, "the backend's user does not fit the app's type");
        NotSignedIn(Box::new(Rejection::Internal("the user does not fit the app's type").into_response()))
    })
}

/// To the sign-in page and back, or 401.
pub(crate) fn ask_to_sign_in(parts: &Parts) -> Response {
    let Some(core) = parts.extensions.get::<Arc<Core>>() else {
        return Rejection::SignInRequired.into_response();
    };
    let ended = parts.extensions.get().is_some_and(Visitor::has_ended);
    core.answers.ask_to_sign_in(asked(core, parts), ended.then_some("RefreshTokenExpired"))
}

/// The request, for an answer to it.
pub(crate) fn asked<'p>(core: &'p Core, parts: &'p Parts) -> Asked<'p> {
    Asked { method: &parts.method, headers: &parts.headers, origin: &core.site.origin, target: target(parts) }
}
