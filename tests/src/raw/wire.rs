//! Bytes of a connection, parted into heads, bodies and trailers.
//!
//! Why: both ends read alike, and neither forgives anything: what cannot be read is seen as such.

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{Lines, text_of, values};

/// How a body ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Bytes(usize),
    Chunks,
    ToTheEnd,
}

impl Length {
    /// As these headers say, if they do.
    pub(super) fn of(headers: &Lines) -> Option<Self> {
        if values(headers, "transfer-encoding").iter().any(|value| value.contains("chunked")) {
            return Some(Self::Chunks);
        }
        values(headers, "content-length").first().and_then(|length| length.parse().ok()).map(Self::Bytes)
    }
}

/// One side of a connection, with what was read of it and not looked at yet.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) buffer: Vec<u8>,
}

impl Wire {
    /// Waits for more; whether there was.
    pub(super) async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0)
    }

    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        self.buffer.drain(..count.min(self.buffer.len())).collect()
    }

    /// Everything up to `end`, without it.
    pub(super) async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let text = text_of(&self.take(at));
                self.take(end.len());
                return Some(text);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub(super) async fn head(&mut self) -> Option<(String, Lines)> {
        let head = self.until(b"\r\n\r\n").await?;
        let (first, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
        Some((first.to_owned(), lines_of(lines)))
    }

    /// A body, its trailers, and whether it came to its end.
    pub(super) async fn body(&mut self, length: Length) -> (Vec<u8>, Lines, bool) {
        match length {
            Length::ToTheEnd => {
                while self.more().await {}
                (std::mem::take(&mut self.buffer), Lines::new(), true)
            }
            Length::Bytes(length) => {
                while self.buffer.len() < length && self.more().await {}
                let whole = self.buffer.len() >= length;
                (self.take(length), Lines::new(), whole)
            }
            Length::Chunks => self.chunks().await,
        }
    }

    async fn chunks(&mut self) -> (Vec<u8>, Lines, bool) {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.until(b"\r\n").await else { return (body, Lines::new(), false) };
            let Ok(size) = usize::from_str_radix(&line, 16) else { return (body, Lines::new(), false) };
            if size == 0 {
                return self
                    .trailers()
                    .await
                    .map_or((body.clone(), Lines::new(), false), |trailers| (body, trailers, true));
            }
            while self.buffer.len() < size + 2 && self.more().await {}
            let whole = self.buffer.len() >= size + 2;
            body.extend(self.take(size));
            self.take(2);
            if !whole {
                return (body, Lines::new(), false);
            }
        }
    }

    async fn trailers(&mut self) -> Option<Lines> {
        let mut trailers = Lines::new();
        loop {
            let line = self.until(b"\r\n").await?;
            if line.is_empty() {
                return Some(trailers);
            }
            trailers.extend(lines_of(&line));
        }
    }
}

fn lines_of(text: &str) -> Lines {
    let lines = text.split("\r\n").filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
        })
        .collect()
}
