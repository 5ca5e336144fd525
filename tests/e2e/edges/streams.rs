//! What an edge must not hold: sockets, events, uploads.

use std::time::Duration;

use hallpass_tests::{edges::Kind, programs::APP};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use super::{ORDINARY, Site, said};

at_each_edge!(sockets_and_events_pass_as_they_come, a_gibibyte_goes_up_in_flat_memory);

async fn sockets_and_events_pass_as_they_come(kind: Kind) {
    // threat-model B6
    let site = Site::behind(kind).await;
    let visitor = site.signed_in(ORDINARY).await;
    let handshake = |origin: &str| {
        format!(
            "Origin: {origin}\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nRemote-User: root\n"
        )
    };
    let own = handshake(site.url("").as_str());
    let mut socket = site.request(&visitor, "GET /ws HTTP/1.1", &own).await;
    let opened = until(&mut socket, "]]}").await;
    assert!(opened.starts_with("HTTP/1.1 101"), "{opened}");
    let (_, told) = opened.split_once("{\"method\"").unwrap();
    let seen: Value = serde_json::from_str(&format!("{{\"method\"{told}")).unwrap();
    assert_eq!(said(&seen, "remote-email").as_deref(), Some(ORDINARY.0));
    assert!(said(&seen, "remote-user").unwrap() != "root");
    // A text of two letters, masked with zeros.
    socket.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    assert!(until(&mut socket, "hi").await.ends_with("\u{2}hi"));
    for (visitor, headers, status) in [
        (&site.nobody(), &own, "HTTP/1.1 401"),
        (&visitor, &handshake("https://elsewhere.example.com"), "HTTP/1.1 403"),
    ] {
        let mut socket = site.request(visitor, "GET /ws HTTP/1.1", headers).await;
        let refused = until(&mut socket, "\r\n\r\n").await;
        assert!(refused.starts_with(status), "{refused}");
    }

    let begun = Instant::now();
    let accept = "Accept: text/event-stream\n";
    let mut events = site.request(&visitor, "GET /events HTTP/1.1", accept).await;
    let first = until(&mut events, "data: 3\n").await;
    let took = begun.elapsed();
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    assert!(took > Duration::from_millis(250) && took < Duration::from_secs(3), "{took:?}");
}

async fn a_gibibyte_goes_up_in_flat_memory(kind: Kind) {
    // threat-model D3
    const SIZE: u64 = 1 << 30;
    let site = Site::behind(kind).await;
    let visitor = site.signed_in(ORDINARY).await;
    let before = site.edge.process.peak_memory();
    let length = format!("Content-Length: {SIZE}\n");
    let mut stream = site.request(&visitor, "POST /upload HTTP/1.1", &length).await;
    let piece = vec![7; 1 << 20];
    for _ in 0..SIZE >> 20 {
        stream.write_all(&piece).await.unwrap();
    }
    let answer = until(&mut stream, "}").await;
    assert!(answer.contains(&format!("\"bytes\": {SIZE}")), "{answer}");
    let grown = site.edge.process.peak_memory().saturating_sub(before);
    assert!(grown < 48 << 20, "it took {grown} bytes more");
    an_upload_is_not_collected_first(&site, SIZE).await;
}

/// Of a length that is not known before.
async fn an_upload_is_not_collected_first(site: &Site, before: u64) {
    let mut visitor = site.signed_in(ORDINARY).await;
    let mut stream = site.request(&visitor, "POST /upload HTTP/1.1", "Transfer-Encoding: chunked\n").await;
    stream.write_all(b"3\r\nabc\r\n").await.unwrap();
    let mut there = 0;
    for _ in 0..50 {
        there = visitor.fetch(APP, "/uploaded").await.json()["bytes"].as_u64().unwrap();
        if there == before + 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(there, before + 3, "the first part is there before the last is sent");
    stream.write_all(b"2\r\nde\r\n0\r\n\r\n").await.unwrap();
    let answer = until(&mut stream, "}").await;
    assert!(answer.contains("\"bytes\": 5"), "{answer}");
}

/// What comes, up to this.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let whole = async {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&read).contains(end) {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "it broke off: {}", String::from_utf8_lossy(&read));
            read.extend(&buffer[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), whole).await.expect("it comes in time");
    String::from_utf8_lossy(&read).into_owned()
}
