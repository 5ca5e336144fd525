//! What a client gets when a request fails: one table, from cause to status.
//!
//! Why: a failure that is turned into a response in many places leaks its causes in one of them
//! (threat-model X7, K5). The client gets a status, a fixed code and a request id, as RFC 9457 JSON; for a
//! browser an outer layer swaps in a page. The causes go to the log, once, here.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::{csrf::CsrfError, provider::AuthorizeError, refusal::Outage};

/// Whose fault a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request's.
    Client,
    /// A neighbour's: backend, auth server, store.
    Upstream,
    /// Ours.
    Internal,
}

/// Why a request failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The body is not what the endpoint takes.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    /// Neither a form nor JSON.
    #[error("the body's type is not taken")]
    MediaType,
    /// More bytes than a sign-in needs.
    #[error("the body is too large")]
    BodyTooLarge,
    /// More cookies or headers than are read.
    #[error("the headers are too large")]
    HeadersTooLarge,
    /// Not sent from our own page.
    #[error(transparent)]
    Csrf(#[from] CsrfError),
    /// No such page.
    #[error("there is nothing here")]
    NotFound,
    /// Not with this method.
    #[error("the method is not allowed here")]
    MethodNotAllowed,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignInRequired,
    /// Somebody is signed in, and may not.
    #[error("the signed-in user may not see this")]
    AccessDenied,
    /// Wrong, unknown or disabled.
    #[error("the credentials were not accepted")]
    Denied,
    /// Too many attempts.
    #[error("too many sign-in attempts")]
    Throttled(Duration),
    /// Something needed cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// Somebody is signed in, and it cannot be confirmed just now what they may.
    #[error("the session cannot be confirmed: {0}")]
    Unconfirmed(Outage),
    /// The session does not fit into cookies.
    #[error("the session is too large for its cookies")]
    SessionTooLarge,
    /// Sent to a host that is not served here.
    #[error("this host is not served here")]
    Misdirected,
    /// The app behind cannot be reached, or its answer cannot be read; the text is for the log.
    #[error("the app behind does not answer: {0}")]
    BadGateway(&'static str),
    /// The app behind took too long.
    #[error("the app behind took too long to answer")]
    GatewayTimeout,
    /// Took too long.
    #[error("the request took too long")]
    TimedOut,
    /// Something of ours is broken; the text is for the log.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl Rejection {
    /// The table: status, code for clients, whose fault.
    pub fn verdict(&self) -> (StatusCode, &'static str, Fault) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "BadRequest", Fault::Client),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", Fault::Client),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", Fault::Client),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HeadersTooLarge", Fault::Client)
            }
            Self::Csrf(_) => (StatusCode::FORBIDDEN, "MissingCSRF", Fault::Client),
            Self::NotFound => (StatusCode::NOT_FOUND, "NotFound", Fault::Client),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", Fault::Client),
            Self::SignInRequired => (StatusCode::UNAUTHORIZED, "SessionRequired", Fault::Client),
            Self::AccessDenied => (StatusCode::FORBIDDEN, "AccessDenied", Fault::Client),
            Self::Denied => (StatusCode::UNAUTHORIZED, "CredentialsSignin", Fault::Client),
            Self::Throttled(_) => (StatusCode::TOO_MANY_REQUESTS, "RateLimited", Fault::Client),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", Fault::Upstream),
            Self::Unconfirmed(_) => (StatusCode::SERVICE_UNAVAILABLE, "Outage", Fault::Upstream),
            Self::SessionTooLarge => (StatusCode::UNPROCESSABLE_ENTITY, "SessionTooLarge", Fault::Upstream),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "Misdirected", Fault::Client),
            Self::BadGateway(_) => (StatusCode::BAD_GATEWAY, "UpstreamUnavailable", Fault::Upstream),
            Self::GatewayTimeout => (StatusCode::GATEWAY_TIMEOUT, "UpstreamUnavailable", Fault::Upstream),
            Self::TimedOut => (StatusCode::REQUEST_TIMEOUT, "TimedOut", Fault::Client),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal", Fault::Internal),
        }
    }

    /// When trying again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled(after) => Some(*after),
            Self::Unavailable(outage) | Self::Unconfirmed(outage) => Some(outage.retry_after),
            _ => None,
        }
    }
}

/// Where trying again begins, for the page that shows a failure; rides on the response.
#[derive(Clone, Debug)]
pub struct RetryAt(pub String);

impl From<AuthorizeError> for Rejection {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Denied => Self::Denied,
            AuthorizeError::Throttled(after) => Self::Throttled(after),
            AuthorizeError::Unavailable(outage) => Self::Unavailable(outage),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (status, code, fault) = self.verdict();
        match fault {
            Fault::Client => tracing::debug!(code, "{self}"),
            Fault::Upstream => tracing::warn!(code, "{self}"),
            Fault::Internal => tracing::error!(code, "{self}"),
        }
        let title = status.canonical_reason().unwrap_or("Error");
        let body = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": status.as_u16(),
            "code": code,
        });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}
