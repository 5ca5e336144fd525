//! A body of ten megabytes: the answer comes before it is sent.

use std::time::Duration;

use hallpass_tests::Answer;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    case::{Case, Wire},
    scene::{AUTH, Scene, Seen},
};

/// Twice: with the length said beforehand, and without.
pub(super) async fn attempt(case: &Case, scene: &mut Scene) -> Seen {
    let token = scene.visitor.csrf_token(AUTH).await;
    let wire = case.wires(scene.style, scene.world.port, Some(&token)).remove(0);
    scene.backend.take_received();
    scene.log.take();
    let started = Instant::now();
    let length = format!("Content-Length: {}", wire.body.len());
    let (first_kib, _) = wire.body.split_at(1024);
    let announced = exchange(scene, &wire, &length, first_kib).await;
    let (over_the_limit, _) = wire.body.split_at(17 * 1024);
    let chunk = format!("{:x}\r\n{over_the_limit}\r\n", over_the_limit.len());
    let unannounced = exchange(scene, &wire, "Transfer-Encoding: chunked", &chunk).await;
    Seen {
        answers: vec![announced, unannounced],
        received: scene.backend.take_received(),
        longest: started.elapsed(),
    }
}

/// Sends this much, and hears the answer while the rest is still to come.
async fn exchange(scene: &Scene, wire: &Wire, framing: &str, body: &str) -> Answer {
    let cookies: Vec<String> =
        scene.visitor.jar.iter().map(|((name, _), value)| format!("{name}={value}")).collect();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {AUTH}:{}\r\nCookie: {}\r\n{framing}\r\n",
        wire.method,
        wire.target,
        scene.world.port,
        cookies.join("; ")
    );
    for (name, value) in &wire.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(scene.world.address()).await.unwrap();
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let answer = timeout(Duration::from_secs(5), answer(&mut stream)).await;
    answer.expect("an answer before the body's end")
}

async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let answer = read(head, body);
            let length: usize = answer.headers["content-length"].to_str().unwrap().parse().unwrap();
            if answer.body.len() == length {
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
    Answer { status: status.parse::<StatusCode>().unwrap(), headers, body: body.to_owned() }
}
