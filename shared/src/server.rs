//! Listening and the layers around every handler, the same for both servers.
//!
//! Why: slow clients, floods of headers, panics and forgotten headers are everybody's, and what is done about
//! them must not depend on the route (threat-model D1 to D9, X7). The stack reads top to bottom in
//! [`Stack::wrap`].

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, header};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};
use tracing::Instrument as _;

use crate::{
    client::wants_page,
    cookie::{RequestCookies, SessionCookie},
    pages::PageKit,
    rejection::{Rejection, RetryAt},
    telemetry::Trace,
};

mod framing;
mod listening;
mod observe;
mod watched;

pub use listening::{Limits, serve};

/// Most bytes of a request's headers. Four chunks of a session and much else fit (threat-model D9).
pub const MAX_HEADER_BYTES: usize = 64 * 1024;
const BODY_PAUSE: Duration = Duration::from_secs(10);
const TOTAL_TIME: Duration = Duration::from_mins(1);

/// What the layers need.
#[derive(Clone, Debug)]
pub struct Stack {
    /// For failures shown to a person.
    pub pages: PageKit,
    /// Deleted when a browser's cookies have grown too many.
    pub cookie: SessionCookie,
    /// Whether to demand https from browsers for a year.
    pub hsts: Hsts,
}

/// Whether `Strict-Transport-Security` is sent (threat-model B10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hsts {
    /// The site is on https.
    Sent,
    /// Plain http: local work.
    Absent,
}

impl Stack {
    /// The router with all layers, outermost first.
    pub fn wrap(self, router: Router) -> Router {
        self.wrap_untimed(timed(router))
    }

    /// As [`Stack::wrap`], without limits of time: for routes that stream, and have limits of their own.
    pub fn wrap_untimed(self, router: Router) -> Router {
        let state = Around { stack: Arc::new(self), measures: Arc::new(observe::Measures::new()) };
        // Innermost first. One layer does most of it: each one more is an allocation for each request.
        let caught = CatchPanicLayer::custom(|_| Rejection::Internal("a handler panicked").into_response());
        router.layer(caught).layer(middleware::from_fn_with_state(state, around))
    }
}

/// What [`around`] needs.
#[derive(Clone)]
struct Around {
    stack: Arc<Stack>,
    measures: Arc<observe::Measures>,
}

/// Around every request: its id and its line in the log, the gate, and the last touch to the answer.
async fn around(State(around): State<Around>, request: Request, next: Next) -> Response {
    let Around { stack, measures } = around;
    let trace = Trace::continued(request.headers());
    let seen = observe::Seen::of(&request, &measures);
    let work = async move {
        let asked = wants_page(request.headers()).then(|| Asked::of(&request));
        let response = match gate(&stack, &request) {
            Some(refusal) => refusal,
            None => next.run(request).await,
        };
        let response = finish(&stack, trace, asked.as_ref(), response);
        seen.served(&response);
        response
    };
    let span = observe::span(&trace);
    trace.scope(work.instrument(span)).await
}

/// Limits of time for routes that answer at once.
pub fn timed(router: Router) -> Router {
    let layers = tower::ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(http::StatusCode::REQUEST_TIMEOUT, TOTAL_TIME))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE));
    router.layer(layers)
}

/// Rides on an answer that an app behind gave: what an app says of its own content stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct FromUpstream;

/// Turns a failure into a page or JSON with the request's id, and adds what every response has.
fn finish(stack: &Stack, trace: Trace, asked: Option<&Asked>, mut response: Response) -> Response {
    let id = Some(trace.request_id());
    let rejection = response.extensions().get::<Rejection>().cloned();
    if let Some(rejection) = rejection.or_else(|| is_nothing(&response).then_some(Rejection::NotFound)) {
        let page = asked.and_then(|asked| Some((stack.pages.for_browser(&asked.language)?, asked)));
        let shown = match page {
            Some((pages, asked)) => {
                let again = response.extensions().get::<RetryAt>().map(|RetryAt(url)| url.as_str());
                let same = asked.same.as_deref().filter(|_| rejection.retry_after().is_some());
                pages.rejection(&rejection, id.as_deref(), Some(again.or(same).unwrap_or("/")))
            }
            None => problem(&rejection, id.as_deref()),
        };
        response = with_headers_of(shown, &response);
    }
    let from_upstream = response.extensions().get::<FromUpstream>().is_some();
    let headers = response.headers_mut();
    if let Some(id) = id.and_then(|id| HeaderValue::try_from(id).ok()) {
        headers.insert("x-request-id", id);
    }
    if !from_upstream {
        headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    }
    if stack.hsts == Hsts::Sent {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
    response
}

/// Whether there is no such route, and nobody said so in words.
fn is_nothing(response: &Response) -> bool {
    let empty = axum::body::HttpBody::size_hint(response.body()).exact() == Some(0);
    let from_upstream = response.extensions().get::<FromUpstream>().is_some();
    response.status() == http::StatusCode::NOT_FOUND && empty && !from_upstream
}

/// What a page about a failure needs of the request.
struct Asked {
    language: HeaderMap,
    /// The address itself, if asking again does no harm.
    same: Option<String>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let accepted = request.headers().get(header::ACCEPT_LANGUAGE);
        Self {
            language: accepted.map(|value| (header::ACCEPT_LANGUAGE, value.clone())).into_iter().collect(),
            same: (request.method() == Method::GET).then(|| request.uri().to_string()),
        }
    }
}

/// RFC 9457.
fn problem(rejection: &Rejection, id: Option<&str>) -> Response {
    let (status, code, _) = rejection.verdict();
    let title = status.canonical_reason().unwrap_or("Error");
    let body = serde_json::json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "requestId": id,
    });
    let kind = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// What of a failure's headers its page or JSON has, too.
const REJECTED_KEEPS: [header::HeaderName; 10] = [
    header::SET_COOKIE,
    header::ALLOW,
    header::RETRY_AFTER,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::WWW_AUTHENTICATE,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::VARY,
];
/// And whatever is ours: the address of the sign-in, cookies for an edge to lift.
const OURS: &str = "x-hallpass-";

/// `shown`, with the cookies, `Allow` and `Retry-After` of what it replaces.
fn with_headers_of(mut shown: Response, replaced: &Response) -> Response {
    for name in REJECTED_KEEPS {
        for value in replaced.headers().get_all(&name) {
            shown.headers_mut().append(name.clone(), value.clone());
        }
    }
    let ours = replaced.headers().iter().filter(|(name, _)| name.as_str().starts_with(OURS));
    shown.headers_mut().extend(ours.map(|(name, value)| (name.clone(), value.clone())));
    let no_store = HeaderValue::from_static("no-store");
    shown.headers_mut().insert(header::CACHE_CONTROL, no_store);
    shown
}

/// Refuses odd methods, and headers beyond measure. A browser whose jar a sibling has filled gets out of it by
/// losing our cookies (threat-model C7, X9).
fn gate(stack: &Stack, request: &Request) -> Option<Response> {
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Some(Rejection::MethodNotAllowed.into_response());
    }
    // The codings of a body, of which only one is read everywhere in the same way (threat-model H12).
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let doubtful = request.extensions().get::<framing::Doubt>().is_some_and(framing::Doubt::is_there);
    if doubtful || !chunked || codings.next().is_some() {
        let mut response = Rejection::Malformed("the body has a coding that is not taken").into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    let bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MAX_HEADER_BYTES {
        let mut response = Rejection::HeadersTooLarge.into_response();
        stack.cookie.clear(RequestCookies::new(request.headers())).add_to(response.headers_mut());
        return Some(response);
    }
    None
}
