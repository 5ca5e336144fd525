//! The request's head, as it goes on.
//!
//! Why: what a hop may drop, what a client may not say, and whose word counts for whom are decided in one place and in one
//! order: what the client's `Connection` names goes, then what is ours is taken away, then ours is set (threat-model H4).

use std::net::IpAddr;

use axum::extract::Request;
use hallpass_shared::{rejection::Rejection, telemetry::Trace};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header, request::Parts};

use super::Site;
use crate::identity::reduced_cookie;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of one hop (RFC 9110 section 7.6.1), and what we answer ourselves.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("http2-settings"),
];

/// One host, said once, and ours (threat-model H13).
pub(super) fn check_host(request: &Parts, site: &Site) -> Result<(), Rejection> {
    let mut named = request.headers.get_all(header::HOST).iter();
    let (named, more) = (named.next(), named.next());
    if more.is_some() {
        return Err(Rejection::Malformed("there are two Host headers"));
    }
    let named = named.map(|host| host.to_str().map_err(|_| Rejection::Malformed("Host is no host")));
    let named = named.transpose()?;
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    let host = match (authority, named) {
        (Some(authority), Some(named)) if !authority.eq_ignore_ascii_case(named) => {
            return Err(Rejection::Malformed("Host is not the host of the address"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(Rejection::Malformed("there is no Host header")),
    };
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|digit| digit.is_ascii_digit())) {
        return Err(Rejection::Malformed("Host is no host"));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.eq_ignore_ascii_case(&site.host) { Ok(()) } else { Err(Rejection::Misdirected) }
}

/// A handshake of RFC 6455 section 4.1. Any other upgrade is an ordinary request: there is no h2c (threat-model H12).
pub(super) fn wants_websocket(request: &Request) -> bool {
    let headers = request.headers();
    let upgrade =
        headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade
        && request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

/// The elements of a list in all lines of a header.
pub(super) fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Takes away what is for this hop only, by its nature or by `Connection`.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> =
            tokens(headers, &header::CONNECTION).filter_map(|token| token.parse().ok()).collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Keeps what `is_ours` from the app (threat-model C10), and makes one line of the rest: HTTP/2 may have sent one for each
/// cookie (RFC 9113 section 8.2.3).
pub(super) fn reduce_cookie(headers: &mut HeaderMap, is_ours: impl Fn(&str) -> bool) {
    if !headers.contains_key(header::COOKIE) {
        return;
    }
    match reduced_cookie(headers, is_ours) {
        Some(rest) => headers.insert(header::COOKIE, rest),
        None => headers.remove(header::COOKIE),
    };
}

/// On a route with a bearer nothing of the client's own passes for it (threat-model H14).
pub(super) fn set_bearer(headers: &mut HeaderMap, bearer: Option<HeaderValue>) {
    match bearer {
        Some(bearer) => headers.insert(header::AUTHORIZATION, bearer),
        None => headers.remove(header::AUTHORIZATION),
    };
}

/// Who the client is, and how it reached us, by our own word (threat-model H7).
pub(super) fn set_forwarded(headers: &mut HeaderMap, site: &Site, client: Option<IpAddr>) {
    headers.insert(header::HOST, site.authority.clone());
    headers.insert(FORWARDED_HOST, site.authority.clone());
    headers.insert(FORWARDED_PROTO, site.scheme.clone());
    if let Some(client) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.insert(FORWARDED_FOR, client);
    }
    if let Some(id) = Trace::current().and_then(|trace| HeaderValue::try_from(trace.request_id()).ok()) {
        headers.insert(REQUEST_ID, id);
    }
}

/// What our own hop is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// An answer.
    Plain,
    /// An answer, with trailers if there are any.
    Trailers,
    /// A socket.
    WebSocket,
}

impl Hop {
    /// As the client's `TE` says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let trailers = tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
        if trailers { Self::Trailers } else { Self::Plain }
    }

    /// `Connection` of our own.
    pub(super) fn set(self, headers: &mut HeaderMap) {
        let (connection, name, value) = match self {
            Self::Plain => return,
            Self::Trailers => ("te", header::TE, "trailers"),
            Self::WebSocket => ("upgrade", header::UPGRADE, "websocket"),
        };
        headers.insert(header::CONNECTION, HeaderValue::from_static(connection));
        headers.insert(name, HeaderValue::from_static(value));
    }
}
