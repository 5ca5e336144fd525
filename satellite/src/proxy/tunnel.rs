//! An open WebSocket: bytes both ways, until either side, the clock or the session ends it.
//!
//! Why: nothing goes up before the app has switched protocols, and a connection that it did not switch is ordinary HTTP
//! again (threat-model B6, H12). A sign-out closes the socket with a code that the page can read.

use std::{io, time::Duration};

use axum::{body::Body, response::Response};
use hallpass_shared::telemetry;
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::Notify,
};

use super::frames::{CLOSE_GOING_AWAY, CLOSE_POLICY, Frames};
use crate::lease::Lease;

const BUFFER: usize = 8 * 1024;
/// For a last frame to a client that may not read any more.
const FAREWELL: Duration = Duration::from_secs(1);

type Side = TokioIo<Upgraded>;

/// The answer that switches protocols; the tunnel opens once the client has it.
pub(super) fn open(
    client: OnUpgrade,
    mut answer: http::Response<Incoming>,
    lease: Option<Lease>,
    pause: Duration,
) -> Response {
    let app = hyper::upgrade::on(&mut answer);
    let work = async move {
        let (client, app) = match tokio::try_join!(client, app) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(event = "websocket", %error, "the switch of protocols failed");
                return;
            }
        };
        metrics::gauge!("hallpass_websockets_open").increment(1);
        let tunnel = Tunnel::new(TokioIo::new(client), TokioIo::new(app));
        let ended = tunnel.run(lease, pause).await;
        metrics::gauge!("hallpass_websockets_open").decrement(1);
        tracing::info!(event = "websocket", ended, "closed");
    };
    tokio::spawn(telemetry::carried(work));
    let (parts, _) = answer.into_parts();
    Response::from_parts(parts, Body::empty())
}

struct Tunnel {
    client: (ReadHalf<Side>, WriteHalf<Side>),
    app: (ReadHalf<Side>, WriteHalf<Side>),
    /// What went down to the client.
    frames: Frames,
    /// Whether a write to the client is under way.
    writing: bool,
    moved: Notify,
}

impl Tunnel {
    fn new(client: Side, app: Side) -> Self {
        let (client, app) = (tokio::io::split(client), tokio::io::split(app));
        Self { client, app, frames: Frames::default(), writing: false, moved: Notify::new() }
    }

    /// Why it ended.
    async fn run(mut self, lease: Option<Lease>, pause: Duration) -> &'static str {
        let over = async {
            match &lease {
                Some(lease) => lease.over().await,
                None => std::future::pending().await,
            }
        };
        let (ended, farewell) = tokio::select! {
            _ = up(&mut self.client.0, &mut self.app.1, &self.moved) => ("by the client", None),
            _ = down(&mut self.app.0, &mut self.client.1, (&mut self.frames, &mut self.writing), &self.moved) => ("by the app", None),
            () = over => ("with its session", Some(CLOSE_POLICY)),
            () = quiet(&self.moved, pause) => ("by a long pause", Some(CLOSE_GOING_AWAY)),
        };
        let last = async {
            if let Some(farewell) = farewell.filter(|_| self.frames.is_between() && !self.writing) {
                let _ = self.client.1.write_all(&farewell).await;
            }
            let _ = self.client.1.shutdown().await;
            let _ = self.app.1.shutdown().await;
        };
        let _ = tokio::time::timeout(FAREWELL, last).await;
        ended
    }
}

async fn up(from: &mut ReadHalf<Side>, to: &mut WriteHalf<Side>, moved: &Notify) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        moved.notify_one();
        to.write_all(bytes).await?;
    }
}

async fn down(
    from: &mut ReadHalf<Side>,
    to: &mut WriteHalf<Side>,
    (frames, writing): (&mut Frames, &mut bool),
    moved: &Notify,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        moved.notify_one();
        *writing = true;
        to.write_all(bytes).await?;
        *writing = false;
        frames.passed(bytes);
    }
}

/// Returns when nothing has moved for `pause`.
async fn quiet(moved: &Notify, pause: Duration) {
    while tokio::time::timeout(pause, moved.notified()).await.is_ok() {}
}
