//! What a satellite takes when it has nothing to do: to start, and for connections that are only open.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};

use super::{APP, HOST, PROXY, Running, listens, load::answer, start};
use crate::{
    numbers::{Number, Part, median},
    say,
};

const CONNECTIONS: usize = 10_000;
const SOCKETS: usize = 1_000;
const PART: Part = Part("A satellite with nothing to do");

/// Memory of a process in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub(crate) async fn starts(arguments: &[String]) -> Vec<Number> {
    let mut starts = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let satellite = Running(vec![start("satellite", arguments)]);
        listens(PROXY).await;
        starts.push(begun.elapsed().as_secs_f64() * 1000.0);
        drop(satellite);
    }
    let number = PART.lower("from the start to the first connection", "ms", &starts).aim(30.0);
    say(&format!("\nFrom the start to the first connection: {:.0} ms, aim 30", median(starts)));
    vec![number]
}

pub(crate) async fn memory(arguments: &[String], session: &str) -> Vec<Number> {
    let app = tokio::spawn(sockets_app());
    let satellite = Running(vec![start("satellite", arguments)]);
    let process = satellite.0[0].id();
    listens(PROXY).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = resident(process);
    say(&format!("An idle process: {:.1} MiB, aim 16", as_float(idle) / 1024.0));
    let ask =
        format!("GET /page HTTP/1.1\r\nHost: {HOST}\r\nCookie: next-auth.session-token={session}\r\n\r\n");
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(("127.0.0.1", PROXY)).await.unwrap();
        stream.write_all(ask.as_bytes()).await.unwrap();
        answer(&mut stream).await;
        open.push(stream);
    }
    let used = resident(process).saturating_sub(idle);
    say(&format!(
        "{CONNECTIONS} idle connections, each used once: {:.1} KiB each, aim 32",
        as_float(used) / as_float(CONNECTIONS as u64)
    ));
    drop(open);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = resident(process);
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nOrigin: http://{HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: next-auth.session-token={session}\r\n\r\n"
    );
    let mut open = Vec::new();
    for _ in 0..SOCKETS {
        let mut stream = TcpStream::connect(("127.0.0.1", PROXY)).await.unwrap();
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let head = answer(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        open.push(stream);
    }
    let grown = resident(process).saturating_sub(before);
    say(&format!(
        "{SOCKETS} open WebSockets: {:.1} KiB each, beyond what is kept from before",
        as_float(grown) / as_float(SOCKETS as u64)
    ));
    app.abort();
    // Its port is free only then.
    let _ = app.await;
    vec![
        PART.lower("an idle process", "MiB", &[as_float(idle) / 1024.0]).aim(16.0),
        PART.lower(
            format!("each of {CONNECTIONS} idle connections"),
            "KiB",
            &[as_float(used) / as_float(CONNECTIONS as u64)],
        )
        .aim(32.0),
        PART.lower(
            format!("each of {SOCKETS} open WebSockets, beyond what is kept from before"),
            "KiB",
            &[as_float(grown) / as_float(SOCKETS as u64)],
        ),
    ]
}

/// Answers every request, and takes every socket.
async fn sockets_app() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", APP)).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = vec![0; 8192];
            loop {
                let read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await.unwrap_or(0);
                if read == 0 {
                    return;
                }
                let is_socket = buffer[..read].windows(9).any(|part| part.eq_ignore_ascii_case(b"websocket"));
                let answer: &[u8] = if is_socket {
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
                } else {
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                };
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a person")]
fn as_float(number: u64) -> f64 {
    number as f64
}
