//! A server process from start to end: its two listeners, its signals, its health.
//!
//! Why: both programs start, stop and fail in the same way, and what they say when they cannot start is read by
//! somebody in a hurry.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    http_client,
    server::{Limits, serve},
    settings::{ServerSettings, Texts},
};

/// The process could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// An address is taken or is not ours.
    #[error("cannot listen on {address}: {error}; {}", remedy(.error))]
    Listen {
        /// Which setting.
        key: &'static str,
        /// Which address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Signals cannot be waited for, or serving broke off.
    #[error("serving broke off")]
    Io(#[from] io::Error),
}

/// What the two listeners answer.
#[derive(Debug)]
pub struct Sites {
    /// Everybody.
    pub public: Router,
    /// The operator.
    pub admin: Router,
    /// The edges, which ask about requests.
    pub edges: Option<Listener>,
}

/// One more listener.
#[derive(Debug)]
pub struct Listener {
    /// Its setting.
    pub key: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Peers that may have all connections.
    pub trusted: Vec<ipnet::IpNet>,
    /// What it answers.
    pub router: Router,
}

impl ProcessError {
    /// Names the setting behind it, where there is one.
    pub fn explain(self, texts: &Texts) -> Box<dyn std::error::Error + Send + Sync> {
        match &self {
            Self::Listen { key, .. } => texts.invalid(key, &self).into(),
            Self::Io(_) => self.into(),
        }
    }
}

/// Serves both sites until the process is told to stop, then finishes what is under way; `stopping` lets go of
/// what would go on for ever.
///
/// # Errors
/// [`ProcessError`].
pub async fn run(
    name: &str,
    settings: &ServerSettings,
    Sites { public, admin, edges }: Sites,
    stopping: impl FnOnce(),
) -> Result<(), ProcessError> {
    let mut signals = ShutdownSignals::catch()?;
    let public_listener = listen("server.listen", settings.listen).await?;
    let admin_listener = listen("server.admin_listen", settings.admin_listen).await?;
    let (public_address, admin_address) = (public_listener.local_addr()?, admin_listener.local_addr()?);
    let edges = match edges {
        Some(edges) => Some((listen(edges.key, edges.address).await?, edges)),
        None => None,
    };
    let edges_address = edges.as_ref().map(|(_, edges)| tracing::field::display(edges.address));
    tracing::info!(
        event = "listening",
        name,
        public = %public_address,
        admin = %admin_address,
        edges = edges_address,
        "ready"
    );
    let (stop, stopped) = tokio::sync::watch::channel(());
    let until = |mut stopped: tokio::sync::watch::Receiver<()>| async move {
        let _ = stopped.changed().await;
    };
    let limits = Limits { connections: settings.max_connections, trusted: settings.trusted_proxies.clone() };
    let admin_limits = Limits { connections: 64, trusted: Vec::new() };
    let for_edges = async {
        let Some((listener, edges)) = edges else { return Ok(()) };
        let limits = Limits { connections: settings.max_connections, trusted: edges.trusted };
        serve(listener, edges.router, limits, until(stopped.clone())).await
    };
    let all = async {
        tokio::try_join!(
            serve(public_listener, public, limits, until(stopped.clone())),
            serve(admin_listener, admin, admin_limits, until(stopped.clone())),
            for_edges,
        )
    };
    let signal = async {
        let name = signals.wait().await;
        tracing::info!(event = "stopping", signal = name, "told to stop");
        drop(stop);
        stopping();
        Ok(())
    };
    tokio::try_join!(all, signal)?;
    tracing::info!(event = "stopped", "done");
    Ok(())
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ProcessError> {
    TcpListener::bind(address).await.map_err(|error| ProcessError::Listen { key, address, error })
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there, or choose another port",
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023, or give the process the right to that one"
        }
        _ => "choose an address of this machine",
    }
}

/// `SIGTERM` and `SIGINT`, caught from when this is made.
#[derive(Debug)]
pub struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// If signals cannot be had.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one, and names it.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Asks the admin listener of this machine whether the process runs: for a container's health check.
///
/// # Errors
/// What to tell the operator.
pub async fn health(settings: &ServerSettings) -> Result<(), String> {
    let mut address = settings.admin_listen;
    if address.ip().is_unspecified() {
        let loopback: IpAddr =
            if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    let client = http_client::build(Duration::from_secs(3), None).map_err(|error| error.to_string())?;
    let reply =
        http_client::send("the admin listener", client.get(format!("http://{address}/healthz"))).await;
    match reply {
        Ok(reply) if reply.status.is_success() => Ok(()),
        Ok(reply) => Err(format!(
            "http://{address}/healthz answered {}; is that the admin listener (setting `server.admin_listen`)?",
            reply.status
        )),
        Err(_) => Err(format!(
            "nothing answers on http://{address}/healthz (setting `server.admin_listen`); is the server running, with \
             these settings?"
        )),
    }
}
