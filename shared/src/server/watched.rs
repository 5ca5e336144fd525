//! A connection as its bytes come and go, with an end for clients that say nothing and for those that do not read.
//!
//! Why: either would hold a place for ever (threat-model D1). The HTTP library's limit for a request's head begins when it
//! knows which HTTP is spoken, and it waits for the bytes that tell without one.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::framing::{Doubt, Reader};

/// A client that reads nothing for so long reads no more.
const UNREAD: Duration = Duration::from_mins(1);

/// A connection whose requests are looked at as they come in.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    reader: Reader,
    /// Rings for a client that has not said what it wants.
    silent: Option<Pin<Box<Sleep>>>,
    /// Rings for a client that does not read.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// The first request's head, or the preface of HTTP/2, must be there within `patience`. What is found is said to
    /// `doubt`.
    pub(super) fn new(stream: S, doubt: Doubt, patience: Duration) -> Self {
        let silent = Some(Box::pin(tokio::time::sleep(patience)));
        Self { stream, reader: Reader::new(doubt), silent, stuck: None }
    }

    /// Whether the time to say something is over.
    fn is_too_late(&mut self, context: &mut Context<'_>) -> bool {
        self.silent.as_mut().is_some_and(|silent| silent.as_mut().poll(context).is_ready())
    }

    /// What became of a write; one that nobody reads fails after a while, and with it the connection.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(UNREAD)));
        if stuck.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_too_late(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() {
            self.reader.see(buffer.filled().get(before..).unwrap_or_default());
            if self.reader.has_opened() {
                self.silent = None;
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        // threat-model D1
        let (_client, server) = tokio::io::duplex(16);
        let mut watched = Watched::new(server, Doubt::default(), PATIENCE);
        let begun = tokio::time::Instant::now();
        let error = watched.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, UNREAD));
    }

    /// When a client that says this, and no more, is given up.
    async fn given_up(said: &str) -> Option<Duration> {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(said.as_bytes()).await.unwrap();
        let mut watched = Watched::new(server, Doubt::default(), PATIENCE);
        let begun = tokio::time::Instant::now();
        let mut taken = Vec::new();
        let read = tokio::time::timeout(Duration::from_hours(1), watched.read_to_end(&mut taken)).await;
        assert_eq!(taken, said.as_bytes());
        read.ok().map(|read| {
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
            begun.elapsed()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_of_something_is_given_up() {
        // threat-model D1
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for whole in [preface, head] {
            assert_eq!(given_up(whole).await, None, "{whole}");
            for length in 0..whole.len() {
                assert_eq!(
                    given_up(whole.get(..length).unwrap()).await,
                    Some(PATIENCE),
                    "{length} of {whole}"
                );
            }
        }
        // From there on others have the time: for a body, and for the next request.
        let body = "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na";
        for later in [body, &format!("{head}GET"), &format!("{preface}\0")] {
            assert_eq!(given_up(later).await, None, "{later}");
        }
    }
}
