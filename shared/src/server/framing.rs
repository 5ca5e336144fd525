//! A connection's bytes as they come in: requests whose body has two lengths, noticed before the HTTP library has chosen
//! one of them.
//!
//! Why: a request with both `Transfer-Encoding` and `Content-Length` is what smuggling is made of, and is refused
//! (threat-model H12). hyper reads it by the former, as RFC 9112 section 6.1 allows, and takes the latter away: no layer
//! can see it any more. So the bytes are looked at on their way in. Nothing else is decided here: should the two readings of
//! the bytes ever part, hyper's counts, and a request is refused that could have passed, or read as hyper does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Longer than any line that counts here.
const LINE: usize = 128;
/// What follows the first line of HTTP/2's preface (RFC 9113 section 3.4).
const PREFACE_LEFT: u64 = "\r\nSM\r\n\r\n".len() as u64;

/// Whether a request of this connection had two lengths; shared with the connection's requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where in HTTP/1 the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    /// So many bytes more.
    Body(u64),
    /// The line with a chunk's size.
    Size,
    /// So many bytes more, the line's end included.
    Chunk(u64),
    Trailers,
    /// So many bytes more of what opens a connection of HTTP/2.
    Preface(u64),
    /// HTTP/2, or nothing that matters any more.
    Elsewhere,
}

/// Follows the requests of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    at: At,
    /// Whether a first request's head, or HTTP/2's preface, is there as a whole.
    opened: bool,
    /// The line so far, as much of it as counts.
    line: Vec<u8>,
    /// Whether the head has a first line.
    begun: bool,
    coding: bool,
    length: Option<u64>,
    doubt: Doubt,
}

impl Reader {
    /// What is found is said to `doubt`.
    pub(super) fn new(doubt: Doubt) -> Self {
        let at = At::Head;
        Self { at, opened: false, line: Vec::new(), begun: false, coding: false, length: None, doubt }
    }

    /// Whether somebody has said what is wanted: a request's whole head, or the preface of HTTP/2.
    pub(super) fn has_opened(&self) -> bool {
        self.opened
    }

    /// Goes on with what came.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let step = match self.at {
                At::Elsewhere => return,
                At::Body(left) | At::Chunk(left) | At::Preface(left) => self.pass(left, bytes.len()),
                At::Head | At::Size | At::Trailers => self.collect(bytes),
            };
            bytes = bytes.get(step..).unwrap_or_default();
        }
    }

    /// Passes over what has a length; how much of it.
    fn pass(&mut self, left: u64, there: usize) -> usize {
        let step = usize::try_from(left).map_or(there, |left| left.min(there));
        let left = left - step as u64;
        self.at = match (self.at, left) {
            (At::Chunk(_), 0) => At::Size,
            (At::Chunk(_), left) => At::Chunk(left),
            (At::Preface(_), 0) => {
                self.opened = true;
                At::Elsewhere
            }
            (At::Preface(_), left) => At::Preface(left),
            (_, 0) => At::Head,
            (_, left) => At::Body(left),
        };
        step
    }

    /// Adds to the line; how much of what is there.
    fn collect(&mut self, bytes: &[u8]) -> usize {
        let end = memchr::memchr(b'\n', bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LINE.saturating_sub(self.line.len());
        self.line.extend(part.iter().take(room));
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.line_ended(line.trim_ascii_end());
        }
        end.map_or(bytes.len(), |end| end + 1)
    }

    fn line_ended(&mut self, line: &[u8]) {
        match self.at {
            At::Head if line.is_empty() && self.begun => self.head_ended(),
            At::Head if line.is_empty() => {}
            At::Head if !self.begun => {
                self.begun = true;
                if line.starts_with(b"PRI * HTTP/2") {
                    self.at = At::Preface(PREFACE_LEFT);
                }
            }
            At::Head => self.header(line),
            At::Size => {
                let digits = line.iter().map_while(|byte| char::from(*byte).to_digit(16));
                let size =
                    digits.fold(0_u64, |size, digit| size.saturating_mul(16).saturating_add(digit.into()));
                self.at = if size == 0 { At::Trailers } else { At::Chunk(size.saturating_add(2)) };
            }
            At::Trailers if line.is_empty() => self.at = At::Head,
            At::Trailers | At::Body(_) | At::Chunk(_) | At::Preface(_) | At::Elsewhere => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coding = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = parts.next().and_then(|value| std::str::from_utf8(value).ok());
            self.length = Some(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0));
        }
    }

    fn head_ended(&mut self) {
        self.opened = true;
        self.at = match (self.coding, self.length) {
            (true, Some(_)) => {
                self.doubt.0.store(true, Ordering::Relaxed);
                // The connection ends with this request.
                At::Elsewhere
            }
            (true, None) => At::Size,
            (false, None | Some(0)) => At::Head,
            (false, Some(length)) => At::Body(length),
        };
        (self.begun, self.coding, self.length) = (false, false, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is a doubt, however the bytes are cut.
    fn doubtful(text: &str) -> bool {
        let bytes = text.replace('|', "\r\n").into_bytes();
        let found = [1, 2, 7, bytes.len()].map(|size| {
            let doubt = Doubt::default();
            let mut reader = Reader::new(doubt.clone());
            bytes.chunks(size).for_each(|part| reader.see(part));
            doubt.is_there()
        });
        assert!(found.iter().all(|one| *one == found[0]), "{text}: {found:?}");
        found[0]
    }

    #[test]
    fn two_lengths_are_noticed_and_nothing_else_is() {
        // threat-model H12
        let good = "GET / HTTP/1.1|Host: a||POST / HTTP/1.1|Content-Length: 3||abcPOST / HTTP/1.1|Transfer-Encoding: chunked||3;x|abc|0|X: y||";
        for bad in [
            "POST / HTTP/1.1|Content-Length: 3|Transfer-Encoding: chunked||",
            "POST / HTTP/1.1|transfer-encoding: chunked|CONTENT-LENGTH: 3||",
            "POST / HTTP/1.1|Content-Length : x|Transfer-Encoding:chunked||",
            "|POST / HTTP/1.1\nContent-Length: 3\nTransfer-Encoding: chunked\n\n",
        ] {
            assert!(doubtful(bad) && doubtful(&format!("{good}{bad}")), "{bad}");
        }
        let text = "POST / HTTP/1.1|Content-Length: 3|Transfer-Encoding: chunked||";
        let size = text.replace('|', "\r\n").len();
        for fine in [
            good.to_owned(),
            format!("POST / HTTP/1.1|Content-Length: {size}||{text}{good}"),
            format!("POST / HTTP/1.1|Transfer-Encoding: chunked||{size:x}|{text}|0||{good}"),
            format!("PRI * HTTP/2.0||SM||{text}"),
            "POST / HTTP/1.1|Transfer-Encoding: chunked||0|Content-Length: 3||".to_owned(),
            "POST / HTTP/1.1|Content-Length: 0||POST / HTTP/1.1|Transfer-Encoding: chunked||0||".to_owned(),
            "POST / HTTP/1.1|Content-Lengths: 3|Transfer-Encoding: chunked||0||".to_owned(),
        ] {
            assert!(!doubtful(&fine), "{fine}");
        }
    }
}
