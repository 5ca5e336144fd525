//! Taking connections, and seeing each to its end.
//!
//! Why: slow clients and crowds are everybody's, and what is done about them must not depend on what is served
//! (threat-model D1, D2, D9).

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use ipnet::IpNet;
use tokio::{net::TcpListener, sync::Semaphore};

use super::{
    MAX_HEADER_BYTES,
    framing::{Doubt, Watched},
};
use crate::client::Peer;

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
        let doubt = Doubt::default();
        let service = tower::ServiceBuilder::new()
            .layer(axum::Extension(Peer(peer.ip())))
            .layer(axum::Extension(doubt.clone()))
            .service(router.clone());
        let stream = TokioIo::new(Watched::new(stream, doubt));
        let connection = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(service));
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            let _held = (place, seat);
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await;
    Ok(())
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
