//! A storm at the push of a button: fifty requests with one expired access token, at two satellites at once.
//!
//! Why: that fifty parallel requests spend a refresh token once is what this project is for, and seeing it counted is
//! better than reading it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use futures_util::future::join_all;
use hallpass_auth_server::App;
use hallpass_satellite::CurrentSession;
use hallpass_shared::{
    clock::UnixTime,
    cookie::RequestCookies,
    token::{Claims, SealedToken},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::Instant;
use tower::ServiceExt as _;

const REQUESTS: usize = 50;

/// What the page needs.
#[derive(Clone, Debug)]
pub(crate) struct Storm {
    pub(crate) auth: App,
    /// Both satellites, by the host they answer to.
    pub(crate) satellites: Arc<[(String, Router)]>,
}

/// What came of it.
struct Outcome {
    answered: usize,
    signed_in: usize,
    at_backend: u64,
    milliseconds: u128,
    set: Vec<HeaderValue>,
}

impl Storm {
    /// `/storm`, to be merged into a site that is protected.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/storm", get(show).post(raise)).with_state(Arc::new(self))
    }

    /// The visitor's session with its access token over: that is all that is changed.
    fn expired(&self, headers: &HeaderMap) -> Option<String> {
        let authenticator = &self.auth.endpoints.authenticator;
        let claims = authenticator.presented(RequestCookies::new(headers)).into_iter().next()?;
        let over = UnixTime::from_seconds(authenticator.clock.now().as_seconds() - 1);
        let claims = Claims { access_token_expires: Some(over), ..Arc::unwrap_or_clone(claims) };
        let token: SealedToken = authenticator.codec.seal(&claims).ok()?;
        let name = &authenticator.cookie.policy().name;
        Some(format!("{name}={}", token.expose()))
    }

    async fn raise(&self, headers: &HeaderMap) -> Option<Outcome> {
        let cookie = HeaderValue::try_from(self.expired(headers)?).ok()?;
        let before = self.auth.renewals_asked();
        let started = Instant::now();
        let answers = join_all((0..REQUESTS).map(|number| self.ask(number, cookie.clone()))).await;
        let milliseconds = started.elapsed().as_millis();
        let signed_in = answers.iter().filter(|answer| answer.status() == StatusCode::OK);
        let renewed = answers.iter().find(|answer| answer.headers().contains_key(header::SET_COOKIE));
        let set =
            renewed.map(|answer| answer.headers().get_all(header::SET_COOKIE).iter().cloned().collect());
        Some(Outcome {
            answered: answers.len(),
            signed_in: signed_in.count(),
            at_backend: self.auth.renewals_asked() - before,
            milliseconds,
            set: set.unwrap_or_default(),
        })
    }

    /// Every other one at the other satellite.
    async fn ask(&self, number: usize, cookie: HeaderValue) -> Response {
        let Some((host, site)) = self.satellites.iter().cycle().nth(number) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let request =
            Request::get("/api/auth/lifetimes").header(header::HOST, host).header(header::COOKIE, cookie);
        let Ok(request) = request.body(Body::empty()) else { return StatusCode::BAD_REQUEST.into_response() };
        match site.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

async fn show(CurrentSession(_): CurrentSession) -> Response {
    page(
        "A refresh storm",
        "<p class=\"lead\">Fifty requests, twenty-five to each of the two satellites and all at the same moment, with a \
         copy of your session whose access token is over. Each of them needs a new one; the backend is to be asked once.</p>",
        Vec::new(),
    )
}

async fn raise(
    State(storm): State<Arc<Storm>>,
    CurrentSession(_): CurrentSession,
    headers: HeaderMap,
) -> Response {
    let Some(outcome) = storm.raise(&headers).await else { return StatusCode::BAD_REQUEST.into_response() };
    let Outcome { answered, signed_in, at_backend, milliseconds, set } = outcome;
    let times = if at_backend == 1 { "once".to_owned() } else { format!("{at_backend} times") };
    let rows = [
        ("Requests with the expired token", answered.to_string()),
        ("Answered with your session", signed_in.to_string()),
        ("Refreshes that reached the backend", at_backend.to_string()),
        ("All answered within", format!("{milliseconds} ms")),
    ];
    let rows: Vec<_> =
        rows.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>")).collect();
    let rows = rows.concat();
    page(
        &format!("The backend was asked {times}"),
        &format!("<dl>{rows}</dl><p>And you are still signed in.</p>"),
        set,
    )
}

fn page(title: &str, content: &str, set: Vec<HeaderValue>) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · Hallpass demo</title>\
         <link rel=\"stylesheet\" href=\"/api/auth/assets/hallpass.css\"></head><body><header class=\"brand\">\
         <span>Hallpass demo</span></header><main class=\"card wide\">\
         <h1>{title}</h1>{content}<form class=\"bar\" method=\"post\" action=\"/storm\">\
         <button class=\"button\" type=\"submit\">Fire {REQUESTS} refreshes at once</button>\
         <a href=\"/\">Back to the app</a></form></main><footer>Counted while it happened</footer></body></html>"
    );
    let policy =
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let mut response = ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response();
    for value in set {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
