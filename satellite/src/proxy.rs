//! The reverse proxy: judges each request, and sends it on to the app behind.
//!
//! Why: most apps are written in other languages and know nothing of sessions. They get the request as it was judged
//! (path, host, user), and nothing that would let a client speak for us (threat-model H1 to H18, P1). Bodies are never
//! held: what comes in goes on, both ways.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use hallpass_shared::{
    authenticator::{Freshness, STALE},
    client::Peer,
    cookie::SetCookies,
    rejection::Rejection,
    server::FromUpstream,
};
use http::{HeaderValue, StatusCode, request::Parts, uri::PathAndQuery};
use ipnet::IpNet;
use url::Url;

use crate::{
    access::{self, AccessRule, AccessRules},
    answers::Asked,
    canonical::CanonicalPath,
    layer::{Core, SignedIn, Visitor},
    lease::{Lease, Session},
};

mod body;
mod frames;
mod head;
mod response;
mod tunnel;
mod upstream;

pub(crate) use upstream::{Upstream, Upstreams};

/// Where our own endpoints are: never the app's.
const OWN_PATHS: &str = "/api/auth";

/// How long each phase of a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Until there is a connection.
    pub(crate) connect: Duration,
    /// A pause within a request's body.
    pub(crate) body: Duration,
    /// From the end of the request to the head of the response.
    pub(crate) response: Duration,
    /// A pause within a response's body.
    pub(crate) idle: Duration,
    /// A pause on an open socket, either way.
    pub(crate) tunnel: Duration,
}

/// Everything it takes to judge a request and send it on.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) core: Arc<Core>,
    pub(crate) rules: AccessRules,
    pub(crate) upstreams: Upstreams,
    pub(crate) times: Times,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) session_cookie: SessionCookieGoes,
}

/// Whether the app gets the session's cookie, with which it could act as the user everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionCookieGoes {
    Nowhere,
    ToTheApp,
}

/// The public address, in the forms that headers have.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// `https://app.example.com`.
    pub(crate) origin: String,
    /// Without port, in small letters.
    pub(crate) host: String,
    pub(crate) authority: HeaderValue,
    pub(crate) scheme: HeaderValue,
}

impl Site {
    pub(crate) fn of(url: &Url) -> Self {
        let origin = url.origin().ascii_serialization();
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        let value = |text: &str| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        Self {
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            authority: value(authority),
            scheme: value(url.scheme()),
            origin,
        }
    }
}

/// Answers every path but our own.
pub(crate) fn router(proxy: Arc<Proxy>) -> Router {
    Router::new().fallback(handle).with_state(proxy)
}

async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    proxy.answer(request).await.unwrap_or_else(IntoResponse::into_response)
}

impl Proxy {
    async fn answer(self: Arc<Self>, mut request: Request) -> Result<Response, Rejection> {
        let on_upgrade = head::wants_websocket(&request).then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        head::check_host(&parts, &self.core.site)?;
        if !access::is_plain(&parts.method) {
            return Err(Rejection::MethodNotAllowed);
        }
        let target = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let path = CanonicalPath::parse(target.path()).map_err(|error| {
            tracing::info!(event = "path", %error, "a request was refused");
            Rejection::Malformed("the path is read in different ways")
        })?;
        if path.as_str().strip_prefix(OWN_PATHS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return Err(Rejection::NotFound);
        }
        let asked_of = access::Request { host: &self.core.site.host, path: &path, method: &parts.method };
        let rule = self.rules.decide(asked_of).rule;
        // A preflight that passes unasked is nobody's.
        let (visitor, set) = if rule.passes_preflight(&parts.method, &parts.headers) {
            (None, SetCookies::none())
        } else {
            let (visitor, set) = self.core.visitor(&parts.headers).await;
            (Some(visitor), set)
        };
        let known = Known { path: &path, target: &target, visitor, on_upgrade };
        // Whatever comes of it, a renewed session goes home: the old one may be worth nothing soon.
        Ok(with(set, self.go_on(rule, known, parts, body).await.unwrap_or_else(IntoResponse::into_response)))
    }

