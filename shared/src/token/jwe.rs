//! Opens and seals compact JWEs with `alg=dir` (RFC 7516 sections 5.1 and 5.2, RFC 7518 sections 4.5 and 5).
//!
//! Why: this is where an attacker's bytes meet the key, so it takes exactly what NextAuth itself writes and
//! nothing more: five parts, an empty encrypted key, a header of `alg`, `enc` and perhaps `kid`, strict
//! base64url, full-length vector and tag, all checked before any key work (threat-model T1 to T5). It is the
//! only file that knows josekit.
//!
//! josekit 0.10 decrypts A256CBC-HS512 before it compares the tag, and compares with `==` (threat-model T4).
//! Opening that cipher is therefore done here, tag first and in constant time; josekit does the rest.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    JoseError,
    jwe::{Dir, JweContext, JweHeader, enc},
};
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    memcmp,
    pkey::PKey,
    sign::Signer,
    symm::{self, Cipher},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{OpenError, SealError, SealedWith, SessionKey};
use crate::dialect::ContentEncryption;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    // A `null` is a value that is no string, so it must not read as absent.
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// Opens `text` with the key that its header names among `keys`; without a name, with one of `unnamed`.
///
/// # Errors
/// [`OpenError::Forged`], whatever was wrong.
pub(super) fn open(
    text: &str,
    keys: &[SessionKey],
    unnamed: &[SessionKey],
) -> Result<(Zeroizing<Vec<u8>>, SealedWith), OpenError> {
    let mut parts = text.splitn(6, '.');
    let parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
    let [Some(head), Some(""), Some(iv), Some(ciphertext), Some(tag), None] = parts else {
        return Err(OpenError::Forged);
    };
    let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| OpenError::Forged)?;
    if header.alg != "dir" {
        return Err(OpenError::Forged);
    }
    let (iv, tag) = (decode(iv)?, decode(tag)?);
    let mut ciphertext_bytes = None;
    let candidates = if header.kid.is_some() { keys } else { unnamed };
    for key in candidates {
        let named = header.kid.is_none() || key.kid.is_none() || header.kid == key.kid;
        let fits =
            key.enc.name() == header.enc && iv.len() == key.enc.iv_len() && tag.len() == key.enc.tag_len();
        if !named || !fits {
            continue;
        }
        if ciphertext_bytes.is_none() {
            ciphertext_bytes = Some(decode(ciphertext)?);
        }
        let sealed = ciphertext_bytes.as_deref().unwrap_or_default();
        if let Some(plaintext) = decrypt(key, &iv, sealed, head.as_bytes(), &tag) {
            return Ok((Zeroizing::new(plaintext), key.of));
        }
    }
    Err(OpenError::Forged)
}

/// Seals `plaintext` with a fresh random vector.
///
/// # Errors
/// [`SealError::Crypto`].
pub(super) fn seal(plaintext: &[u8], key: &SessionKey) -> Result<String, SealError> {
    let crypto = |error: JoseError| SealError::Crypto(Box::new(error));
    let mut header = JweHeader::new();
    header.set_algorithm("dir");
    header.set_content_encryption(key.enc.name());
    if let Some(kid) = &key.kid {
        header.set_key_id(kid);
    }
    let encrypter = Dir.encrypter_from_bytes(key.key.bytes()).map_err(crypto)?;
    JweContext::new().serialize_compact(plaintext, &header, &encrypter).map_err(crypto)
}

fn decode(part: &str) -> Result<Vec<u8>, OpenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| OpenError::Forged)
}

/// The plaintext, if the tag holds.
fn decrypt(key: &SessionKey, iv: &[u8], sealed: &[u8], aad: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
    match key.enc {
        // OpenSSL gives no plaintext without the tag.
        ContentEncryption::A256Gcm => {
            enc::A256GCM.decrypt(key.key.bytes(), Some(iv), sealed, aad, Some(tag)).ok()
        }
        ContentEncryption::A256CbcHs512 => {
            let (mac_key, aes_key) = key.key.bytes().split_at_checked(32)?;
            let holds = cbc_tag(mac_key, iv, sealed, aad).is_ok_and(|expected| {
                let expected = expected.get(..tag.len()).unwrap_or_default();
                expected.len() == tag.len() && memcmp::eq(expected, tag)
            });
            if holds { symm::decrypt(Cipher::aes_256_cbc(), aes_key, Some(iv), sealed).ok() } else { None }
        }
    }
}

/// HMAC-SHA-512 over AAD, vector, ciphertext and the length of the AAD in bits; its first half is the tag
/// (RFC 7518 section 5.2.2.1).
fn cbc_tag(mac_key: &[u8], iv: &[u8], sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(mac_key)?;
    let mut signer = Signer::new(MessageDigest::sha512(), &key)?;
    for piece in [aad, iv, sealed, &(aad.len() as u64 * 8).to_be_bytes()] {
        signer.update(piece)?;
    }
    signer.sign_to_vec()
}
