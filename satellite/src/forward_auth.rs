//! Forward-auth: an edge asks about each request, and lets it pass or not.
//!
//! Why: people have an edge already. It asks here with a copy of the request's head; a 200 lets it pass and says who it
//! is, anything else is handed to the browser. The edge is believed because of where it asks from, or by a secret; what it
//! cannot strip is refused (threat-model H6, H8, H17, P5).

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use hallpass_shared::{
    authenticator::Freshness,
    client::{Peer, opens_socket},
    cookie::SetCookies,
    rejection::{Rejection, RetryAt},
    secret::Secret,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use ipnet::IpNet;
use metrics::Counter;
use subtle::ConstantTimeEq as _;

use crate::{
    access::{self, AccessRules, HostPattern},
    answers::Answers,
    identity::reduced_cookie,
    layer::{Core, SignedIn},
};

mod original_request;

use original_request::{Dialect, OriginalRequest};

const SECRET: HeaderName = HeaderName::from_static("x-hallpass-proxy-secret");
/// How sure we are of the session.
const SESSION: HeaderName = HeaderName::from_static("x-hallpass-session");
/// Complete `Set-Cookie` lines, one in each, for edges that would join them.
const NUMBERED: [HeaderName; 4] = [
    HeaderName::from_static("x-hallpass-set-cookie-0"),
    HeaderName::from_static("x-hallpass-set-cookie-1"),
    HeaderName::from_static("x-hallpass-set-cookie-2"),
    HeaderName::from_static("x-hallpass-set-cookie-3"),
];

/// Answers the edges.
#[derive(Debug)]
pub(crate) struct ForwardAuth {
    pub(crate) core: Arc<Core>,
    pub(crate) rules: AccessRules,
    pub(crate) trust: Trust,
    pub(crate) hosts: Vec<HostPattern>,
    /// Of the original requests: the deployment's.
    pub(crate) scheme: &'static str,
    /// With pages whose files come from the auth server, as the edge does not pass theirs here.
    pub(crate) answers: Answers,
    pub(crate) counts: Counts,
}

/// Checks by dialect, looked up once.
#[derive(Clone)]
pub(crate) struct Counts([[Counter; 2]; 5]);

impl Counts {
    pub(crate) fn new() -> Self {
        Self(Dialect::ALL.map(|dialect| {
            ["no", "yes"].map(|passed| {
                let dialect = dialect.name();
                metrics::counter!("hallpass_forward_auth_total", "dialect" => dialect, "passed" => passed)
            })
        }))
    }

    fn count(&self, dialect: Dialect, status: StatusCode) {
        let place = Dialect::ALL.iter().position(|known| *known == dialect);
        if let Some([no, yes]) = place.and_then(|place| self.0.get(place)) {
            if status == StatusCode::OK { yes.increment(1) } else { no.increment(1) }
        }
    }
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counts")
    }
}

/// Whom we take for an edge.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) peers: Vec<IpNet>,
    pub(crate) secret: Option<Secret>,
}

impl Trust {
    fn covers(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let near = peer.is_some_and(|peer| self.peers.iter().any(|net| net.contains(&peer.to_canonical())));
        let knows = |secret: &Secret| {
            let shown = headers.get(SECRET).map(HeaderValue::as_bytes).unwrap_or_default();
            bool::from(shown.ct_eq(secret.expose().as_bytes()))
        };
        // With both, both must hold.
        (near || self.peers.is_empty()) && self.secret.as_ref().is_none_or(knows)
    }
}

/// The listener's paths.
pub(crate) fn router(forward_auth: Arc<ForwardAuth>) -> Router {
    // Without limits of time of its own: a check has no body, and a renewal has limits.
    Router::new().fallback(handle).with_state(forward_auth)
}

