//! Key derivation and compact JWE once more, written from the RFCs alone.
//!
//! Why: a codec that is only tested against itself can be wrong in both directions at once. This one shares
//! no line with the product: HKDF from bare HMAC (RFC 5869 section 2), both ciphers straight from OpenSSL
//! (RFC 7518 sections 5.2.2 and 5.3). It knows no attackers, and panics at whatever it does not like.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    hash::MessageDigest,
    pkey::PKey,
    sha::{sha256, sha512},
    sign::Signer,
    symm::{self, Cipher},
};

/// What came out of a token.
pub(super) struct Opened {
    /// Exact text of the protected header.
    pub(super) header: String,
    /// Exact text of the payload.
    pub(super) plaintext: String,
}

/// HKDF-SHA256, `len` bytes.
pub(super) fn derive(secret: &str, salt: &str, info: &str, len: usize) -> Vec<u8> {
    let salt = if salt.is_empty() { &[0; 32] } else { salt.as_bytes() };
    let extracted = hmac(MessageDigest::sha256(), salt, &[secret.as_bytes()]);
    let mut key = Vec::new();
    let mut block = Vec::new();
    for number in 1u8.. {
        block = hmac(MessageDigest::sha256(), &extracted, &[&block, info.as_bytes(), &[number]]);
        key.extend_from_slice(&block);
        if key.len() >= len {
            break;
        }
    }
    key.truncate(len);
    key
}

/// JWK thumbprint of a symmetric key (RFC 7638 section 3), with the hash that Auth.js picks for its length.
pub(super) fn kid(key: &[u8]) -> String {
    let jwk = format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(key));
    if key.len() == 64 {
        URL_SAFE_NO_PAD.encode(sha512(jwk.as_bytes()))
    } else {
        URL_SAFE_NO_PAD.encode(sha256(jwk.as_bytes()))
    }
}

/// The token; the length of the key says which cipher.
pub(super) fn seal(key: &[u8], iv: &[u8], header: &str, plaintext: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(header);
    let aad = head.as_bytes();
    let (sealed, tag) = if key.len() == 64 {
        let (mac_key, aes_key) = key.split_at(32);
        let sealed = symm::encrypt(Cipher::aes_256_cbc(), aes_key, Some(iv), plaintext.as_bytes()).unwrap();
        let tag = cbc_tag(mac_key, aad, iv, &sealed);
        (sealed, tag)
    } else {
        let mut tag = vec![0; 16];
        let cipher = Cipher::aes_256_gcm();
        let sealed = symm::encrypt_aead(cipher, key, Some(iv), aad, plaintext.as_bytes(), &mut tag).unwrap();
        (sealed, tag)
    };
    let [iv, sealed, tag] = [iv, &sealed, &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{head}..{iv}.{sealed}.{tag}")
}

/// What is in the token.
pub(super) fn open(key: &[u8], token: &str) -> Opened {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, "", rest @ ..] = parts.as_slice() else { panic!("no direct encryption: {token}") };
    let decoded: Vec<Vec<u8>> = rest.iter().map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let [iv, sealed, tag] = decoded.as_slice() else { panic!("not five parts: {token}") };
    let plaintext = if key.len() == 64 {
        let (mac_key, aes_key) = key.split_at(32);
        assert_eq!(&cbc_tag(mac_key, head.as_bytes(), iv, sealed), tag, "the tag does not hold: {token}");
        symm::decrypt(Cipher::aes_256_cbc(), aes_key, Some(iv), sealed).unwrap()
    } else {
        let aad = head.as_bytes();
        symm::decrypt_aead(Cipher::aes_256_gcm(), key, Some(iv), aad, sealed, tag).unwrap()
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Opened { header: text(URL_SAFE_NO_PAD.decode(head).unwrap()), plaintext: text(plaintext) }
}

/// Bytes written in hexadecimal.
pub(super) fn unhex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn cbc_tag(mac_key: &[u8], aad: &[u8], iv: &[u8], sealed: &[u8]) -> Vec<u8> {
    let bits = (aad.len() as u64 * 8).to_be_bytes();
    let mut tag = hmac(MessageDigest::sha512(), mac_key, &[aad, iv, sealed, &bits]);
    tag.truncate(32);
    tag
}

fn hmac(digest: MessageDigest, key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    let mut signer = Signer::new(digest, &key).unwrap();
    for piece in pieces {
        signer.update(piece).unwrap();
    }
    signer.sign_to_vec().unwrap()
}
