//! Slow clients and slow apps: each phase has its limit, and says whose fault it was.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::Instant};

use super::{Site, before_aiohttp, head, rest};

const SHORT: &str = "[satellite.proxy]\nconnect_timeout = \"1s\"\nbody_timeout = \"1s\"\nresponse_timeout = \"1s\"\nidle_timeout = \"2s\"\ntunnel_timeout = \"2s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_away_or_hangs_is_told_from_a_client_that_does() {
    // threat-model D1
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let settings = format!(
        "[[satellite.upstreams]]\npath = \"/silent\"\nurl = \"http://{}\"\n{SHORT}",
        silent.local_addr().unwrap()
    );
    let site = Site::before("http://127.0.0.1:9", &settings).await;
    let visitor = site.signed_in().await;
    let mut away = site.request(&visitor, "GET /x HTTP/1.1\nAccept: text/html").await;
    let answered = head(&mut away).await;
    assert!(answered.starts_with("HTTP/1.1 502"), "{answered}");
    let begun = Instant::now();
    let mut hangs = site.request(&visitor, "GET /silent/x HTTP/1.1\nConnection: close").await;
    let answered = head(&mut hangs).await;
    assert!(answered.starts_with("HTTP/1.1 504") && begun.elapsed() < Duration::from_secs(4), "{answered}");
    let body = rest(&mut hangs).await;
    assert!(body.contains("UpstreamUnavailable"), "{body}");
    let mut slow = site.request(&visitor, "POST /silent/x HTTP/1.1\nContent-Length: 10").await;
    slow.write_all(b"12345").await.unwrap();
    let answered = head(&mut slow).await;
    assert!(answered.starts_with("HTTP/1.1 408"), "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_is_no_slow_answer() {
    // threat-model D1: the limit is on pauses, not on the whole.
    let (site, _app) = before_aiohttp(SHORT).await;
    let visitor = site.signed_in().await;
    let mut stream = site.request(&visitor, "POST /upload HTTP/1.1\nContent-Length: 10").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        stream.write_all(b"x").await.unwrap();
    }
    let answered = head(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_says_nothing_is_closed_in_good_manners() {
    let (site, _app) = before_aiohttp(SHORT).await;
    let visitor = site.signed_in().await;
    let handshake = format!(
        "GET /ws HTTP/1.1\nOrigin: {}\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        site.url("")
    );
    let mut socket = site.request(&visitor, &handshake).await;
    let answered = head(&mut socket).await;
    assert!(answered.starts_with("HTTP/1.1 101"), "{answered}");
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut bytes).await;
    assert!(bytes.ends_with(&[0x88, 2, 0x03, 0xe9]), "a close frame with code 1001 ends it: {bytes:?}");
    assert!(begun.elapsed() > Duration::from_millis(1500) && begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_app_has_ended_is_no_failure() {
    // An app that answers one request on each connection, and ends it when the next one comes.
    let app = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", app.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = app.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
            });
        }
    });
    let site = Site::before(&url, "").await;
    let visitor = site.signed_in().await;
    for _ in 0..5 {
        let mut asked = site.request(&visitor, "GET /x HTTP/1.1\nConnection: close").await;
        let answered = head(&mut asked).await;
        assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    }
}
