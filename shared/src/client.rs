//! Who is asking: the client's address, and whether a person is looking at a page.
//!
//! Why: an address from a header that anybody can send would let one attacker count as many (threat-model H7,
//! H8), and a program that is sent to an HTML page breaks in odd ways (O10). Both are read here only.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, header};
use ipnet::IpNet;

/// Where to sign in, told to what is not redirected: a script or a socket.
pub const SIGN_IN_ADDRESS: HeaderName = HeaderName::from_static("x-hallpass-location");

/// The address at the other end of the connection, which the server puts into each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The client's address: the peer's, or, behind trusted proxies, the right-most untrusted one of
/// `X-Forwarded-For`. A header that cannot be read counts for nothing.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(line) = line.to_str() else { return client };
        for hop in line.rsplit(',') {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { return client };
            client = hop.to_canonical();
            if !is_trusted(&client) {
                return client;
            }
        }
    }
    client
}

/// What is counted as one source: an IPv4 address, or the /64 an IPv6 address is in (threat-model S1).
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether the browser is about to show the answer as a page: then a redirect or a page helps, and anything
/// else wants a status (Fetch Metadata; without it, by `Accept`).
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if opens_socket(headers) {
        return false;
    }
    if let Some(mode) = value("sec-fetch-mode") {
        return mode == "navigate" && value("sec-fetch-dest").is_none_or(|dest| dest == "document");
    }
    let safe = method == Method::GET || method == Method::HEAD;
    let by_program = headers.contains_key("x-requested-with") || headers.contains_key(header::AUTHORIZATION);
    safe && !by_program && accepts_html(headers) && !accepts_data(headers)
}

/// Whether the request opens a WebSocket: over HTTP/2 it has no key (RFC 8441 section 5), but always a version.
pub fn opens_socket(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_KEY) || headers.contains_key(header::SEC_WEBSOCKET_VERSION)
}

/// Whether an error is better shown as a page: a navigation, also one that sent a form.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let mode = headers.get("sec-fetch-mode").and_then(|value| value.to_str().ok());
    mode.map_or_else(|| accepts_html(headers), |mode| mode == "navigate")
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// What no page load asks for by name.
fn accepts_data(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| {
        ["application/json", "text/event-stream"].iter().any(|data| accept.contains(data))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_peer() {
        // threat-model H7
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let forwarded = headers(&[("x-forwarded-for", "203.0.113.1, 198.51.100.7, 10.0.0.2")]);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(address(ip("192.0.2.1"), &forwarded, &trusted), ip("192.0.2.1"));
        assert_eq!(address(ip("10.0.0.1"), &forwarded, &trusted), ip("198.51.100.7"));
        assert_eq!(address(ip("::ffff:10.0.0.1"), &forwarded, &trusted), ip("198.51.100.7"));
        assert_eq!(address(ip("10.0.0.1"), &forwarded, &[]), ip("10.0.0.1"));
        assert_eq!(
            address(ip("10.0.0.1"), &headers(&[("x-forwarded-for", "junk")]), &trusted),
            ip("10.0.0.1")
        );
        assert_eq!(source(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn only_a_navigation_is_redirected() {
        // threat-model O10
        let page = |method, pairs| is_navigation(&method, &headers(pairs));
        assert!(page(Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]));
        assert!(page(Method::GET, &[("accept", "text/html,*/*;q=0.8")]));
        assert!(!page(Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")]));
        assert!(!page(Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]));
        assert!(!page(Method::GET, &[("accept", "application/json")]));
        assert!(!page(Method::GET, &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")]));
        assert!(!page(Method::GET, &[("accept", "text/html"), ("sec-websocket-key", "x")]));
        assert!(!page(Method::GET, &[("accept", "text/html"), ("authorization", "Bearer x")]));
        assert!(!page(Method::GET, &[("accept", "text/html, application/json")]));
        assert!(!page(Method::POST, &[("accept", "text/html")]));
        assert!(!page(Method::GET, &[]));
    }
}
