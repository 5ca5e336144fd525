//! Signs the access tokens of a users file.
//!
//! Why: services behind Hallpass may want to check a token without asking anybody. Each secret of the ring gives a key
//! pair for Ed25519 (RFC 8037); the newest signs, and all public keys are shown, so that a rotation breaks nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    key::Key,
    secret::{Secret, SecretRing},
};
use openssl::{
    error::ErrorStack,
    pkey::{Id, PKey, Private},
    sha::sha256,
    sign::Signer,
};
use serde_json::{Map, Value, json};

const INFO: &str = "Hallpass users-file signing key";

/// Key pairs, newest first.
pub(super) struct SigningKeys(Vec<SigningKey>);

struct SigningKey {
    pair: PKey<Private>,
    /// The public key as base64url.
    public: String,
    /// Its thumbprint (RFC 7638, RFC 8037 appendix A.3).
    id: String,
}

impl SigningKeys {
    pub(super) fn derive(ring: &SecretRing) -> Result<Self, ErrorStack> {
        ring.iter().map(SigningKey::derive).collect::<Result<_, _>>().map(Self)
    }

    /// A JWT of these claims (RFC 7519).
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<Secret, ErrorStack> {
        let key = self.0.first().ok_or_else(ErrorStack::get)?;
        let header = json!({ "alg": "EdDSA", "kid": key.id, "typ": "JWT" }).to_string();
        let claims = Value::Object(claims.clone()).to_string();
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = Signer::new_without_digest(&key.pair)?.sign_oneshot_to_vec(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Secret::new(token))
    }

    /// The public keys (RFC 7517 section 5).
    pub(super) fn jwks(&self) -> Value {
        let jwk = |key: &SigningKey| json!({ "kty": "OKP", "crv": "Ed25519", "x": key.public, "kid": key.id, "alg": "EdDSA", "use": "sig" });
        json!({ "keys": self.0.iter().map(jwk).collect::<Vec<_>>() })
    }
}

impl SigningKey {
    fn derive(secret: &Secret) -> Result<Self, ErrorStack> {
        let seed = Key::derive(secret, "", INFO, 32)?;
        let pair = PKey::private_key_from_raw_bytes(seed.bytes(), Id::ED25519)?;
        let public = URL_SAFE_NO_PAD.encode(pair.raw_public_key()?);
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(sha256(jwk.as_bytes()));
        Ok(Self { pair, public, id })
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use openssl::sign::Verifier;

    use super::*;

    #[test]
    fn a_token_verifies_with_the_key_its_header_names() {
        let ring = SecretRing::new(vec![Secret::new("newest"), Secret::new("older")]).unwrap();
        let keys = SigningKeys::derive(&ring).unwrap();
        let claims = json!({"sub": "7", "name": "Žofie"});
        let token = keys.sign(claims.as_object().unwrap()).unwrap();
        let (signed, signature) = token.expose().rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        assert_eq!(read(payload), claims);
        let jwks = keys.jwks();
        let shown = jwks["keys"].as_array().unwrap();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0]["kid"], read(header)["kid"]);
        let verifies = |jwk: &Value| {
            let key =
                PKey::public_key_from_raw_bytes(&decode(jwk["x"].as_str().unwrap()), Id::ED25519).unwrap();
            let mut verifier = Verifier::new_without_digest(&key).unwrap();
            verifier.verify_oneshot(&decode(signature), signed.as_bytes()).unwrap()
        };
        assert!(verifies(&shown[0]) && !verifies(&shown[1]));
    }

    #[test]
    fn a_key_id_is_the_thumbprint_of_the_standard() {
        // RFC 8037 appendix A.3
        let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(sha256(jwk.as_bytes()));
        assert_eq!(id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
