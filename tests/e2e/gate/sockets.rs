//! WebSocket handshakes: whose page may open one, and what happens to bytes that come before the app's word.
//!
//! Why: a browser sends cookies with a handshake from any page, and nothing but `Origin` tells which (threat-model B6). Until
//! the app has switched protocols the connection is HTTP, and what comes on it are requests (H12).

use std::time::Duration;

use hallpass_tests::raw::{Connection, Lines, Reply, head, latin1};

use super::{EDGE, Edge, HOST, Site, Who, lines, with_host};

const OWN: &str = "https://app.example.com";
/// A text of two letters, masked with zeros.
const FRAME: [u8; 8] = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];

fn handshake(origins: &[&str], cookie: Option<&str>) -> Lines {
    let mut all = lines(&[
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    all.extend(origins.iter().map(|origin| ("Origin".to_owned(), (*origin).to_owned())));
    all.extend(cookie.map(|cookie| ("Cookie".to_owned(), cookie.to_owned())));
    all
}

fn bytes(lines: &Lines) -> Vec<u8> {
    latin1(&head("GET /ws HTTP/1.1", with_host(lines)))
}

#[tokio::test]
async fn only_our_pages_and_those_of_friends_open_sockets() {
    // threat-model B6
    let site = Site::start().await;
    let user = site.cookie_of(Who::User).unwrap();
    let good: [&[&str]; 2] = [&[OWN], &["https://friend.example.com"]];
    let bad: [&[&str]; 13] = [
        &[],
        &[""],
        &["null"],
        &["https://evil.com"],
        &["http://app.example.com"],
        &["https://app.example.com:8443"],
        &["https://app.example.com.evil.com"],
        &["https://xapp.example.com"],
        &["https://other.example.com"],
        &["https://app.example.com/"],
        &["app.example.com"],
        &[OWN, "https://evil.com"],
        &["https://evil.com https://app.example.com"],
    ];
    for (origins, allowed) in good.map(|it| (it, true)).into_iter().chain(bad.map(|it| (it, false))) {
        for (cookie, passes, refused) in [(Some(user.as_str()), [101, 200], 403), (None, [401; 2], 403)] {
            let told = handshake(origins, cookie);
            let answer = site.ask(bytes(&told)).await;
            let seen = site.app.take();
            let expected = if allowed { passes[0] } else { refused };
            assert_eq!(answer.status, expected, "{origins:?}, {cookie:?}: {answer:?}");
            assert_eq!(seen.len(), usize::from(answer.status == 101), "{origins:?}");
            for edge in Edge::ALL {
                let answer = site.check(edge, ("GET", "/ws"), &told).await;
                let expected = if allowed { passes[1] } else { refused };
                assert_eq!(answer.status, expected, "{edge:?}, {origins:?}, {cookie:?}: {answer:?}");
            }
        }
    }
    let foreign = handshake(&["https://evil.com"], Some(&user));
    let connections = site.app.connections();
    site.ask(bytes(&foreign)).await;
    assert_eq!(site.app.connections(), connections, "the app is not even dialled");
}

#[tokio::test]
async fn nothing_goes_up_before_the_app_has_switched() {
    // threat-model B6, H12
    let site = Site::start().await;
    site.app.answers(Reply::LateSocket(Duration::from_millis(500)));
    let user = site.cookie_of(Who::User).unwrap();
    let mut connection = site.connect().await;
    connection.send([bytes(&handshake(&[OWN], Some(&user))), FRAME.into()].concat()).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.values("sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    assert_eq!(connection.bytes(FRAME.len()).await, FRAME, "it comes back from the app");
    assert_eq!(site.app.sockets(), (Vec::new(), FRAME.to_vec()));
    assert_eq!(site.app.take().len(), 1);
}

#[tokio::test]
async fn a_socket_that_is_not_opened_leaves_requests_behind_it() {
    // threat-model H12: what oauth2-proxy once let pass.
    let site = Site::start().await;
    let user = site.cookie_of(Who::User).unwrap();
    for status in ["200 OK", "401 Unauthorized", "404 Not Found", "426 Upgrade Required"] {
        site.app.answers(Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno")));
        let mut connection = site.connect().await;
        let early = [
            head("GET /admin/1 HTTP/1.1", [("Host", HOST)]),
            head("GET /admin/2 HTTP/1.1", [("Host", HOST), ("Cookie", &user)]),
            head("GET /public/3 HTTP/1.1", [("Host", HOST)]),
        ];
        connection.send([bytes(&handshake(&[OWN], Some(&user))), early.concat().into_bytes()].concat()).await;
        let first = connection.answer().await.unwrap();
        assert!(status.starts_with(&first.status.to_string()) && first.text() == "no", "{status}: {first:?}");
        let mut statuses = Vec::new();
        while let Some(answer) = connection.answer().await {
            statuses.push(answer.status);
            if statuses.len() == 3 {
                break;
            }
        }
        let seen: Vec<_> = site.app.take().iter().map(|seen| seen.target().to_owned()).collect();
        let last: u16 = status.split(' ').next().unwrap().parse().unwrap();
        match statuses[..] {
            // It may also end the connection.
            [] => assert_eq!(seen, ["/ws"], "{status}"),
            _ => assert_eq!(
                (&statuses[..], &seen[..]),
                (&[401, 403, last][..], &["/ws".into(), "/public/3".into()][..])
            ),
        }
        site.app.answers(Reply::Usual);
        site.all_is_in_order(status).await;
        site.app.take();
    }
}

#[tokio::test]
async fn what_is_no_handshake_opens_no_socket() {
    // threat-model B6, H12
    let site = Site::start().await;
    let user = site.cookie_of(Who::User).unwrap();
    let good = handshake(&["https://evil.com"], Some(&user));
    let without = |name: &str| good.iter().filter(|(known, _)| known != name).cloned().collect::<Lines>();
    let with = |name: &str, value: &str| {
        let mut other = without(name);
        other.push((name.into(), value.into()));
        other
    };
    for (first, told) in [
        ("POST /ws HTTP/1.1", good.clone()),
        ("GET /ws HTTP/1.0", good.clone()),
        ("GET /ws HTTP/1.1", without("Connection")),
        ("GET /ws HTTP/1.1", with("Connection", "keep-alive")),
        ("GET /ws HTTP/1.1", with("Upgrade", "h2c")),
        ("GET /ws HTTP/1.1", with("Upgrade", "websocket/1")),
        ("GET /ws HTTP/1.1", with("Upgrade", "h2c, websocket")),
        ("GET /ws HTTP/1.1", without("Sec-WebSocket-Key")),
    ] {
        let answer = site.ask(latin1(&head(first, with_host(&told)))).await;
        let seen = site.app.take();
        assert!(matches!(answer.status, 200 | 400 | 403), "{first}, {told:?}: {answer:?}");
        for seen in seen {
            assert!(seen.values("upgrade").is_empty() && seen.values("connection").is_empty(), "{seen:?}");
        }
    }
    assert_eq!(site.app.sockets(), (Vec::new(), Vec::new()));
    // A check never switches protocols, whatever it carries.
    for edge in Edge::ALL {
        let check = edge.check("GET", "/ws", &handshake(&[OWN], Some(&user)));
        let mut connection = Connection::open(site.edges, EDGE).await;
        connection.send(check).await;
        assert_eq!(connection.answer().await.map(|answer| answer.status), Some(200), "{edge:?}");
    }
}