    /// What becomes of a request, once it is known whose it is.
    async fn go_on(
        &self,
        rule: &AccessRule,
        known: Known<'_>,
        mut parts: Parts,
        body: Body,
    ) -> Result<Response, Rejection> {
        let Known { path, target, visitor, on_upgrade } = known;
        if on_upgrade.is_some() && !self.core.answers.may_open_socket(self.asked(&parts, target)) {
            return Err(Rejection::Csrf(hallpass_shared::csrf::CsrfError::ForeignOrigin));
        }
        let settled =
            visitor.map(|visitor| self.core.answers.settle(rule, &visitor, self.asked(&parts, target)));
        let user = match settled.unwrap_or(Ok(None)) {
            Ok(user) => user,
            Err(refusal) => return Ok(*refusal),
        };
        let upstream = self.upstreams.of(path).ok_or(Rejection::NotFound)?;
        parts.uri =
            upstream.address(path, target).ok_or(Rejection::Malformed("the address cannot be sent on"))?;
        let hop = if on_upgrade.is_some() { head::Hop::WebSocket } else { head::Hop::of(&parts.headers) };
        self.prepare(&mut parts, rule, user.as_deref(), hop);
        upstream.allow_trailers(&mut parts.headers);
        let lease = user.as_ref().map(|user| Lease::new(&self.core.authenticator, user));
        let mut session = Session::of(lease.as_ref());
        let exchange = upstream::Exchange { parts, body, times: self.times, upstream };
        let answer = self.upstreams.ask(exchange, &mut session).await?;
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let mut response = match on_upgrade {
            Some(client) if switched => tunnel::open(client, answer, lease, self.times.tunnel),
            _ if switched => {
                return Err(Rejection::BadGateway("it switched to a protocol that nobody asked for"));
            }
            _ => body::streamed(answer, session, self.times.idle),
        };
        self.finish(&mut response, rule, user.as_deref());
        Ok(response)
    }

    fn asked<'r>(&'r self, parts: &'r Parts, target: &'r PathAndQuery) -> Asked<'r> {
        Asked {
            method: &parts.method,
            headers: &parts.headers,
            origin: &self.core.site.origin,
            target: target.as_str(),
        }
    }

    /// The headers as the app gets them.
    fn prepare(&self, parts: &mut Parts, rule: &AccessRule, user: Option<&SignedIn>, hop: head::Hop) {
        let peer = parts.extensions.get::<Peer>().copied();
        let client = peer
            .map(|Peer(peer)| hallpass_shared::client::address(peer, &parts.headers, &self.trusted_proxies));
        let headers = &mut parts.headers;
        head::remove_hop_by_hop(headers);
        self.core.identity.strip(headers);
        let policy = self.core.authenticator.cookie.policy();
        let kept_back =
            |name: &str| self.session_cookie == SessionCookieGoes::Nowhere && policy.is_ours(name);
        head::reduce_cookie(headers, kept_back);
        if rule.sends_bearer() {
            head::set_bearer(headers, user.and_then(SignedIn::bearer));
        }
        if let Some(user) = user {
            self.core.identity.set(headers, user, &self.core.site.host);
        }
        head::set_forwarded(headers, &self.core.site, client);
        hop.set(headers);
        parts.version = http::Version::HTTP_11;
        parts.extensions = http::Extensions::new();
    }

    /// What the browser gets of the app's answer.
    fn finish(&self, response: &mut Response, rule: &AccessRule, user: Option<&SignedIn>) {
        let policy = self.core.authenticator.cookie.policy();
        response::clean(response.headers_mut(), policy);
        let is_public = *rule.access() == access::Access::Public;
        if !is_public {
            response::keep_private(response.headers_mut());
        } else if user.is_some() {
            response::vary_by_cookie(response.headers_mut());
        }
        if user.is_some_and(|user| user.freshness == Freshness::Stale || user.outage.is_some()) {
            response.headers_mut().insert(STALE, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(FromUpstream);
    }
}

/// What is known of a request before it goes on.
struct Known<'r> {
    path: &'r CanonicalPath<'r>,
    target: &'r PathAndQuery,
    /// Nobody was looked for, if nothing.
    visitor: Option<Visitor>,
    on_upgrade: Option<hyper::upgrade::OnUpgrade>,
}

fn with(set: SetCookies, mut response: Response) -> Response {
    set.add_to(response.headers_mut());
    response
}
