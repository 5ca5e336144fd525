//! The app behind the demo's proxy: a few lines of Python, or the same in Rust where there is no Python.
//!
//! Why: what a satellite does for an app that knows nothing of it is best shown with such an app, and it shows what it was
//! sent.

use std::{net::Ipv4Addr, process::Stdio, time::Duration};

use axum::{
    Router,
    extract::Request,
    response::{Html, IntoResponse, Response},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
    task::JoinHandle,
};

const SCRIPT: &str = include_str!("shop.py");
const PATIENCE: Duration = Duration::from_secs(3);

/// The app; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Shop {
    /// Where it listens on this machine.
    pub(crate) port: u16,
    _running: Running,
}

#[derive(Debug)]
enum Running {
    Python { _child: Child },
    BuiltIn(JoinHandle<()>),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::BuiltIn(task) = self {
            task.abort();
        }
    }
}

impl Shop {
    /// Starts it.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        match tokio::time::timeout(PATIENCE, python()).await.ok().flatten() {
            Some((port, child)) => Ok(Self { port, _running: Running::Python { _child: child } }),
            None => built_in().await,
        }
    }
}

async fn python() -> Option<(u16, Child)> {
    let mut command = Command::new("python3");
    // It ends when nobody holds the other end of its input.
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn().ok()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut said).await.ok()?;
    Some((said.trim().parse().ok()?, child))
}

async fn built_in() -> anyhow::Result<Shop> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let serve = async move {
        let _ = axum::serve(listener, Router::new().fallback(show)).await;
    };
    Ok(Shop { port, _running: Running::BuiltIn(tokio::spawn(serve)) })
}

async fn show(request: Request) -> Response {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let value = |value: &http::HeaderValue| escaped(&String::from_utf8_lossy(value.as_bytes()));
    let rows = request.headers().iter().fold(String::new(), |rows, (name, text)| {
        rows + "<tr><td><code>" + name.as_str() + "</code><td>" + &value(text)
    });
    let user = request
        .headers()
        .get("remote-user")
        .map_or_else(|| "nobody".into(), |user| format!("user {}", value(user)));
    Html(format!(
        "<!doctype html><meta charset=utf-8><title>Shop</title><h1>Hello, {user}</h1><p>This app has no sign-in of its own: \
         it was sent these headers for <code>{}</code>. Your session’s cookie is not among them.<table>{rows}</table>",
        escaped(request.uri().path())
    ))
    .into_response()
}
