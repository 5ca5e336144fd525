//! A client that sends bytes as they are, and an app that keeps requests as they came.
//!
//! Why: client libraries repair what an attacker would send, and servers hide what a proxy sent on. Whether two sides
//! read one stream of bytes alike is seen only where nobody reads it for us.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{io::AsyncWriteExt as _, net::TcpSocket};

pub mod app;
pub mod http2;
mod wire;

pub use app::{RawApp, Reply, Seen};
use wire::{Length, Wire};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Header lines: names and values, as they are or were on the wire.
pub type Lines = Vec<(String, String)>;

/// The bytes of a text whose characters stand for one byte each.
///
/// # Panics
/// If one is beyond 255.
pub fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).unwrap()).collect()
}

/// The text whose characters stand for these bytes.
pub fn text_of(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The head of a request, the blank line included.
pub fn head<'l>(first: &str, lines: impl IntoIterator<Item = (&'l str, &'l str)>) -> String {
    let lines = lines.into_iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.fold(format!("{first}\r\n"), |head, line| head + line.as_str()) + "\r\n"
}

/// What some server makes of a header's name: small letters, and `_` for all but letters and digits.
pub fn fold(name: &str) -> String {
    name.chars()
        .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' })
        .collect()
}

/// What came back.
#[derive(Clone)]
pub struct RawAnswer {
    /// Status.
    pub status: u16,
    /// Headers, and after them the trailers.
    pub headers: Lines,
    /// Body, without its framing.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        values(&self.headers, name)
    }

    /// Body as text.
    pub fn text(&self) -> String {
        text_of(&self.body)
    }
}

impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?}", self.status, self.headers, self.text())
    }
}

/// All values of a header, by its name in any case.
pub fn values<'l>(lines: &'l Lines, name: &str) -> Vec<&'l str> {
    let named = lines.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str()).collect()
}

/// What comes next on a connection.
#[derive(Clone, Debug)]
pub enum Next {
    /// An answer.
    Answer(RawAnswer),
    /// Its end.
    End,
    /// Nothing, for the time given.
    Silence,
}

/// A connection, on which bytes are sent as they are.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
}

impl Connection {
    /// To `port` of this machine, from an address of this machine.
    ///
    /// # Panics
    /// If there can be none.
    pub async fn open(port: u16, from: Ipv4Addr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { wire: Wire { stream, buffer: Vec::new() } }
    }

    /// Sends these bytes; the other side may not want them any more.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.wire.stream.write_all(bytes.as_ref()).await;
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = self.wire.stream.shutdown().await;
    }

    /// The next answer that is not an interim one; nothing if the connection ends before its head does.
    ///
    /// # Panics
    /// If it does not come in time, or is none.
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        let answered = tokio::time::timeout(PATIENCE, self.next_answer()).await;
        answered.unwrap_or_else(|_| panic!("no answer, but {:?}", text_of(&self.wire.buffer)))
    }

    /// What comes within this time.
    pub async fn next(&mut self, span: Duration) -> Next {
        match tokio::time::timeout(span, self.next_answer()).await {
            Ok(Some(answer)) => Next::Answer(answer),
            Ok(None) => Next::End,
            Err(_) => Next::Silence,
        }
    }

    async fn next_answer(&mut self) -> Option<RawAnswer> {
        loop {
            let (first, headers) = self.wire.head().await?;
            let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.unwrap_or_else(|| panic!("no status: {first:?}"));
            let mut answer = RawAnswer { status, headers, body: Vec::new() };
            match status {
                100 | 102..200 => continue,
                101 | 204 | 304 => {}
                _ => {
                    let length = Length::of(&answer.headers).unwrap_or(Length::ToTheEnd);
                    let (body, trailers, _) = self.wire.body(length).await;
                    answer.body = body;
                    answer.headers.extend(trailers);
                }
            }
            return Some(answer);
        }
    }

    /// Whether the other side ends the connection within two seconds, without another word.
    pub async fn is_closed(&mut self) -> bool {
        self.is_closed_within(Duration::from_secs(2)).await
    }

    /// Whether the other side ends the connection in this time, without another word.
    pub async fn is_closed_within(&mut self, span: Duration) -> bool {
        let more = tokio::time::timeout(span, self.wire.more()).await;
        more.is_ok_and(|more| !more) && self.wire.buffer.is_empty()
    }

    /// As many bytes of what comes, or what came before the end.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let _ = tokio::time::timeout(PATIENCE, async {
            while self.wire.buffer.len() < count && self.wire.more().await {}
        })
        .await;
        self.wire.take(count)
    }
}

/// Sends bytes on a connection of their own.
pub async fn exchange(port: u16, from: Ipv4Addr, bytes: impl AsRef<[u8]>) -> (Option<RawAnswer>, Connection) {
    let mut connection = Connection::open(port, from).await;
    connection.send(bytes).await;
    (connection.answer().await, connection)
}