async fn handle(State(forward_auth): State<Arc<ForwardAuth>>, request: Request) -> Response {
    let (check, _) = request.into_parts();
    let path = check.uri.path();
    if matches!(path, "/healthz" | "/readyz") {
        return "ok\n".into_response();
    }
    let Some((dialect, rest)) = Dialect::of(path) else { return Rejection::NotFound.into_response() };
    let mut response = match forward_auth.check(dialect, rest, &check).await {
        Ok(response) => response,
        Err(rejection) => rejection.into_response(),
    };
    forward_auth.counts.count(dialect, response.status());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl ForwardAuth {
    async fn check(&self, dialect: Dialect, rest: &str, check: &Parts) -> Result<Response, Rejection> {
        let headers = &check.headers;
        let peer = check.extensions.get::<Peer>().map(|Peer(peer)| *peer);
        if !self.trust.covers(peer, headers) {
            tracing::warn!(
                event = "forward_auth",
                ?peer,
                "a check came from somebody who is no edge (settings `satellite.forward_auth.trusted_peers` and `secret_file`)"
            );
            return Err(Rejection::AccessDenied);
        }
        let original = OriginalRequest::read(dialect, rest, check, self.scheme).map_err(|error| {
            tracing::warn!(event = "forward_auth", dialect = dialect.name(), "a check was refused: {error}");
            Rejection::Malformed("the check does not say which request it is about")
        })?;
        if !self.hosts.iter().any(|host| host.fits(&original.host)) {
            tracing::warn!(
                event = "forward_auth",
                "a check was about a host that is not in the setting `satellite.forward_auth.hosts`"
            );
            return Err(Rejection::AccessDenied);
        }
        if let Some(name) = self.core.identity.forged(headers) {
            tracing::warn!(
                event = "forward_auth", header = %name,
                "a check carried an identity of its own: somebody forges one, and the edge does not strip it"
            );
            return Err(Rejection::AccessDenied);
        }
        Ok(self.judge(dialect, &original, headers).await)
    }

    async fn judge(&self, dialect: Dialect, original: &OriginalRequest<'_>, headers: &HeaderMap) -> Response {
        let asked_of =
            access::Request { host: &original.host, path: &original.path, method: &original.method };
        let rule = self.rules.decide(asked_of).rule;
        let asked = original.asked(headers);
        if rule.passes_preflight(&original.method, headers) {
            let none = rule.sends_bearer().then_some(HeaderValue::from_static(""));
            return self.pass(headers, (&original.host, None, none), SetCookies::none());
        }
        if opens_socket(headers) && !self.answers.may_open_socket(asked) {
            return Rejection::Csrf(hallpass_shared::csrf::CsrfError::ForeignOrigin).into_response();
        }
        let (visitor, set) = self.core.visitor(headers).await;
        let settled = self.answers.settle(rule, &visitor, asked);
        let mut response = match settled {
            Ok(user) => {
                // On such a route the client's own never passes for it (threat-model H14).
                let bearer = rule.sends_bearer().then(|| {
                    user.as_deref().and_then(SignedIn::bearer).unwrap_or(HeaderValue::from_static(""))
                });
                return self.pass(headers, (&original.host, user.as_deref(), bearer), set);
            }
            Err(refusal) => dialect.redirected(*refusal, &original.method),
        };
        let again = format!("{}{}", original.origin, original.target);
        response.extensions_mut().insert(RetryAt(again));
        if dialect.lifts_cookies_of_refusals() {
            number(&set, response.headers_mut());
        }
        set.add_to(response.headers_mut());
        response
    }

    /// The request passes: who it is, once each, and what the edge is to do with its cookies.
    fn pass(
        &self,
        headers: &HeaderMap,
        (host, user, bearer): (&str, Option<&SignedIn>, Option<HeaderValue>),
        set: SetCookies,
    ) -> Response {
        let mut response = Response::default();
        let said = response.headers_mut();
        self.core.identity.set_all(said, user, host);
        if let Some(bearer) = bearer {
            said.insert(header::AUTHORIZATION, bearer);
        }
        let policy = self.core.authenticator.cookie.policy();
        let reduced = reduced_cookie(headers, |name| policy.is_ours(name));
        said.insert(header::COOKIE, reduced.unwrap_or(HeaderValue::from_static("")));
        if let Some(user) = user {
            let state = match user.freshness {
                _ if user.outage.is_some() => "stale",
                Freshness::Stale => "stale",
                Freshness::Fresh if set.is_empty() => "fresh",
                Freshness::Fresh => "refreshed",
            };
            said.insert(SESSION, HeaderValue::from_static(state));
        }
        number(&set, said);
        set.add_to(said);
        response
    }
}

/// An edge lifts no more than four: first what keeps the session, then what deletes one of the domain; leftovers of one
/// host go another time.
fn number(set: &SetCookies, headers: &mut HeaderMap) {
    let has = |line: &HeaderValue, part: &str| line.to_str().is_ok_and(|text| text.contains(part));
    let mut lines: Vec<&HeaderValue> = set.lines().iter().collect();
    lines.sort_by_key(|line| (has(line, "Max-Age=0"), !has(line, "Domain=")));
    for (name, line) in NUMBERED.into_iter().zip(lines) {
        headers.insert(name, line.clone());
    }
}
