//! Several requests on one connection, each judged by itself.
//!
//! Why: who was let in once is not let in for what follows: a connection has no session, a request has (threat-model H12).

use std::time::Duration;

use hallpass_tests::raw::head;
use tokio::time::Instant;

use super::{HOST, Site, Who};

fn get(target: &str, cookie: Option<&str>) -> String {
    let cookie = cookie.map(|cookie| ("Cookie", cookie));
    head(&format!("GET {target} HTTP/1.1"), [("Host", HOST)].into_iter().chain(cookie))
}

#[tokio::test]
async fn each_request_of_a_connection_has_a_check_of_its_own() {
    // threat-model H12, H14
    let site = Site::start().await;
    let (user, admin) = (site.cookie_of(Who::User).unwrap(), site.cookie_of(Who::Admin).unwrap());
    let all = [
        ("/admin/1", Some(&admin), 200, Some("1")),
        ("/admin/2", None, 401, None),
        ("/admin/3", Some(&user), 403, None),
        ("/page/4", Some(&user), 200, Some("42")),
        ("/page/5", None, 401, None),
        ("/public/6", None, 200, Some("")),
        ("/public/..%2fadmin/7", Some(&admin), 400, None),
        ("/admin/8", Some(&admin), 200, Some("1")),
        ("/public/9", None, 200, Some("")),
    ];
    // All at once, and one after the other.
    let mut at_once = site.connect().await;
    let bytes: String =
        all.iter().map(|(target, cookie, ..)| get(target, cookie.map(String::as_str))).collect();
    at_once.send(bytes).await;
    let mut in_turn = site.connect().await;
    for (target, cookie, status, user) in all {
        for (connection, pipelined) in [(&mut at_once, true), (&mut in_turn, false)] {
            if !pipelined {
                connection.send(get(target, cookie.map(String::as_str))).await;
            }
            let answer = connection.answer().await.unwrap();
            assert_eq!(answer.status, status, "{target}: {answer:?}");
            if user.is_some() {
                assert_eq!(answer.text(), format!("GET {target} HTTP/1.1"));
            }
        }
    }
    let seen = site.app.take();
    for (target, _, _, user) in all {
        let here: Vec<_> = seen.iter().filter(|seen| seen.target() == target).collect();
        assert_eq!(here.len(), if user.is_some() { 2 } else { 0 }, "{target}: {here:?}");
        for seen in here {
            assert_eq!(seen.values("x-auth-user").concat(), user.unwrap(), "{target}");
            let bearer = seen.values("authorization");
            assert_eq!(bearer.is_empty(), user == Some(""), "{target}: {bearer:?}");
        }
    }
}

#[tokio::test]
async fn a_body_is_a_body_whatever_it_looks_like() {
    // threat-model H12
    let site = Site::start().await;
    let inner = get("/admin/smuggled", None);
    for (first, lines) in [
        ("GET /public/x", vec![]),
        ("POST /public/x", vec![]),
        ("DELETE /public/x", vec![("Connection", "close")]),
        ("POST /public/x", vec![("Expect", "100-continue")]),
    ] {
        let length = inner.len().to_string();
        let lines = [("Host", HOST), ("Content-Length", length.as_str())].into_iter().chain(lines);
        let answer = site.ask([head(&format!("{first} HTTP/1.1"), lines), inner.clone()].concat()).await;
        let seen = site.app.take();
        assert_eq!((answer.status, seen.len()), (200, 1), "{first}: {answer:?}, {seen:?}");
        assert_eq!(seen[0].body, inner.as_bytes(), "{first}");
        site.all_is_in_order(first).await;
        site.app.take();
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    // threat-model H12: or the next answer would be somebody else's.
    let site = Site::start().await;
    let mut connection = site.connect().await;
    connection.send([head("HEAD /page HTTP/1.1", [("Host", HOST)]), get("/public/x", None)].concat()).await;
    // Both answers, as text: the first has a length and nothing after it.
    let mut text = String::new();
    while !text.ends_with("GET /public/x HTTP/1.1") {
        let more = connection.bytes(1).await;
        assert!(!more.is_empty(), "{text}");
        text += &hallpass_tests::raw::text_of(&more);
    }
    let (first, rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 401") && rest.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    // threat-model D1
    let site = Site::start().await;
    let begun = Instant::now();
    let mut slow = site.connect().await;
    slow.send(format!("GET /public/x HTTP/1.1\r\nHost: {HOST}\r\nX-Note: ")).await;
    let mut endless = site.connect().await;
    endless.send(format!("GET /public/x HTTP/1.1\r\nHost: {HOST}\r\nX-Note: {}", "a".repeat(300_000))).await;
    let answer = endless.answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 431), "and a large one at once");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let answer = slow.answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 408), "within ten seconds or so");
    assert!(begun.elapsed() < Duration::from_secs(15) && site.app.connections() == 0);
}
