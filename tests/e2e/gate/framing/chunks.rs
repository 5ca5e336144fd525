//! Bodies in chunks that overflow, lie or break off.
//!
//! Why: sizes of chunks are lengths, too, and each of them can be read in two ways (RFC 9112 section 7.1).

use hallpass_tests::raw::{fold, head, latin1};

use super::{Case, Expected, SMUGGLED, all, case, none_confuses};
use crate::gate::{HOST, Site};

fn with(name: &'static str, body: &str, expected: Expected) -> Case {
    case(name, &format!("POST /public/x HTTP/1.1|Host: HOST|Transfer-Encoding: chunked||{body}"), expected)
}

fn cases() -> Vec<Case> {
    use Expected::{Broken, One, OneOrRefused};
    vec![
        with("plain chunks", "3|abc|2|de|0||", One("abcde")),
        with("capitals and zeros", "000A|abcdefghij|0||", One("abcdefghij")),
        with("a size beyond measure", "FFFFFFFFFFFFFFFFF|abc|0||SMUGGLED", Broken),
        with("a size that wraps to 3", "10000000000000003|abc|0||SMUGGLED", Broken),
        with("a negative size", "-3|abc|0||SMUGGLED", Broken),
        with("a size with a sign", "+3|abc|0||SMUGGLED", Broken),
        with("a size with a prefix", "0x3|abc|0||SMUGGLED", Broken),
        with("a size with a letter", "3g|abc|0||SMUGGLED", Broken),
        with("an empty size", "|abc|0||SMUGGLED", Broken),
        with("a blank before the size", " 3|abc|0||SMUGGLED", Broken),
        with("a size that is too small", "2|abc|0||SMUGGLED", Broken),
        with("an extension", "3;a=b|abc|0||", OneOrRefused("abc")),
        with("an extension in quotes", "3;a=\"b;c\"|abc|0||", OneOrRefused("abc")),
        with("a blank and an extension", "3 ;a=b|abc|0||", OneOrRefused("abc")),
        with("a bare LF in an extension", "3;a\nabc|0||SMUGGLED", Broken),
        with("a bare CR in an extension", "3;a\rb|abc|0||SMUGGLED", Broken),
        with("a bare LF behind the size", "3\nabc|0||SMUGGLED", Broken),
        with("a bare LF behind the data", "3|abc\n0||SMUGGLED", Broken),
        with("an endless extension", &format!("3;{}|abc|0||SMUGGLED", "a".repeat(100_000)), Broken),
        with("a trailer", "3|abc|0|X-Note: a||", One("abc")),
        with("a length as trailer", "3|abc|0|Content-Length: LENGTH||", One("abc")),
        with("a coding as trailer", "3|abc|0|Transfer-Encoding: chunked||", One("abc")),
        with(
            "endless trailers",
            &format!("3|abc|0|{}|SMUGGLED", "X-Note: aaaaaaaaaaaa|".repeat(8_000)),
            Broken,
        ),
        with("a trailer without a colon", "3|abc|0|X-Note||SMUGGLED", Broken),
    ]
}

#[tokio::test]
async fn chunks_are_as_long_as_they_say_or_break_off() {
    // threat-model H12, H5
    none_confuses(cases()).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_whole_one() {
    // threat-model H12, D1
    let site = Site::start().await;
    for (at, rest) in [
        ("a length", "Content-Length: 10\r\n\r\nabc"),
        ("chunks", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        ("a chunk", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc"),
        ("trailers", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Note: a\r\n"),
    ] {
        let mut connection = site.connect().await;
        connection.send(format!("POST /public/x HTTP/1.1\r\nHost: {HOST}\r\n{rest}")).await;
        connection.finish().await;
        let (answers, _) = all(&mut connection).await;
        assert!(answers.iter().all(|answer| answer.status != 200), "{at}: {answers:?}");
        site.all_is_in_order(at).await;
        let seen = site.app.take();
        assert!(seen.iter().all(|seen| !seen.whole || seen.target() == "/public/fence"), "{at}: {seen:?}");
    }
}

#[tokio::test]
async fn a_refusal_leaves_nothing_of_the_body_behind() {
    // threat-model H12: an early answer, and then the body, which looks like a request.
    let site = Site::start().await;
    for (at, first, rest) in [
        (
            "nobody is signed in",
            "POST /page",
            format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
        ),
        (
            "in chunks",
            "POST /page",
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
        ),
        ("no such path", "POST /x/..%2f", format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())),
        (
            "a body that is announced",
            "POST /page",
            format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
        ),
        ("a body of GET", "GET /page", format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())),
        ("a large body", "POST /page", format!("Content-Length: 900000\r\n\r\n{}", SMUGGLED.repeat(100))),
    ] {
        let mut connection = site.connect().await;
        connection.send(latin1(&format!("{first} HTTP/1.1\r\nHost: {HOST}\r\n{rest}"))).await;
        let (answers, _) = all(&mut connection).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [400 | 401]), "{at}: one answer, not {statuses:?}");
        assert!(site.app.take().is_empty(), "{at}");
        site.all_is_in_order(at).await;
        site.app.take();
    }
}

#[tokio::test]
async fn what_was_for_one_hop_stays_there() {
    // threat-model H4, H12
    let site = Site::start().await;
    let answer = site
        .ask(latin1(&head(
            "POST /public/x HTTP/1.1",
            [
                ("Host", HOST),
                ("Connection", "Upgrade, HTTP2-Settings, X-Hop, TE"),
                ("Connection", "x-other-hop"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
                ("X-Hop", "1"),
                ("X-Other-Hop", "1"),
                ("Keep-Alive", "timeout=1"),
                ("Proxy-Connection", "keep-alive"),
                ("Proxy-Authorization", "Basic eA=="),
                ("TE", "gzip"),
                ("Expect", "100-continue"),
                ("Content-Length", "0"),
            ],
        )))
        .await;
    let seen = site.app.take();
    assert_eq!(answer.status, 200, "{answer:?}");
    let names: Vec<_> = seen[0].headers.iter().map(|(name, _)| fold(name)).collect();
    for gone in [
        "connection",
        "upgrade",
        "http2_settings",
        "x_hop",
        "x_other_hop",
        "keep_alive",
        "proxy_connection",
        "proxy_authorization",
        "te",
        "expect",
    ] {
        assert!(!names.contains(&gone.to_owned()), "{gone}: {seen:?}");
    }
}
