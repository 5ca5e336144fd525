//! What a satellite and the auth server say to each other, away from browsers.
//!
//! Why: both sides must mean the same by each word, so the words stand in one file. Every request carries a bearer
//! made from the secret; without it the paths do not exist (404), so nobody else learns that they do.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};

use crate::{
    cookie::CookiePolicy,
    dialect::Dialect,
    key::{fingerprints, internal_bearers},
    refusal::Refusal,
    revocation::Revocation,
    secret::{Secret, SecretRing},
    token::SealError,
};

/// `POST`: renews the tokens of a session.
pub const REFRESH: &str = "/api/auth/refresh";
/// `POST`: ends a session. `GET`: the feed of what has ended.
pub const REVOCATIONS: &str = "/api/auth/revocations";
/// `GET`: what both sides must have alike.
pub const FINGERPRINT: &str = "/api/auth/fingerprint";

/// `POST`: what a satellite still knows of, for an auth server that has forgotten.
pub const KNOWN_REVOCATIONS: &str = "/api/auth/revocations/known";
/// The feed says something at least this often.
pub const FEED_PULSE: Duration = Duration::from_secs(1);

/// The session a satellite asks about: its sealed token.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The compact JWE.
    pub token: String,
    /// For a sign-out: all sessions of its subject.
    #[serde(default)]
    pub everywhere: bool,
}

/// A line of the feed, JSON. The first one tells who speaks; a line with a cursor says that all up to it was told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FeedLine {
    /// Names the auth server's process: its cursors mean nothing to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Revocations, base64url of 24 bytes each ([`Revocation::to_bytes`]).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revoked: String,
    /// Where to go on after this line. Absent within a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
}

/// Many revocations as one text.
pub fn pack(revocations: &[Revocation]) -> String {
    let bytes: Vec<u8> = revocations.iter().flat_map(|revocation| revocation.to_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What [`pack`] made; nothing if it did not.
pub fn unpack(text: &str) -> Vec<Revocation> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let (chunks, rest) = bytes.as_chunks::<24>();
    if rest.is_empty() { chunks.iter().map(Revocation::from_bytes).collect() } else { Vec::new() }
}

/// What a satellite still knows of.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// As in [`FeedLine::revoked`].
    pub revoked: String,
}

/// The answer to a renewal. An outage is a 503 instead.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum RefreshReply {
    /// Here is the session with new tokens.
    Renewed {
        /// The compact JWE.
        token: String,
    },
    /// The session is over.
    Refused {
        /// [`Refusal::code`].
        why: String,
    },
}

impl std::fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionRequest([redacted])")
    }
}

impl std::fmt::Debug for RefreshReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Renewed { .. } => f.write_str("Renewed([redacted])"),
            Self::Refused { why } => write!(f, "Refused({why})"),
        }
    }
}

impl RefreshReply {
    /// The refusal that `why` names; one we do not know is still one.
    pub fn refusal(why: &str) -> Refusal {
        [
            Refusal::Expired,
            Refusal::AbsoluteEnd,
            Refusal::Revoked,
            Refusal::RefreshTokenExpired,
            Refusal::MixedSubjects,
            Refusal::TooLarge,
        ]
        .into_iter()
        .find(|refusal| refusal.code() == why)
        .unwrap_or(Refusal::RefreshRefused)
    }
}

/// The bearers of a deployment, one for each secret.
#[derive(Clone, Debug)]
pub struct Bearers(Vec<Secret>);

impl Bearers {
    /// Derives them.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn derive(ring: &SecretRing) -> Result<Self, SealError> {
        internal_bearers(ring).map(Self).map_err(|error| SealError::Crypto(Box::new(error)))
    }

    /// The header to send: the newest, never printed.
    pub fn header(&self) -> Option<HeaderValue> {
        self.headers().next()
    }

    /// One for each secret, newest first: for asking what the other side has.
    pub fn headers(&self) -> impl Iterator<Item = HeaderValue> {
        self.0.iter().filter_map(|bearer| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.expose())).ok()?;
            value.set_sensitive(true);
            Some(value)
        })
    }

    /// Whether the request carries one of them.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let sent =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        sent.is_some_and(|sent| self.0.iter().any(|bearer| bearer.matches(sent)))
    }
}

