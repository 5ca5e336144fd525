//! Apps whose answers are as odd as any client's requests.
//!
//! Why: an answer that is read in two ways ends in another client's hands (threat-model H12): a connection to the app about
//! which there is a doubt is never used again.

use hallpass_shared::dialect::Dialect;
use hallpass_tests::raw::{RawApp, Reply, head};

use super::{HOST, OWN_NAMES, Site, Who};

/// Lines are parted by `|`.
fn reply(text: &str) -> String {
    text.replace('|', "\r\n")
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_reaches_nobody() {
    // threat-model H12, H15
    let site = Site::start().await;
    for answer in [
        "HTTP/1.1 200 OK|Content-Length: 3|Content-Length: 6||poison",
        "HTTP/1.1 200 OK|Content-Length: x||poison",
        "HTTP/1.1 200 OK|Content-Length: -1||poison",
        "HTTP/1.1 200 OK|X-Note : a|Content-Length: 6||poison",
        "HTTP/1.1 200 OK|X-Note: a\0|Content-Length: 6||poison",
        "HTTP/1.1 20 OK|Content-Length: 6||poison",
        "HTTP/1.1 2000 OK|Content-Length: 6||poison",
        "HTTP/3.0 200 OK|Content-Length: 6||poison",
        "NONSENSE||",
        "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||",
        "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: h2c||",
    ] {
        site.app.answers(Reply::BytesAndEnd(reply(answer)));
        let told = site.ask(head("GET /public/x HTTP/1.1", [("Host", HOST), ("Cookie", "a=1")])).await;
        assert_eq!(told.status, 502, "{answer:?}: {told:?}");
        assert!(!told.text().contains("poison"), "{answer:?}: {told:?}");
        site.app.answers(Reply::Usual);
        site.all_is_in_order(answer).await;
    }
}

#[tokio::test]
async fn what_an_app_says_too_much_is_nobodys_answer() {
    // threat-model H12
    const MORE: &str = "HTTP/1.1 200 OK|Content-Length: 6||poison";
    let site = Site::start().await;
    for answer in [
        "HTTP/1.1 200 OK|Content-Length: 2||ok",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||",
        "HTTP/1.1 204 No Content||",
        "HTTP/1.1 304 Not Modified||",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok",
    ] {
        for round in 0..3 {
            site.app.answers(Reply::Bytes(reply(&format!("{answer}{MORE}"))));
            let first = site.ask(head("GET /public/x HTTP/1.1", [("Host", HOST)])).await;
            assert!(!first.text().contains("poison"), "{answer}: {first:?}");
            site.app.answers(Reply::Usual);
            site.all_is_in_order(&format!("{answer}, {round}")).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    // threat-model H12
    let site = Site::start().await;
    for answer in [
        "HTTP/1.1 200 OK|Content-Length: 10||abc",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||g|abc|0||",
    ] {
        site.app.answers(Reply::BytesAndEnd(reply(answer)));
        let mut connection = site.connect().await;
        connection.send(head("GET /public/x HTTP/1.1", [("Host", HOST)])).await;
        let all = connection.bytes(100_000).await;
        let text = hallpass_tests::raw::text_of(&all);
        assert!(!text.contains("HTTP/1.1 200") || !text.ends_with("0\r\n\r\n"), "{answer}: {text}");
        site.app.answers(Reply::Usual);
        site.all_is_in_order(answer).await;
    }
}

#[tokio::test]
async fn only_the_app_whose_path_it_is_gets_the_request() {
    // threat-model H15
    let other = RawApp::start().await;
    let settings =
        format!("{OWN_NAMES}\n[[satellite.upstreams]]\npath = \"/api\"\nurl = \"{}\"\n", other.url());
    let site = Site::with(Dialect::NEXT_AUTH_V4, &settings).await;
    let user = site.cookie_of(Who::User).unwrap();
    let get = |target: &str| head(&format!("GET {target} HTTP/1.1"), [("Host", HOST), ("Cookie", &user)]);
    for (target, goes) in
        [("/api", 1), ("/api/x", 1), ("/x/../api/x", 1), ("/apix", 0), ("/API/x", 0), ("/api;v=1/x", 0)]
    {
        assert_eq!(site.ask(get(target)).await.status, 200, "{target}");
        assert_eq!((site.app.take().len(), other.take().len()), (1 - goes, goes), "{target}");
    }
    // Where an app sends a browser, nobody goes in its place.
    let text = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/stolen\r\nContent-Length: 0\r\n\r\n",
        other.url()
    );
    site.app.answers(Reply::Bytes(text));
    let sent = site.ask(get("/page")).await;
    assert_eq!(
        (sent.status, sent.values("location")),
        (307, vec![format!("{}/stolen", other.url()).as_str()])
    );
    assert!(other.take().is_empty());
    // An app that is away is not replaced by the other.
    drop(other);
    tokio::task::yield_now().await;
    site.app.take();
    let away = site.ask(get("/api/x")).await;
    assert!(away.status == 502 && site.app.take().is_empty(), "{away:?}");
}

#[tokio::test]
async fn interim_answers_are_no_answers() {
    // threat-model H12
    let site = Site::start().await;
    for interim in ["100 Continue", "102 Processing", "103 Early Hints"] {
        site.app.answers(Reply::Bytes(reply(&format!(
            "HTTP/1.1 {interim}||HTTP/1.1 200 OK|Content-Length: 2||ok"
        ))));
        let answer = site.ask(head("GET /public/x HTTP/1.1", [("Host", HOST)])).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{interim}");
        site.app.answers(Reply::Usual);
        site.all_is_in_order(interim).await;
    }
}

#[tokio::test]
async fn what_was_for_one_hop_of_an_answer_stays_there() {
    // threat-model H4
    let site = Site::start().await;
    site.app.answers(Reply::Bytes(reply(
        "HTTP/1.1 200 OK|Connection: X-Hop, keep-alive|X-Hop: 1|Keep-Alive: timeout=9|Upgrade: h2c|Proxy-Authenticate: Basic|X-Note: a|Content-Length: 2||ok",
    )));
    let answer = site.ask(head("GET /public/x HTTP/1.1", [("Host", HOST)])).await;
    for gone in ["x-hop", "keep-alive", "upgrade", "proxy-authenticate", "connection"] {
        assert!(answer.values(gone).is_empty(), "{gone}: {answer:?}");
    }
    assert_eq!((answer.values("x-note"), answer.text()), (vec!["a"], "ok".into()));
}
