//! A backend that answers as it is told, and remembers what it was sent.
//!
//! Why: a real backend cannot be made to send 100 MiB, or HTML, or half an answer; for these cases, and to see byte
//! for byte what reaches a backend, this one stands in. Everything that a real one can do is tested with Django.

use std::{
    collections::{HashMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// One answer on demand.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Status, content type and body.
    Text(u16, &'static str, String),
    /// A redirect with this status.
    Redirect(u16, String),
    /// As many bytes.
    Huge(usize),
    /// The connection breaks off.
    Close,
    /// No answer for this long.
    Hang(Duration),
}

/// A request it was sent.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Body as JSON, or null.
    pub body: Value,
}

#[derive(Debug, Default)]
struct Script {
    accounts: HashMap<String, String>,
    next: VecDeque<Reply>,
    received: Vec<Received>,
    issued: u64,
}

/// The backend, running.
#[derive(Debug)]
pub struct ScriptedBackend {
    /// Where it listens.
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl ScriptedBackend {
    /// Knows these accounts: names and passwords.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(accounts: &[(&str, &str)]) -> Self {
        let accounts = accounts.iter().map(|(name, password)| ((*name).into(), (*password).into())).collect();
        let script = Arc::new(Mutex::new(Script { accounts, ..Script::default() }));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script, task }
    }

    /// The next answer, whatever is asked.
    ///
    /// # Panics
    /// Never.
    pub fn answer_next(&self, reply: Reply) {
        self.script.lock().unwrap().next.push_back(reply);
    }

    /// Forgets the answers it was told and was not asked for.
    ///
    /// # Panics
    /// Never.
    pub fn answer_as_usual(&self) {
        self.script.lock().unwrap().next.clear();
    }

    /// What it was sent since the last call.
    ///
    /// # Panics
    /// Never.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.script.lock().unwrap().received)
    }

    /// `[backend]` for it.
    pub fn settings(&self) -> String {
        let address = self.address;
        format!(
            r#"
[backend]
kind = "rest"
timeout = "1s"
sign_in = {{ url = "http://{address}/token", body = {{ username = "{{username}}", password = "{{password}}" }} }}
refresh = {{ url = "http://{address}/refresh", body = {{ refresh = "{{refresh_token}}" }} }}
response = {{ token = "/access", refresh_token = "/refresh", user = "/user" }}
"#
        )
    }
}

impl Drop for ScriptedBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (scripted, usual) = {
        let mut script = script.lock().unwrap();
        script.received.push(Received { target: uri.to_string(), headers, body: body.clone() });
        (script.next.pop_front(), script.usual(&body))
    };
    match scripted {
        Some(Reply::Text(status, kind, body)) => {
            (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Some(Reply::Redirect(status, to)) => {
            (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, to)]).into_response()
        }
        Some(Reply::Huge(bytes)) => Body::from("x".repeat(bytes)).into_response(),
        Some(Reply::Close) => {
            let broken = futures_util::stream::iter([
                Ok(Bytes::from_static(b"{\"access\":")),
                Err(std::io::Error::other("broken off")),
            ]);
            Body::from_stream(broken).into_response()
        }
        Some(Reply::Hang(span)) => {
            tokio::time::sleep(span).await;
            usual.into_response()
        }
        None => usual.into_response(),
    }
}

impl Script {
    fn usual(&mut self, body: &Value) -> (StatusCode, String) {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let known = self.accounts.get(text("username")).is_some_and(|password| password == text("password"));
        if !known && !text("refresh").starts_with("refresh-") {
            return (StatusCode::UNAUTHORIZED, json!({"detail": "No active account"}).to_string());
        }
        self.issued += 1;
        let name = text("username");
        let payload = URL_SAFE_NO_PAD.encode(json!({"exp": 4_000_000_000_i64, "user_id": name}).to_string());
        let mut reply = json!({
            "access": format!("e30.{payload}.{}", self.issued),
            "refresh": format!("refresh-{}", self.issued),
        });
        if known {
            reply["user"] = json!({"id": name, "email": name, "name": name, "isAdmin": false});
        }
        (StatusCode::OK, reply.to_string())
    }
}
