//! A signed statement of who makes a request, for apps that would rather verify than trust.
//!
//! Why: an app that can be reached past the proxy believes whoever reaches it. A short JWT (RFC 7519), signed for this
//! host and this minute, can be checked by any library with the keys at `/api/auth/jwks` (threat-model H16).
//!
//! Signed with Ed25519 (RFC 8037). The key is made from the deployment's secret, so that there is none to hand out, and
//! every replica has the same; the keys of older secrets are published as long as those are in the ring.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, response::IntoResponse, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{clock::Clock, key::Key, secret::SecretRing, token::Claims};
use http::{HeaderName, HeaderValue, header};
use openssl::{
    error::ErrorStack,
    hash::{MessageDigest, hash},
    pkey::{Id, PKey, Private},
    sign::Signer,
};
use serde_json::{Value, json};

/// Where the keys are published.
pub const JWKS: &str = "/api/auth/jwks";
const INFO: &str = "Hallpass identity assertion";

/// Signs statements.
#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    header: HeaderName,
    ttl: Duration,
    issuer: String,
    key: PKey<Private>,
    /// The JWT's first part.
    head: String,
    jwks: Value,
    clock: Arc<dyn Clock>,
}

/// As the settings have it.
#[derive(Clone, Debug)]
pub(crate) struct AssertionSettings {
    pub(crate) header: HeaderName,
    pub(crate) ttl: Duration,
}

impl Assertion {
    /// Makes the keys; `issuer` is the auth server's address.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub(crate) fn new(
        settings: &AssertionSettings,
        ring: &SecretRing,
        issuer: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ErrorStack> {
        let key = |secret| {
            PKey::private_key_from_raw_bytes(Key::derive(secret, "", INFO, 32)?.bytes(), Id::ED25519)
        };
        let published =
            ring.iter().map(|secret| public(&key(secret)?)).collect::<Result<Vec<_>, ErrorStack>>()?;
        let kid = published.first().and_then(|newest| newest.get("kid")).cloned().unwrap_or_default();
        let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid });
        Ok(Self {
            header: settings.header.clone(),
            ttl: settings.ttl,
            issuer: issuer.trim_end_matches('/').into(),
            key: key(ring.newest())?,
            head: URL_SAFE_NO_PAD.encode(head.to_string()),
            jwks: json!({ "keys": published }),
            clock,
        })
    }

    /// The header it is sent in.
    pub(crate) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Serves the public keys.
    pub(crate) fn router(&self) -> Router {
        let keys = Json(self.jwks.clone());
        let headers = [(header::CACHE_CONTROL, "public, max-age=300")];
        Router::new().route(JWKS, get(async move || (headers, keys).into_response()))
    }

    /// A statement about this user for the app on `host`, with the fields that `tells`; never a token of the backend.
    pub(crate) fn sign(
        &self,
        claims: &Claims,
        host: &str,
        tells: impl Fn(&str) -> bool,
    ) -> Option<HeaderValue> {
        let now = self.clock.now();
        let end = now.plus(self.ttl).min(claims.expires.unwrap_or(now));
        let mut said = claims.user.clone();
        said.retain(|name, _| tells(name));
        for (name, value) in [
            ("iss", json!(self.issuer)),
            ("aud", json!(host)),
            ("sub", json!(claims.subject())),
            ("sid", json!(claims.sid)),
            ("iat", json!(now.as_seconds())),
            ("exp", json!(end.as_seconds())),
            ("auth_time", json!(claims.auth_time.map(hallpass_shared::clock::UnixTime::as_seconds))),
        ] {
            said.insert(name.into(), value);
        }
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&said).ok()?);
        let signed = format!("{}.{body}", self.head);
        let signature =
            Signer::new_without_digest(&self.key).ok()?.sign_oneshot_to_vec(signed.as_bytes()).ok()?;
        HeaderValue::try_from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))).ok()
    }
}

/// The public half as a JWK, named by its thumbprint (RFC 7638, RFC 8037 section 2).
fn public(key: &PKey<Private>) -> Result<Value, ErrorStack> {
    let x = URL_SAFE_NO_PAD.encode(key.raw_public_key()?);
    let named = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(hash(MessageDigest::sha256(), named.as_bytes())?);
    Ok(json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" }))
}

#[cfg(test)]
mod tests {
    use hallpass_shared::{clock::SystemClock, secret::Secret};
    use openssl::sign::Verifier;

    use super::*;

    fn assertion(secrets: &[&str]) -> Assertion {
        let ring = SecretRing::new(secrets.iter().copied().map(Secret::new).collect()).unwrap();
        let settings =
            AssertionSettings { header: HeaderName::from_static("x-a"), ttl: Duration::from_mins(1) };
        Assertion::new(&settings, &ring, "https://auth.example.com/", Arc::new(SystemClock)).unwrap()
    }

    #[test]
    fn a_published_key_verifies_what_was_signed_and_nothing_else() {
        // threat-model H16
        let assertion = assertion(&["new", "old"]);
        let user = json!({"name": "Zoë", "isAdmin": true, "aud": "forged", "hidden": 1});
        let claims = Claims {
            sub: Some("7".into()),
            expires: Some(SystemClock.now().plus(Duration::from_secs(20))),
            access_token: Some(Secret::new("secret")),
            user: user.as_object().unwrap().clone(),
            ..Claims::default()
        };
        let value = assertion.sign(&claims, "app.example.com", |name| name != "hidden").unwrap();
        let (signed, signature) = value.to_str().unwrap().rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let said: Value = serde_json::from_slice(&decode(signed.split('.').nth(1).unwrap())).unwrap();
        assert_eq!(
            (&said["aud"], &said["sub"], &said["isAdmin"]),
            (&json!("app.example.com"), &json!("7"), &json!(true))
        );
        assert_eq!((&said["iss"], &said["hidden"]), (&json!("https://auth.example.com"), &Value::Null));
        assert!(
            said["exp"].as_i64().unwrap() <= claims.expires.unwrap().as_seconds(),
            "it never outlives the session"
        );
        assert!(!said.to_string().contains("secret"));
        let keys = assertion.jwks["keys"].as_array().unwrap();
        let verified = |index: usize, signed: &str| {
            let x = decode(keys[index]["x"].as_str().unwrap());
            let key = PKey::public_key_from_raw_bytes(&x, Id::ED25519).unwrap();
            let mut verifier = Verifier::new_without_digest(&key).unwrap();
            verifier.verify_oneshot(&decode(signature), signed.as_bytes()).unwrap()
        };
        assert!(verified(0, signed) && !verified(1, signed) && !verified(0, &signed.replace('.', "..")));
        let head: Value = serde_json::from_slice(&decode(signed.split('.').next().unwrap())).unwrap();
        assert_eq!((&head["kid"], keys.len()), (&keys[0]["kid"], 2));
    }
}
