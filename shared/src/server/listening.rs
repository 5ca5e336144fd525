//! Taking connections, and seeing each to its end.
//!
//! Why: slow clients and crowds are everybody's, and what is done about them must not depend on what is served
//! (threat-model D1, D2, D9).

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulConnection, GracefulShutdown},
    },
    service::TowerToHyperService,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};

use super::{MAX_HEADER_BYTES, framing::Doubt, watched::Watched};
use crate::client::Peer;

/// For a request's head; for the first one from the beginning of the connection.
const HEADER_TIME: Duration = Duration::from_secs(10);
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How many connections are taken.
#[derive(Clone, Debug)]
pub struct Limits {
    /// At a time.
    pub connections: usize,
    /// Proxies, which may have them all.
    pub trusted: Vec<IpNet>,
}

/// Serves `router` until `shutdown`, then finishes what is under way.
///
/// # Errors
/// Never while running; accepting goes on after a failed one.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let builder = builder();
    let places = Arc::new(Semaphore::new(limits.connections));
    let crowd = Arc::new(Crowd {
        most: (limits.connections / 4).max(16),
        trusted: limits.trusted,
        by: Mutex::default(),
    });
    let graceful = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.map_err(io::Error::other)?,
            () = &mut shutdown => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let Some(seat) = crowd.enter(peer.ip()) else { continue };
        let _ = stream.set_nodelay(true);
        let connection = graceful.watch(converse(&builder, stream, peer.ip(), router.clone()));
        tokio::spawn(async move {
            let _held = (place, seat);
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await;
    Ok(())
}

/// How HTTP is spoken.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(2 * MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(2 * u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(128)
        .max_pending_accept_reset_streams(32)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Answers a connection's requests, to its end.
fn converse<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    peer: IpAddr,
    router: Router,
) -> impl GracefulConnection<Error: fmt::Debug> + Send + use<S> {
    let doubt = Doubt::default();
    let service = tower::ServiceBuilder::new()
        .layer(axum::Extension(Peer(peer)))
        .layer(axum::Extension(doubt.clone()))
        .service(router);
    let stream = TokioIo::new(Watched::new(stream, doubt, HEADER_TIME));
    builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(service)).into_owned()
}

/// Connections by address, so that one cannot take all places (threat-model D1).
#[derive(Debug)]
struct Crowd {
    most: usize,
    trusted: Vec<IpNet>,
    by: Mutex<HashMap<IpAddr, usize>>,
}

impl Crowd {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let source = crate::client::source(address);
        if !self.trusted.iter().any(|net| net.contains(&address.to_canonical())) {
            let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by.entry(source).or_default();
            if *count >= self.most && !source.is_loopback() {
                return None;
            }
            *count += 1;
        }
        Some(Seat { crowd: Arc::clone(self), source })
    }
}

struct Seat {
    crowd: Arc<Crowd>,
    source: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut by = self.crowd.by.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                by.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        time::Instant,
    };

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn connect() -> DuplexStream {
        let (client, server) = tokio::io::duplex(4096);
        let router = Router::new().route("/", axum::routing::get(async || "well"));
        let connection = converse(&builder(), server, IpAddr::from([127, 0, 0, 1]), router);
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    /// Reads until the connection ends.
    async fn to_end(mut client: DuplexStream) -> String {
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        String::from_utf8_lossy(&read).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed_and_so_is_one_that_says_too_little() {
        // threat-model D1
        for said in ["", "P", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nHos", "GET / HTTP/1.1\r\n"] {
            let (mut client, begun) = (connect(), Instant::now());
            client.write_all(said.as_bytes()).await.unwrap();
            assert_eq!(to_end(client).await, "", "{said:?}");
            assert_eq!(begun.elapsed(), HEADER_TIME, "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_in_drops_is_closed_in_the_same_time() {
        // threat-model D1
        let (mut client, begun) = (connect(), Instant::now());
        for byte in REQUEST {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(begun.elapsed() <= HEADER_TIME + Duration::from_secs(1), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_may_pause_between_requests() {
        let mut client = connect();
        for _ in 0..5 {
            tokio::time::sleep(HEADER_TIME * 9 / 10).await;
            client.write_all(REQUEST).await.unwrap();
        }
        let begun = Instant::now();
        assert_eq!(to_end(client).await.matches("HTTP/1.1 200").count(), 5);
        assert_eq!(begun.elapsed(), HEADER_TIME, "and is closed when nothing comes any more");
    }

    #[tokio::test(start_paused = true)]
    async fn every_listener_closes_who_says_nothing() {
        // threat-model D1
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { connections: 64, trusted: Vec::new() };
        tokio::spawn(serve(listener, Router::new(), limits, std::future::pending()));
        let begun = Instant::now();
        for said in ["", "P"] {
            let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            // An end, or a reset.
            assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
        }
        assert!(begun.elapsed() >= HEADER_TIME);
    }
}
