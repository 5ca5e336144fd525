//! Keys made from the deployment's secret, each for one purpose.
//!
//! Why: one secret serves the session token, the satellites' bearer, the fingerprint and more; a key that
//! served two purposes would let a value of one pass as the other (threat-model T6). HKDF with SHA-256
//! (RFC 5869) keeps them apart by salt and info.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    error::ErrorStack,
    hash::{MessageDigest, hash},
    md::Md,
    pkey::Id,
    pkey_ctx::PkeyCtx,
    sha::sha256,
};
use zeroize::Zeroizing;

use crate::{
    dialect::ContentEncryption,
    secret::{Secret, SecretRing},
};

/// Key material for one purpose, zeroed when dropped and never printed.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// HKDF-SHA256 of the secret's UTF-8 bytes (RFC 5869), `len` bytes long.
    ///
    /// # Errors
    /// When OpenSSL cannot: an empty secret, or `info` over 1024 bytes.
    pub fn derive(secret: &Secret, salt: &str, info: &str, len: usize) -> Result<Self, ErrorStack> {
        let mut context = PkeyCtx::new_id(Id::HKDF)?;
        context.derive_init()?;
        context.set_hkdf_md(Md::sha256())?;
        context.set_hkdf_key(secret.expose().as_bytes())?;
        // An empty salt means a block of zeros (RFC 5869 section 2.2), which HMAC makes of no salt at all.
        if !salt.is_empty() {
            context.set_hkdf_salt(salt.as_bytes())?;
        }
        context.add_hkdf_info(info.as_bytes())?;
        let mut key = Zeroizing::new(vec![0; len]);
        context.derive(Some(&mut key))?;
        Ok(Self(key))
    }

    /// The bytes, for the cipher.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JWK thumbprint of the key (RFC 7638), SHA-512 for a 64-byte key and SHA-256 else, as Auth.js
    /// puts it into `kid`. Says nothing about the key.
    ///
    /// # Errors
    /// When OpenSSL has no such hash.
    pub fn thumbprint(&self) -> Result<String, ErrorStack> {
        let jwk =
            Zeroizing::new(format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(self.bytes())));
        let long = self.0.len() == ContentEncryption::A256CbcHs512.key_len();
        let digest = if long { MessageDigest::sha512() } else { MessageDigest::sha256() };
        Ok(URL_SAFE_NO_PAD.encode(hash(digest, jwk.as_bytes())?))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The bearer that satellites and auth server show each other: 43 characters for each secret, newest first.
///
/// # Errors
/// See [`Key::derive`].
pub fn internal_bearers(ring: &SecretRing) -> Result<Vec<Secret>, ErrorStack> {
    ring.iter().map(|secret| derived_text(secret, "Hallpass internal bearer", 32).map(Secret::new)).collect()
}

/// A short text for each secret, newest first, by which two processes see whether they have the same one.
/// It is no secret: 64 bits of a one-way function of it.
///
/// # Errors
/// See [`Key::derive`].
pub fn fingerprints(ring: &SecretRing) -> Result<Vec<String>, ErrorStack> {
    ring.iter().map(|secret| derived_text(secret, "Hallpass fingerprint", 8)).collect()
}

/// A digest under which a refresh token, a session id or a subject is kept or named in a log: SHA-256 over a
/// label, a length and the whole text, never cut or joined raw (threat-model R2).
pub fn digest(label: &str, text: &str) -> [u8; 32] {
    let mut input = Zeroizing::new(Vec::with_capacity(label.len() + text.len() + 9));
    input.extend_from_slice(label.as_bytes());
    input.push(0);
    input.extend_from_slice(&(text.len() as u64).to_be_bytes());
    input.extend_from_slice(text.as_bytes());
    sha256(&input)
}

/// The first characters of a digest of `text`, to tell log lines of one session apart from another's
/// without naming it (threat-model X3).
pub fn log_id(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest("hallpass log", text).first_chunk::<6>().unwrap_or(&[0; 6]))
}

fn derived_text(secret: &Secret, info: &str, len: usize) -> Result<String, ErrorStack> {
    Ok(URL_SAFE_NO_PAD.encode(Key::derive(secret, "", info, len)?.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_have_keys_of_their_own() {
        // threat-model T6
        let secret = Secret::new("a secret");
        let key = |salt: &str, info: &str| Key::derive(&secret, salt, info, 32).unwrap().bytes().to_vec();
        assert_ne!(key("", "one"), key("", "two"));
        assert_ne!(key("a", "one"), key("b", "one"));
        assert_eq!(key("a", "one"), key("a", "one"));
    }

    #[test]
    fn digests_of_texts_that_share_a_concatenation_differ() {
        // threat-model R2
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
        assert_ne!(digest("label", "token"), digest("label", "token "));
        assert_ne!(digest("label", "token"), digest("lab", "eltoken"));
    }

    #[test]
    fn a_fingerprint_is_short_and_follows_the_secret() {
        let ring = |text: &str| SecretRing::new(vec![Secret::new(text)]).unwrap();
        let print = fingerprints(&ring("one")).unwrap();
        assert_eq!(print, fingerprints(&ring("one")).unwrap());
        assert_ne!(print, fingerprints(&ring("two")).unwrap());
        assert_eq!(print[0].len(), 11);
    }
}
