//! Whether this satellite and the auth servers can read each other's sessions.
//!
//! Why: a secret that differs is the classic failure, and with several auth servers it may be one of them only. So every
//! address is asked, all at a time, and each sentence names the address that it is about.

use std::time::Duration;

use futures_util::future::join_all;
use hallpass_shared::{
    http_client::{self, Reply},
    internal::{FINGERPRINT, Fingerprint},
};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use crate::line::Line;

/// Public keys, which only the auth server shows.
const JWKS: &str = "/.well-known/jwks.json";

/// What the comparison with the auth servers showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// Auth servers that can read the sessions of here, and the other way round.
    pub agreed: Vec<Url>,
    /// What differs, so that they cannot, or not for long: a sentence for each difference and address.
    pub differences: Vec<String>,
    /// Addresses of which nothing can be said now: a sentence each.
    pub unreachable: Vec<String>,
}

impl Agreement {
    /// Whether all auth servers were asked, and all agree.
    pub fn is_whole(&self) -> bool {
        self.differences.is_empty() && self.unreachable.is_empty()
    }

    /// Whether an auth server agrees and none differs. Some addresses may be of one that is to be started when there is
    /// more to do.
    pub fn holds(&self) -> bool {
        self.differences.is_empty() && !self.agreed.is_empty()
    }

    /// What is to be said where it [holds](Self::holds).
    pub(crate) fn sentence(&self) -> String {
        let (reached, away) = (self.agreed.len(), self.unreachable.len());
        let share =
            if away == 0 { String::new() } else { format!(" at {reached} of {} addresses", reached + away) };
        format!("reached{share}; secret, cookie and dialect agree")
    }

    /// Whether some differ and none agrees: no session of here can be renewed.
    pub fn is_denied(&self) -> bool {
        self.agreed.is_empty() && !self.differences.is_empty()
    }

    /// Compares with the auth server at each address, which may take so long.
    pub(crate) async fn with(line: &Line, ours: &Fingerprint, patience: Duration) -> Self {
        let asked = line.urls().map(async |url| {
            let verdict = tokio::time::timeout(patience, Asked { line, url }.verdict(ours)).await;
            let slow =
                |_| Verdict::Unreachable(format!("it does not answer within {} ms", patience.as_millis()));
            (url, verdict.unwrap_or_else(slow))
        });
        let mut agreement = Self::default();
        for (url, verdict) in join_all(asked).await {
            match verdict {
                Verdict::Agrees => agreement.agreed.push(url.clone()),
                Verdict::Differs(differences) => {
                    let named = differences.iter().map(|difference| format!("{url}: {difference}"));
                    agreement.differences.extend(named);
                }
                Verdict::Unreachable(cause) => agreement.unreachable.push(format!(
                    "the auth server cannot be reached at {url} (setting `refresh.auth_server`): {cause}"
                )),
            }
        }
        agreement
    }
}

/// What is at one address.
enum Verdict {
    Agrees,
    Differs(Vec<String>),
    Unreachable(String),
}

/// One address.
struct Asked<'a> {
    line: &'a Line,
    url: &'a Url,
}

impl Asked<'_> {
    async fn verdict(&self, ours: &Fingerprint) -> Verdict {
        let reply = match self.fingerprint().await {
            Ok(reply) => reply,
            Err(cause) => return Verdict::Unreachable(cause),
        };
        match (reply.status, serde_json::from_slice::<Fingerprint>(&reply.body)) {
            (StatusCode::OK, Ok(theirs)) => match ours.differences(&theirs) {
                none if none.is_empty() => Verdict::Agrees,
                differences => Verdict::Differs(differences),
            },
            // A proxy before an auth server that is away.
            (status, _) if status.is_server_error() => Verdict::Unreachable(format!("it said {status}")),
            // Without a bearer it knows, an auth server does not admit that the path exists.
            (StatusCode::NOT_FOUND, _) if self.is_auth_server().await => {
                let problem = "the secret differs from the auth server's, so neither can read the other's sessions; \
                               give both the same `secret`";
                Verdict::Differs(vec![problem.into()])
            }
            (status, _) => Verdict::Differs(vec![format!(
                "what answers there is no Hallpass auth server (it said {status}); check `refresh.auth_server`"
            )]),
        }
    }

    /// Asked with each secret in turn: while secrets are changed, the other side may not know the newest.
    async fn fingerprint(&self) -> Result<Reply, String> {
        let mut last = Err("there is no secret".into());
        for bearer in self.line.bearers().headers() {
            last = self.get(FINGERPRINT, Some(bearer)).await;
            if !last.as_ref().is_ok_and(|reply| reply.status == StatusCode::NOT_FOUND) {
                break;
            }
        }
        last
    }

    /// A satellite offers the same provider, but has no keys.
    async fn is_auth_server(&self) -> bool {
        self.has("/api/auth/providers", "credentials").await && self.has(JWKS, "keys").await
    }

    async fn has(&self, path: &str, member: &str) -> bool {
        self.get(path, None).await.is_ok_and(|reply| {
            let document = serde_json::from_slice::<serde_json::Value>(&reply.body);
            document.is_ok_and(|document| document.get(member).is_some())
        })
    }

    async fn get(&self, path: &str, bearer: Option<HeaderValue>) -> Result<Reply, String> {
        let url = self.url.join(path).map_err(|error| error.to_string())?;
        let mut request = self.line.client().get(url);
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        http_client::exchange(request).await
    }
}
