//! The satellite's view of the auth server: renewals, sign-outs, and whether both agree.
//!
//! Why: only the auth server asks the backend, so that a rotating refresh token is spent once. A satellite sends
//! it the sealed session and takes the renewed one back; parallel requests of this process share one question.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hallpass_shared::{
    clock::Clock,
    http_client::{self, ClientError, Reply},
    internal::{Bearers, FINGERPRINT, Fingerprint, REFRESH, REVOCATIONS, RefreshReply, SessionRequest},
    key::digest,
    refresh::Refresher,
    refusal::{NotAdmitted, Outage, Refusal},
    settings::SharedSettings,
    single_flight::SingleFlight,
    telemetry::carried,
    token::{Claims, Codec, SealError, SealedToken},
};
use http::{HeaderValue, StatusCode, header};
use url::Url;

const WHAT: &str = "the auth server";
/// Public keys, which only the auth server shows.
const JWKS: &str = "/.well-known/jwks.json";
const TIMEOUT: Duration = Duration::from_secs(10);

/// The auth server, as seen from here.
#[derive(Debug)]
pub struct AuthServer {
    line: Arc<Line>,
    fingerprint: Fingerprint,
    flights: SingleFlight<[u8; 32], Result<Arc<Claims>, NotAdmitted>>,
}

/// What a question needs.
#[derive(Debug)]
struct Line {
    client: reqwest::Client,
    addresses: Vec<Url>,
    bearers: Bearers,
    codec: Codec,
    clock: Arc<dyn Clock>,
}

/// The view could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthServerError {
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No keys.
    #[error(transparent)]
    Keys(#[from] SealError),
}

/// What the comparison with the auth server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Both can read each other's sessions.
    Agreed,
    /// They cannot, or not for long: a sentence for each difference.
    Differs(Vec<String>),
    /// Nothing can be said now.
    Unreachable(String),
}

impl AuthServer {
    /// At the addresses of the settings.
    ///
    /// # Errors
    /// [`AuthServerError`].
    pub fn new(
        settings: &SharedSettings,
        codec: Codec,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthServerError> {
        let line = Line {
            client: http_client::build(TIMEOUT, None)?,
            addresses: settings.auth_server.clone(),
            bearers: Bearers::derive(&settings.ring)?,
            codec,
            clock,
        };
        let fingerprint = Fingerprint::of(&settings.ring, &settings.cookie, settings.dialect)?;
        Ok(Self { line: Arc::new(line), fingerprint, flights: SingleFlight::new() })
    }

    /// Ends the session there: best effort.
    pub async fn revoke(&self, claims: &Claims) {
        if let Err(outage) = self.line.ask(REVOCATIONS, claims).await {
            tracing::warn!(event = "sign_out", "the sign-out did not reach the auth server: {outage}");
        }
    }

    /// Compares secret, cookie name, domain and dialect with the auth server's.
    pub async fn agreement(&self) -> Agreement {
        let reply = match self.line.fingerprint().await {
            Ok(reply) => reply,
            Err(cause) => {
                let named = self.line.named();
                return Agreement::Unreachable(format!(
                    "the auth server cannot be reached at {named} (setting `refresh.auth_server`): {cause}"
                ));
            }
        };
        match (reply.status, serde_json::from_slice::<Fingerprint>(&reply.body)) {
            (StatusCode::OK, Ok(theirs)) => {
                let differences = self.fingerprint.differences(&theirs);
                if differences.is_empty() { Agreement::Agreed } else { Agreement::Differs(differences) }
            }
            // Without a bearer it knows, an auth server does not admit that the path exists.
            (StatusCode::NOT_FOUND, _) => self.line.not_found().await,
            (status, _) => self.line.stranger(status),
        }
    }
}

impl Line {
    fn named(&self) -> String {
        self.addresses.iter().map(Url::as_str).collect::<Vec<_>>().join(", ")
    }

    /// An auth server with another secret, or something else: a satellite offers the same provider, but has no keys.
    async fn not_found(&self) -> Agreement {
        if self.has("/api/auth/providers", "credentials").await && self.has(JWKS, "keys").await {
            let problem = "the secret differs from the auth server's, so neither can read the other's sessions; \
                           give both the same `secret`";
            return Agreement::Differs(vec![problem.into()]);
        }
        self.stranger(StatusCode::NOT_FOUND)
    }

