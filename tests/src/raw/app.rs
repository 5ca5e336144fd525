//! An app that keeps each request as it came, and says in its answer which one it took it for.
//!
//! Why: a request that was smuggled in is one that nobody sent; it shows here as one too many, as a half, or as an answer
//! that somebody else gets.

use std::{
    fmt,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::sha::sha1;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{
    Lines, fold, text_of, values,
    wire::{Length, Wire},
};

/// A request as it came.
#[derive(Clone)]
pub struct Seen {
    /// The number of its connection.
    pub connection: usize,
    /// Its first line.
    pub first: String,
    /// Its headers, in order.
    pub headers: Lines,
    /// Its body, without the framing.
    pub body: Vec<u8>,
    /// What came after the body.
    pub trailers: Lines,
    /// Whether the body came to its end.
    pub whole: bool,
}

impl Seen {
    /// What was asked for.
    ///
    /// # Panics
    /// If the first line has none.
    pub fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap()
    }

    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// All values of headers and trailers that some server takes for `name`.
    pub fn folded(&self, name: &str) -> Vec<&str> {
        let all = self.headers.iter().chain(&self.trailers);
        all.filter(|(known, _)| fold(known) == fold(name)).map(|(_, value)| value.as_str()).collect()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, first, headers, body, trailers, whole } = self;
        let whole = if *whole { "whole" } else { "in part" };
        write!(f, "[{connection}] {first} {headers:?} {:?} {trailers:?} {whole}", text_of(body))
    }
}

/// What the app answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with the request's first line as body; a handshake gets a socket that sends back what it is sent.
    Usual,
    /// Exactly these bytes.
    Bytes(String),
    /// Exactly these bytes, and then the end of the connection.
    BytesAndEnd(String),
    /// A socket, after this time.
    LateSocket(Duration),
}

#[derive(Debug)]
struct Record {
    seen: Vec<Seen>,
    connections: usize,
    /// What came between a handshake and its answer.
    early: Vec<u8>,
    /// What came on sockets.
    sockets: Vec<u8>,
    /// Heads that did not end.
    broken: Vec<String>,
    reply: Reply,
}

/// The app, running; it ends when this is dropped.
#[derive(Debug)]
pub struct RawApp {
    /// Where it listens on this machine.
    pub port: u16,
    record: Arc<Mutex<Record>>,
    task: JoinHandle<()>,
}

impl RawApp {
    /// Starts it.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let record = Arc::new(Mutex::new(Record {
            seen: Vec::new(),
            connections: 0,
            early: Vec::new(),
            sockets: Vec::new(),
            broken: Vec::new(),
            reply: Reply::Usual,
        }));
        let task = tokio::spawn(accept(listener, Arc::clone(&record)));
        Self { port, record, task }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it answers from now on.
    ///
    /// # Panics
    /// Never.
    pub fn answers(&self, reply: Reply) {
        self.record.lock().unwrap().reply = reply;
    }

    /// The requests since the last call.
    ///
    /// # Panics
    /// If something came that is none.
    pub fn take(&self) -> Vec<Seen> {
        let mut record = self.record.lock().unwrap();
        assert!(record.broken.is_empty(), "no requests: {:?}", record.broken);
        std::mem::take(&mut record.seen)
    }

    /// How many connections there were.
    ///
    /// # Panics
    /// Never.
    pub fn connections(&self) -> usize {
        self.record.lock().unwrap().connections
    }

    /// What came between a handshake and its answer, and what came on sockets after it.
    ///
    /// # Panics
    /// Never.
    pub fn sockets(&self) -> (Vec<u8>, Vec<u8>) {
        let record = self.record.lock().unwrap();
        (record.early.clone(), record.sockets.clone())
    }
}

impl Drop for RawApp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, record: Arc<Mutex<Record>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut record = record.lock().unwrap();
            record.connections += 1;
            record.connections
        };
        let wire = Wire { stream, buffer: Vec::new() };
        connections.spawn(serve(wire, number, Arc::clone(&record)));
    }
}

async fn serve(mut wire: Wire, connection: usize, record: Arc<Mutex<Record>>) {
    loop {
        let Some((first, headers)) = wire.head().await else {
            if !wire.buffer.is_empty() {
                record.lock().unwrap().broken.push(text_of(&wire.buffer));
            }
            return;
        };
        let key = values(&headers, "sec-websocket-key").first().map(|key| (*key).to_owned());
        let key = key.filter(|_| !values(&headers, "upgrade").is_empty());
        let length = Length::of(&headers).unwrap_or(Length::Bytes(0));
        let (body, trailers, whole) = wire.body(length).await;
        let usual = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{first}", first.len());
        let reply = {
            let mut record = record.lock().unwrap();
            record.seen.push(Seen { connection, first, headers, body, trailers, whole });
            record.reply.clone()
        };
        if !whole {
            return;
        }
        let text = match (reply, key) {
            (Reply::LateSocket(span), Some(key)) => return socket(wire, &key, span, &record).await,
            (Reply::Usual, Some(key)) => return socket(wire, &key, Duration::ZERO, &record).await,
            (Reply::Usual | Reply::LateSocket(_), None) => usual,
            (Reply::Bytes(text), _) => text,
            (Reply::BytesAndEnd(text), _) => {
                let _ = wire.stream.write_all(text.as_bytes()).await;
                return;
            }
        };
        if wire.stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// RFC 6455 section 4.2.2.
fn accept_of(key: &str) -> String {
    STANDARD.encode(sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()))
}

async fn socket(mut wire: Wire, key: &str, after: Duration, record: &Mutex<Record>) {
    let _ = tokio::time::timeout(after, async { while wire.more().await {} }).await;
    record.lock().unwrap().early.append(&mut wire.buffer);
    let accept = accept_of(key);
    let switched = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let _ = wire.stream.write_all(switched.as_bytes()).await;
    while wire.more().await {
        let bytes = std::mem::take(&mut wire.buffer);
        record.lock().unwrap().sockets.extend(&bytes);
        if wire.stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
