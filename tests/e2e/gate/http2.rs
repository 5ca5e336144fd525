//! What HTTP/2 has of its own: pseudo-headers, and headers that mean something in HTTP/1 only.
//!
//! Why: what comes in over HTTP/2 goes out over HTTP/1, and a field that is nothing special here may end a head there
//! (RFC 9113 sections 8.2 and 8.3).

use hallpass_tests::raw::http2::{Outcome, ask};

use super::{CLIENT, HOST, Site, none_failed};

type Fields = &'static [(&'static str, &'static str)];

const GET: Fields = &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/public/x")];

/// Fields after those of a good request.
const AFTER: &[Fields] = &[
    &[("transfer-encoding", "chunked")],
    &[("connection", "keep-alive")],
    &[("keep-alive", "timeout=5")],
    &[("proxy-connection", "close")],
    &[("upgrade", "websocket")],
    &[("te", "chunked")],
    &[("host", "evil.com")],
    &[("host", HOST), ("host", HOST)],
    &[("X-Note", "a")],
    &[("x note", "a")],
    &[("x-note", "a\r\nx-auth-user: 1")],
    &[("x-note", "a\nb")],
    &[("x-note", "a\0b")],
    &[("x-note\r\nx-auth-user", "1")],
    &[("x:note", "a")],
    &[("", "a")],
    &[(":path", "/admin")],
    &[(":authority", HOST)],
    &[(":status", "200")],
    &[(":protocol", "websocket")],
    &[("content-length", "5")],
    &[("content-length", "0"), ("content-length", "5")],
];

/// Requests that are none.
const INSTEAD: &[Fields] = &[
    &[(":method", "CONNECT"), (":authority", HOST)],
    &[(":method", "CONNECT"), (":scheme", "https"), (":authority", HOST), (":path", "/public/x")],
    &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", "/public/x"),
    ],
    &[(":method", "GET"), (":scheme", "https"), (":authority", "evil.com"), (":path", "/public/x")],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "evil.com"),
        (":path", "/public/x"),
        ("host", HOST),
    ],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/public/x")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST)],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "public/x")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "*")],
    &[(":method", "OPTIONS"), (":scheme", "https"), (":authority", HOST), (":path", "*")],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", "/public/x HTTP/1.1\r\nHost: evil.com\r\n\r\n"),
    ],
    &[
        (":method", "GET /admin HTTP/1.1\r\n"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", "/public/x"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "app.example.com\r\nx: y"),
        (":path", "/public/x"),
    ],
    &[(":scheme", "https"), (":authority", HOST), (":path", "/public/x")],
    &[
        ("x-note", "a"),
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", "/public/x"),
    ],
];

#[tokio::test]
async fn what_http_1_would_read_otherwise_is_refused() {
    // threat-model H12, H13, H2
    let site = Site::start().await;
    assert_eq!(ask(site.gate.port, CLIENT, GET).await, Outcome::Answered(200));
    assert_eq!(site.app.take().len(), 1);
    let after = AFTER.iter().map(|fields| [GET, *fields].concat());
    let mut failures = Vec::new();
    for fields in after.chain(INSTEAD.iter().map(|fields| fields.to_vec())) {
        let outcome = ask(site.gate.port, CLIENT, &fields).await;
        let seen = site.app.take();
        let refused = matches!(outcome, Outcome::Refused | Outcome::Answered(400..=431 | 501));
        if !refused || !seen.is_empty() {
            failures.push(format!("{fields:?}: {outcome:?}, {seen:?}"));
        }
        site.all_is_in_order(&format!("{fields:?}")).await;
        site.app.take();
    }
    none_failed(&failures);
}

#[tokio::test]
async fn the_same_host_may_be_said_in_both_ways() {
    // threat-model H13
    let site = Site::start().await;
    for host in [HOST, "APP.example.com"] {
        let outcome = ask(site.gate.port, CLIENT, &[GET, &[("host", host)]].concat()).await;
        let seen = site.app.take();
        assert_eq!((outcome, seen[0].values("host")), (Outcome::Answered(200), vec![HOST]), "{seen:?}");
    }
}
