//! The apps behind, by path, and one exchange with one of them.
//!
//! Why: each phase has a limit of its own (connection, request, head of the response), so that a slow upload of an hour is
//! fine and an app that hangs is noticed within a minute.

use std::{future::poll_fn, io, pin::pin, sync::Arc};

use axum::body::Body;
use hallpass_shared::{http_client, rejection::Rejection};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header, request::Parts, uri::PathAndQuery};
use hyper::body::{Body as _, Incoming};
use hyper_tls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use url::Url;

use super::{
    Times,
    body::{Progress, Upload},
};
use crate::{
    canonical::{CanonicalPath, PathPattern},
    lease::Session,
};

/// The apps, longest path first.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    all: Arc<[Upstream]>,
    client: Client<HttpsConnector<HttpConnector>, Upload>,
}

/// One app.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    path: PathPattern,
    url: Url,
    scheme: http::uri::Scheme,
    authority: http::uri::Authority,
    trailers: Arc<[HeaderName]>,
}

/// An address that no app can be at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    // Not repeated: it may hold a password.
    #[error("is not an address such as http://127.0.0.1:8000, without path, query, user or password")]
    Address,
    #[error("TLS cannot be set up")]
    Tls(#[from] hyper_tls::native_tls::Error),
}

/// One request for one app.
pub(super) struct Exchange<'p> {
    pub(super) parts: Parts,
    pub(super) body: Body,
    pub(super) times: Times,
    pub(super) upstream: &'p Upstream,
}

impl Upstream {
    pub(crate) fn new(
        path: PathPattern,
        address: &str,
        trailers: Vec<HeaderName>,
    ) -> Result<Self, UpstreamError> {
        let wrong = || UpstreamError::Address;
        let url = Url::parse(address).map_err(|_| wrong())?;
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let scheme = match url.scheme() {
            "http" => http::uri::Scheme::HTTP,
            "https" => http::uri::Scheme::HTTPS,
            _ => return Err(wrong()),
        };
        let origin = url.origin().ascii_serialization();
        let authority = origin.split_once("://").and_then(|(_, authority)| authority.parse().ok());
        match authority.filter(|_| plain) {
            Some(authority) => Ok(Self { path, url, scheme, authority, trailers: trailers.into() }),
            None => Err(wrong()),
        }
    }

    /// Where the app is, for people.
    #[cfg(feature = "bin")]
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The path it is at.
    pub(crate) fn path(&self) -> &str {
        self.path.as_str()
    }

    fn depth(&self) -> usize {
        self.path().len()
    }

    /// The judged path, and the query as it came.
    pub(super) fn address(&self, path: &CanonicalPath<'_>, target: &PathAndQuery) -> Option<Uri> {
        let target = match target.query() {
            _ if path.is_as_sent() => target.clone(),
            Some(query) => format!("{}?{query}", path.as_str()).parse().ok()?,
            None => path.as_str().parse().ok()?,
        };
        let address = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        address.path_and_query(target).build().ok()
    }

    /// Announces only trailers that go on.
    pub(super) fn allow_trailers(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(header::TRAILER) {
            return;
        }
        let named: Vec<&str> = super::head::tokens(headers, &header::TRAILER)
            .filter(|name| self.trailers.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_str())))
            .collect();
        match HeaderValue::try_from(named.join(", ")) {
            Ok(value) if !value.is_empty() => headers.insert(header::TRAILER, value),
            _ => headers.remove(header::TRAILER),
        };
    }
}

impl Upstreams {
    pub(crate) fn new(mut all: Vec<Upstream>, times: Times) -> Result<Self, UpstreamError> {
        all.sort_by_key(|upstream| std::cmp::Reverse(upstream.depth()));
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(times.connect));
        http.set_nodelay(true);
        http.enforce_http(false);
        let tls = http_client::tls()?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(std::time::Duration::from_secs(30))
            .http1_max_buf_size(2 * hallpass_shared::server::MAX_HEADER_BYTES)
            .build(HttpsConnector::from((http, tls.into())));
        Ok(Self { all: all.into(), client })
    }

    pub(super) fn of(&self, path: &CanonicalPath<'_>) -> Option<&Upstream> {
        self.all.iter().find(|upstream| upstream.path.is_exactly(path))
    }

    /// Sends a request on, and waits for the head of the answer; no longer than its session lives.
    pub(super) async fn ask(
        &self,
        exchange: Exchange<'_>,
        session: &mut Session,
    ) -> Result<Response<Incoming>, Rejection> {
        let Exchange { parts, body, times, upstream } = exchange;
        let progress = Progress::new();
        let again = Again::of(&parts, &body);
        let body = Upload::new(body, Arc::clone(&progress), Arc::clone(&upstream.trailers));
        let mut answer = pin!(self.send(http::Request::from_parts(parts, body), again));
        loop {
            let (limit, _) = progress.limit(&times);
            let wake = session.watched_from().map_or(limit, |from| limit.min(from));
            tokio::select! {
                answered = &mut answer => return answered.map_err(|error| explain(&error, upstream, &progress)),
                () = poll_fn(|context| session.poll_over(context)) => return Err(Rejection::SignInRequired),
                () = tokio::time::sleep_until(wake) => {
                    let (now, rejection) = progress.limit(&times);
                    if now <= limit && limit <= Instant::now() {
                        let code = rejection.verdict().1;
                        tracing::warn!(event = "upstream", url = %upstream.url, code, "a request took too long");
                        return Err(rejection);
                    }
                }
            }
        }
    }

    /// Sends a request; once more, if a connection that was kept had just ended and asking again does no harm.
    async fn send(
        &self,
        request: http::Request<Upload>,
        again: Option<Again>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        match (self.client.request(request).await, again) {
            (Err(error), Some(again)) if had_ended(&error) => {
                tracing::debug!(event = "upstream", %error, "a kept connection had ended; asking once more");
                self.client.request(again.request()).await
            }
            (answered, _) => answered,
        }
    }
}

/// A request that may be made twice (RFC 9110 section 9.2.1), and has no body.
struct Again(Parts);

impl Again {
    fn of(parts: &Parts, body: &Body) -> Option<Self> {
        let safe = matches!(parts.method, http::Method::GET | http::Method::HEAD);
        (safe && body.is_end_stream() && !parts.headers.contains_key(header::UPGRADE))
            .then(|| Self(parts.clone()))
    }

    fn request(self) -> http::Request<Upload> {
        http::Request::from_parts(self.0, Upload::new(Body::empty(), Progress::new(), Arc::new([])))
    }
}

/// Whether a connection had ended before anything came back.
fn had_ended(error: &hyper_util::client::legacy::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let closed = error
            .downcast_ref::<hyper::Error>()
            .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed());
        let reset = error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        });
        if closed || reset {
            return true;
        }
        cause = error.source();
    }
    false
}

fn explain(error: &hyper_util::client::legacy::Error, upstream: &Upstream, progress: &Progress) -> Rejection {
    if progress.is_broken() {
        return Rejection::Malformed("the body broke off");
    }
    let causes = hallpass_shared::telemetry::causes(error);
    tracing::warn!(event = "upstream", url = %upstream.url, error = causes, "the app behind gave no answer");
    let what = if error.is_connect() { "it cannot be reached" } else { "it broke off" };
    Rejection::BadGateway(what)
}
