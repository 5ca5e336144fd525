//! A body of ten megabytes: the answer comes before it is sent.

use std::fmt::Write as _;

use hallpass_tests::Answer;
use tokio::time::Instant;

use super::{
    case::{Case, Wire},
    scene::{AUTH, Scene, Seen},
};
use crate::endpoints::wire;

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
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    wire::exchange(scene.world.address(), format!("{head}\r\n{body}").as_bytes()).await
}