/// What two processes of a deployment must have alike. It holds nothing secret.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fingerprint {
    /// One for each secret, newest first.
    pub secrets: Vec<String>,
    /// The session cookie's name.
    pub cookie_name: String,
    /// Its domain.
    pub domain: String,
    /// The dialect's name.
    pub dialect: String,
}

impl Fingerprint {
    /// Of this process.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn of(ring: &SecretRing, policy: &CookiePolicy, dialect: Dialect) -> Result<Self, SealError> {
        Ok(Self {
            secrets: fingerprints(ring).map_err(|error| SealError::Crypto(Box::new(error)))?,
            cookie_name: policy.name.clone(),
            domain: policy.domain.to_string(),
            dialect: dialect.name.to_owned(),
        })
    }

    /// What differs from the auth server's, a sentence each: the setting, both values, and what it leads to.
    pub fn differences(&self, auth_server: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |setting: &str, ours: &str, theirs: &str| {
            if ours != theirs {
                differences.push(format!(
                    "`{setting}` differs: `{ours}` here, `{theirs}` on the auth server; give both the same"
                ));
            }
        };
        compare("cookie.name", &self.cookie_name, &auth_server.cookie_name);
        compare("parent_domain", &self.domain, &auth_server.domain);
        compare("cookie.dialect", &self.dialect, &auth_server.dialect);
        let opens =
            |one: &Self, other: &Self| one.secrets.iter().any(|print| Some(print) == other.secrets.first());
        if !opens(self, auth_server) {
            differences.push(
                "the auth server seals with a secret that is not among this satellite's; add it to its `secrets`".into(),
            );
        } else if !opens(auth_server, self) {
            differences.push(
                "this satellite seals with a secret that the auth server does not have; add it there first"
                    .into(),
            );
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::Scheme, domain::ParentDomain};

    fn ring(secrets: &[&str]) -> SecretRing {
        SecretRing::new(secrets.iter().copied().map(Secret::new).collect()).unwrap()
    }

    fn print(secrets: &[&str], domain: &str, dialect: Dialect) -> Fingerprint {
        let domain = ParentDomain::parse(domain).unwrap();
        Fingerprint::of(&ring(secrets), &CookiePolicy::new(dialect, domain, Scheme::Https), dialect).unwrap()
    }

    #[test]
    fn a_difference_is_named_and_a_rotation_under_way_is_none() {
        let v4 = Dialect::NEXT_AUTH_V4;
        let ours = print(&["a"], "example.com", v4);
        assert!(ours.differences(&ours).is_empty());
        assert!(
            ours.differences(&print(&["b"], "example.com", v4))[0].contains("not among this satellite's")
        );
        assert!(ours.differences(&print(&["a"], "example.org", v4))[0].contains("`parent_domain` differs"));
        let other_dialect = ours.differences(&print(&["a"], "example.com", Dialect::AUTHJS_V5)).join("\n");
        assert!(other_dialect.contains("cookie.dialect") && other_dialect.contains("cookie.name"));
        let rolling = print(&["b", "a"], "example.com", v4);
        assert!(rolling.differences(&print(&["a", "b"], "example.com", v4)).is_empty());
        assert!(rolling.differences(&ours)[0].contains("add it there first"));
    }

    #[test]
    fn a_bearer_is_derived_and_any_of_the_ring_is_taken() {
        let bearer = |secrets: &[&str]| Bearers::derive(&ring(secrets)).unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, bearer(&["a"]).header().unwrap())]);
        assert!(bearer(&["b", "a"]).admit(&headers));
        assert!(!bearer(&["b"]).admit(&headers));
        assert!(!bearer(&["a"]).admit(&HeaderMap::new()));
    }
}