    async fn has(&self, path: &str, member: &str) -> bool {
        self.get(path, None).await.is_ok_and(|reply| {
            let document = serde_json::from_slice::<serde_json::Value>(&reply.body);
            document.is_ok_and(|document| document.get(member).is_some())
        })
    }

    fn stranger(&self, status: StatusCode) -> Agreement {
        let problem = format!(
            "what answers at {} is no Hallpass auth server (it said {status}); check `refresh.auth_server`",
            self.named()
        );
        Agreement::Differs(vec![problem])
    }

    /// Asked with each secret in turn: while secrets are changed, the other side may not know the newest.
    async fn fingerprint(&self) -> Result<Reply, String> {
        let mut last = Err("there is no secret".into());
        for bearer in self.bearers.headers() {
            last = self.get(FINGERPRINT, Some(bearer)).await;
            if !last.as_ref().is_ok_and(|reply| reply.status == StatusCode::NOT_FOUND) {
                break;
            }
        }
        last
    }

    /// Asks the first address that answers; else there is the cause of the last failure.
    async fn get(&self, path: &str, bearer: Option<HeaderValue>) -> Result<Reply, String> {
        let mut last = Err("there is no address".into());
        for address in &self.addresses {
            let Ok(url) = address.join(path) else { continue };
            let mut request = self.client.get(url);
            if let Some(bearer) = &bearer {
                request = request.header(header::AUTHORIZATION, bearer);
            }
            last = http_client::exchange(request).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn ask(&self, path: &str, claims: &Claims) -> Result<Reply, Outage> {
        let sealed = self.codec.seal(claims).map_err(|_| Outage::of("the session codec"))?;
        let body = SessionRequest { token: sealed.expose().to_owned() };
        let mut outage = Outage::of(WHAT);
        for address in &self.addresses {
            let Ok(url) = address.join(path) else { continue };
            let mut request = self.client.post(url).json(&body);
            if let Some(bearer) = self.bearers.header() {
                request = request.header(header::AUTHORIZATION, bearer);
            }
            match http_client::send(WHAT, request).await {
                Ok(reply) if !reply.status.is_server_error() => return Ok(reply),
                Ok(_) => {}
                Err(error) => outage = error,
            }
        }
        Err(outage)
    }

    async fn renew(&self, claims: &Claims) -> Result<Arc<Claims>, NotAdmitted> {
        let reply = self.ask(REFRESH, claims).await?;
        if reply.status != StatusCode::OK {
            let status = reply.status.as_u16();
            tracing::error!(
                event = "refresh",
                status,
                "the auth server does not renew for us; see `satellite check`"
            );
            return Err(Outage::of(WHAT).into());
        }
        match serde_json::from_slice(&reply.body) {
            Ok(RefreshReply::Refused { why }) => Err(RefreshReply::refusal(&why).into()),
            Ok(RefreshReply::Renewed { token }) => {
                let opened = SealedToken::from_wire(token)
                    .and_then(|token| self.codec.open(&token, self.clock.now()).ok());
                opened.map(|opened| Arc::new(opened.claims)).ok_or_else(|| Outage::of(WHAT).into())
            }
            Err(_) => Err(Outage::of(WHAT).into()),
        }
    }
}

impl Refresher for AuthServer {
    fn refresh<'a>(&'a self, claims: &'a Claims) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
        Box::pin(async move {
            let Some(token) = &claims.refresh_token else { return Err(Refusal::RefreshTokenExpired.into()) };
            let key = digest("hallpass refresh token", token.expose());
            let (line, claims) = (Arc::clone(&self.line), claims.clone());
            let work = carried(async move {
                let renewed = line.renew(&claims).await;
                let outcome = match renewed {
                    Ok(_) => "ok",
                    Err(NotAdmitted::Refused(_)) => "refused",
                    Err(_) => "unavailable",
                };
                metrics::counter!("hallpass_refreshes_total", "outcome" => outcome).increment(1);
                renewed
            });
            let renewed = self.flights.run(key, work).await;
            renewed.unwrap_or(Err(Outage::of(WHAT).into())).map(|claims| Claims::clone(&claims))
        })
    }
}
