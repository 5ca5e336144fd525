//! Requests byte for byte: client libraries repair too much.

use std::{net::SocketAddr, time::Duration};

use hallpass_tests::Answer;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Sends these bytes, and hears the answer, whether or not the request was complete.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    timeout(Duration::from_secs(30), answer(&mut stream)).await.expect("an answer within half a minute")
}

async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let answer = read(head, body);
            let length = answer.headers.get("content-length").map_or("0", |length| length.to_str().unwrap());
            if answer.body.len() == length.parse::<usize>().unwrap() {
                return answer;
            }
        }
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "it ended early: {text}");
        bytes.extend_from_slice(&piece[..read]);
    }
}

fn read(head: &str, body: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = lines.map(header).collect();
    Answer { status: status.parse().unwrap(), headers, body: body.to_owned(), whole: true }
}
