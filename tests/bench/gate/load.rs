//! Requests as fast as they are answered, by wrk; and at a steady pace, by ourselves.

use std::{process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// One server, and what it is asked.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<String>,
}

impl Load {
    /// Requests a second.
    pub(crate) fn run(&self) -> f64 {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "-c64", "-d3s"]);
        for header in &self.headers {
            wrk.args(["-H", header]);
        }
        let output = wrk.arg(format!("http://127.0.0.1:{}{}", self.port, self.path)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("Non-2xx"), "{}: {said}", self.name);
        let line = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        line.unwrap_or_default().trim().parse().unwrap()
    }
}

/// Middle and late times of a request in milliseconds, at a steady pace for two seconds.
pub(crate) async fn paced(port: u16, headers: &str, each: Duration) -> (f64, f64) {
    let request = format!("GET /page HTTP/1.1\r\n{headers}\r\n");
    let connections: Vec<_> = (0..16)
        .map(|number| {
            let request = request.clone();
            tokio::spawn(async move {
                tokio::time::sleep(each * number / 16).await;
                one(port, &request, each).await
            })
        })
        .collect();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.await.unwrap());
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn one(port: u16, request: &str, each: Duration) -> Vec<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut ticks = tokio::time::interval(each);
    let mut times = Vec::new();
    for _ in 0..500 {
        ticks.tick().await;
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await;
        times.push(sent.elapsed().as_secs_f64() * 1000.0);
    }
    times
}

/// Reads one answer with a length.
pub(crate) async fn answer(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "it broke off: {}", String::from_utf8_lossy(&seen));
        seen.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return head.to_owned();
        }
    }
}
