//! NextAuth's `/api/auth/*`, mounted by both servers, each with its own provider.
//!
//! Why: the official clients always call their own origin, so every host answers these paths, and all must
//! answer alike. What differs is the [`Provider`] and where the pages are.
//!
//! Statuses, names and bodies are those of `next-auth` 4.24 and Auth.js 5, observed. Differences on purpose: a
//! failed CSRF check is a 403 that the client reports, a throttled sign-in a 429, an outage a 503, and a bad
//! return address leads to the default page (threat-model O8).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequestParts, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use ipnet::IpNet;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use url::{Url, form_urlencoded};

use crate::{
    authenticator::Authenticator,
    cookie::SetCookies,
    csrf::CsrfGuard,
    dialect::Dialect,
    provider::{Ended, Provider, SignOutReach},
    rejection::Rejection,
    return_to::{ReturnPolicy, ReturnTo},
    token::Claims,
};

mod callback;
mod csrf;
mod form;
mod kept;
mod providers;
mod session;
mod sign_in;
mod sign_out;

pub use form::{Form, MAX_BODY_BYTES};

/// Everything the endpoints of one server need.
#[derive(Debug)]
pub struct Endpoints {
    /// Reads and writes sessions.
    pub authenticator: Arc<Authenticator>,
    /// Checks credentials.
    pub provider: Arc<dyn Provider>,
    /// Checks forms.
    pub csrf: CsrfGuard,
    /// Checks return addresses; its base is this server's public address.
    pub returns: ReturnPolicy,
    /// Decides a handful of answers.
    pub dialect: Dialect,
    /// Where people are sent.
    pub pages: Pages,
    /// Peers whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
}

/// Addresses of the pages, absolute.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Asks for name and password.
    pub sign_in: Url,
    /// Asks whether to sign out.
    pub sign_out: Url,
    /// Names what went wrong.
    pub error: Url,
}

/// The id of the only provider: NextAuth's for name and password.
pub const PROVIDER: &str = "credentials";

/// The paths below `/api/auth`, to be merged into a server's own.
pub fn router(endpoints: Arc<Endpoints>) -> Router {
    let routes = Router::new()
        .route("/session", get(session::read).post(session::update))
        .route("/csrf", get(csrf::issue))
        .route("/providers", get(providers::list))
        .route("/signin", get(sign_in::page).post(sign_in::start))
        .route("/signin/{provider}", get(sign_in::page).post(sign_in::start))
        .route("/callback/credentials", post(callback::credentials))
        .route("/signout", get(sign_out::page).post(sign_out::finish))
        .route("/error", get(sign_in::error_page))
        .route("/_log", post(log))
        // A route, for a fallback gives way to an app's own catch-all.
        .route("/{*other}", any(async || Rejection::NotFound))
        .fallback(async || Rejection::NotFound)
        .method_not_allowed_fallback(async || Rejection::MethodNotAllowed)
        .layer(middleware::from_fn(never_cached))
        .layer(cross_origin_guard(&endpoints))
        .with_state(endpoints);
    Router::new().nest("/api/auth", routes)
}

/// Refuses what a browser says another site sent, before any handler; [`CsrfGuard`] is stricter and comes after.
fn cross_origin_guard(
    endpoints: &Endpoints,
) -> CsrfLayer<impl Fn(ProtectionError) -> Response + Clone + use<>> {
    let own = endpoints.returns.base().origin().ascii_serialization();
    let layer = CsrfLayer::new();
    let layer = layer.clone().add_trusted_origin(own).unwrap_or(layer);
    layer.with_rejection_response(|_| Rejection::Csrf(crate::csrf::CsrfError::ForeignOrigin).into_response())
}

/// Private answers are kept by nobody (threat-model B7); headers as NextAuth sends them.
async fn never_cached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache, no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
    response
}

/// The client of version 4 reports its errors here. They come from anybody, so they are taken and dropped.
async fn log() -> StatusCode {
    StatusCode::OK
}

impl Endpoints {
    /// An absolute address below `/api/auth`.
    fn address(&self, below: &str) -> String {
        format!("{}api/auth{below}", self.returns.home())
    }

    /// Ends a session, here and for the others.
    async fn end(&self, claims: &Claims, reach: SignOutReach) {
        let revocation = self.authenticator.revoke(claims, reach);
        self.provider.signed_out(Ended { claims, reach, revocation }).await;
    }

    /// Where the request wants to go on to; the default page if it does not say or says nonsense.
    fn destination(&self, form: Option<&Form>, query: &Query) -> ReturnTo {
        let named = form.and_then(|form| form.either(["callbackUrl", "rd"]));
        let named = named.or_else(|| query.either(["callbackUrl", "rd"]));
        named.and_then(|text| self.returns.parse(text).ok()).unwrap_or_else(|| self.returns.home())
    }
}

/// Names and values of the query, decoded once.
#[derive(Debug, Default)]
struct Query(Vec<(String, String)>);

impl Query {
    fn either(&self, names: [&str; 2]) -> Option<&str> {
        names.into_iter().find_map(|name| {
            self.0.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
        })
    }

    /// A code for a message: letters only, so that it can be sent on.
    fn error(&self) -> Option<&str> {
        let code = self.either(["error", "error"])?;
        ((1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .then_some(code)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().take(32).collect()))
    }
}

/// How the caller wants to hear where to go: as JSON (the official clients) or as a redirect (a form).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Json,
    Redirect,
}

impl Mode {
    /// Version 4 asks in the body, version 5 in a header. Honouring both is safe.
    fn of(headers: &HeaderMap, form: &Form) -> Self {
        let json = form.text("json") == Some("true") || headers.contains_key("x-auth-return-redirect");
        if json { Self::Json } else { Self::Redirect }
    }

    /// Tells the caller to go on to `url`; never with a status that would repeat the body (threat-model O6).
    fn go(self, status: StatusCode, url: &str, set: SetCookies) -> Response {
        let mut response = match self {
            Self::Json => (status, Json(serde_json::json!({ "url": url }))).into_response(),
            Self::Redirect => see_other(url),
        };
        set.add_to(response.headers_mut());
        response
    }
}

/// 303 to `url`.
fn see_other(url: &str) -> Response {
    redirect(StatusCode::SEE_OTHER, url)
}

fn redirect(status: StatusCode, url: &str) -> Response {
    match HeaderValue::try_from(url) {
        Ok(location) => (status, [(header::LOCATION, location)]).into_response(),
        Err(_) => Rejection::Internal("an address is no header value").into_response(),
    }
}

/// `page` with these parameters, those without a value left out.
fn with_query(page: &Url, parameters: &[(&str, Option<&str>)]) -> String {
    let mut url = page.clone();
    for (name, value) in parameters {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.into()
}

type Shared = State<Arc<Endpoints>>;
