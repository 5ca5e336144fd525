//! For tests: a server that answers from a script and remembers what it was asked. Faults that a real backend cannot
//! be made to have come from here.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    clock::{FixedClock, UnixTime},
    settings::Texts,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use http::{HeaderMap, Method, Uri};
use serde_json::Value;

use super::{HttpBackend as Backend, Protocol};

pub(super) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// What the server was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An answer to give.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Reply { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Silence,
}

pub(super) fn json(status: u16, body: &Value) -> Answer {
    reply(status, "application/json", body.to_string())
}

pub(super) fn reply(status: u16, kind: &str, body: impl Into<String>) -> Answer {
    Answer::Reply { status, headers: vec![("content-type", kind.into())], body: body.into() }
}

impl Answer {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Scripted {
    pub(super) url: String,
    script: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Gives these answers in turn, and 500 afterwards.
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(answers.into_iter().collect()));
        let scripted = Self { url, script, asked: Arc::default() };
        let router = Router::new().fallback(answer).with_state(scripted.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        scripted
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// A backend whose settings have `URL` where this server is.
    pub(super) fn backend(&self, section: &str) -> Backend {
        read(&section.replace("URL", &self.url)).unwrap()
    }
}

async fn answer(State(scripted): State<Scripted>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    scripted.asked.lock().unwrap().push(asked);
    let next = scripted.script.lock().unwrap().pop_front();
    match next {
        Some(Answer::Reply { status, headers, body }) => {
            let builder =
                headers.into_iter().fold(Response::builder().status(status), |builder, (name, value)| {
                    builder.header(name, value)
                });
            builder.body(Body::from(body)).unwrap()
        }
        Some(Answer::Silence) => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Response::default()
        }
        None => Response::builder().status(500).body(Body::empty()).unwrap(),
    }
}

/// Reads settings with this `[backend]`, at a fixed time.
pub(super) fn read(section: &str) -> Result<Backend, String> {
    let all = format!(
        "secret = \"d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b\"\nparent_domain = \"example.com\"\n\
         auth_url = \"https://auth.example.com\"\n{section}"
    );
    let texts = Texts::from_toml(&all).map_err(|error| error.to_string())?;
    let protocol = if all.contains("kind = \"graphql\"") { Protocol::GraphQl } else { Protocol::Rest };
    Backend::read(protocol, &texts, Arc::new(FixedClock::at(NOW))).map_err(|error| error.to_string())
}
