//! The HTTP client that asks a neighbour: the backend, or the auth server.
//!
//! Why: what is sent there are passwords and refresh tokens, so the address is fixed configuration, redirects
//! are never followed, proxy variables of the environment are ignored and TLS is always verified (threat-model
//! K1, K2); what comes back is data of unknown size and shape, so it is read up to a limit and in a bounded
//! time (K3).

use std::{path::Path, sync::OnceLock, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::{
    refusal::Outage,
    telemetry::{Trace, causes},
};

/// Most bytes read of a reply.
pub const MAX_REPLY_BYTES: usize = 256 * 1024;

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file of certificate authorities cannot be read.
    #[error("the certificate file cannot be read")]
    ReadCa(#[source] std::io::Error),
    /// TLS could not be set up at all.
    #[error("TLS could not be set up")]
    Setup(#[source] native_tls::Error),
    /// TLS could not be set up.
    #[error("the certificates are not PEM, or TLS could not be set up")]
    Tls(#[source] reqwest::Error),
}

/// A client with a limit on every phase. `ca_file` adds certificate authorities (PEM) to the system's.
///
/// # Errors
/// [`ClientError`].
pub fn build(timeout: Duration, ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    made(builder(timeout).timeout(timeout), ca_file)
}

/// A client whose replies may go on for ever: whoever reads one watches for silence.
///
/// # Errors
/// [`ClientError`].
pub fn build_endless(ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    made(builder(Duration::MAX), ca_file)
}

fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let builder = reqwest::Client::builder();
    builder
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        // Shorter than our own servers keep an idle connection, so that none is used while it closes.
        .pool_idle_timeout(Duration::from_secs(8))
}

fn made(mut builder: reqwest::ClientBuilder, ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    match ca_file {
        None => builder = builder.tls_backend_preconfigured(tls().map_err(ClientError::Setup)?),
        Some(path) => {
            let pem = std::fs::read(path).map_err(ClientError::ReadCa)?;
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(ClientError::Tls)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
    }
    builder.build().map_err(ClientError::Tls)
}

/// TLS that believes the system's certificate authorities, for all clients of the process: reading those takes
/// milliseconds, and memory for each time.
///
/// # Errors
/// If OpenSSL cannot be set up.
pub fn tls() -> Result<native_tls::TlsConnector, native_tls::Error> {
    static SHARED: OnceLock<native_tls::TlsConnector> = OnceLock::new();
    if let Some(known) = SHARED.get() {
        return Ok(known.clone());
    }
    let made = native_tls::TlsConnector::new()?;
    Ok(SHARED.get_or_init(|| made).clone())
}

/// A reply, read up to the limit.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Sends a request to `what`. The cause of a failure goes to the log, without the request's contents.
///
/// # Errors
/// [`Outage`] for everything that is no complete reply: connection, time-out, size.
pub async fn send(what: &'static str, request: reqwest::RequestBuilder) -> Result<Reply, Outage> {
    exchange(request).await.map_err(|error| {
        tracing::warn!(event = "neighbour_unavailable", what, error, "no reply");
        Outage::of(what)
    })
}

/// Sends a request, and leaves it to the caller to tell of a failure.
///
/// # Errors
/// The cause, for the operator, without the request's address and contents.
pub async fn exchange(request: reqwest::RequestBuilder) -> Result<Reply, String> {
    let request = match Trace::current().and_then(|trace| trace.parent_header()) {
        Some(parent) => request.header("traceparent", parent),
        None => request,
    };
    let told = |error: reqwest::Error| causes(&error.without_url());
    let mut response = request.send().await.map_err(told)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return Err(format!("the reply is larger than {MAX_REPLY_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Reply { status: response.status(), headers, body: body.freeze() })
}

/// Whether credentials may be sent there: https, or plain http that stays on this machine (threat-model K1).
pub fn is_protected(url: &Url) -> bool {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}
