//! The session token: sealed on the wire, claims inside.
//!
//! Why: everything that touches a session goes through [`Codec`], so that there is one strict reading of a
//! token (threat-model T1 to T7) and one way of writing it. A [`SealedToken`] is a text that looks like a
//! token; only [`Codec::open`] turns it into claims.

use std::{fmt, sync::Arc};

use memory::Memory;

use crate::{
    clock::UnixTime,
    dialect::{ContentEncryption, Dialect},
    key::Key,
    secret::{Secret, SecretRing},
};

pub mod claims;
mod jwe;
mod memory;

pub use claims::{Claims, ClaimsError};

/// A compact JWE (RFC 7516 section 7.1) that nobody has opened yet. Whoever has it is the user, so it is
/// never printed.
#[derive(Clone, Debug)]
pub struct SealedToken(Secret);

/// Longest token read, in characters: eight chunks fit (threat-model T5).
const MAX_CHARS: usize = 32 * 1024;

impl SealedToken {
    /// Takes a text that has the outline of a compact JWE: five parts of base64url, the second one empty, and
    /// not too long. Cheap, so that junk is dropped before any key work.
    pub fn from_wire(text: String) -> Option<Self> {
        if text.len() > MAX_CHARS {
            return None;
        }
        // Without a way out in the middle, so that many characters are looked at in one step.
        let part = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'_' | b'.');
        let ours = text.bytes().fold(true, |ours, byte| ours & part(byte));
        let dots = text.bytes().fold(0_usize, |dots, byte| dots + usize::from(byte == b'.'));
        let outline = ours && dots == 4 && text.split('.').nth(1) == Some("");
        outline.then(|| Self(Secret::new(text)))
    }

    /// The text, for a cookie or for the auth server.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Why a token did not open. Whoever sent it learns none of this (threat-model T4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not sealed by us, damaged, or sealed with a secret we do not have.
    #[error("the token was not sealed with a secret we know")]
    Forged,
    /// Sealed by us, but its claims make no session at this time.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
}

/// The keys could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// OpenSSL refused.
    #[error("the session could not be sealed")]
    Crypto(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no key of the newest secret.
    #[error("there is no key to seal with")]
    NoKey,
    /// The claims could not be written as JSON.
    #[error("the claims could not be written")]
    Json(#[from] serde_json::Error),
}

/// What came out of a token.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The claims.
    pub claims: Arc<Claims>,
    /// Which secret had sealed it.
    pub sealed_with: SealedWith,
}

/// Which secret of the ring had sealed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedWith {
    /// The newest, with the dialect's own cipher.
    Newest,
    /// An older one or another cipher: the next write repairs it.
    Older,
}

/// Opens and seals the tokens of one cookie.
#[derive(Clone)]
pub struct Codec {
    dialect: Dialect,
    keys: Vec<SessionKey>,
    memory: Memory,
}

/// One key, made of one secret for one cipher.
#[derive(Clone)]
pub(crate) struct SessionKey {
    pub(crate) enc: ContentEncryption,
    pub(crate) key: Key,
    pub(crate) kid: Option<String>,
    pub(crate) of: SealedWith,
}

impl Codec {
    /// For the session token kept in the cookie `cookie_name`.
    ///
    /// # Errors
    /// [`SealError::Crypto`] if a key cannot be derived.
    pub fn for_session(dialect: Dialect, ring: &SecretRing, cookie_name: &str) -> Result<Self, SealError> {
        let (salt, info) = dialect.session_derivation(cookie_name);
        Self::derived(dialect, ring, &salt, &info)
    }

    /// For a token of another purpose, kept apart by a name of its own (threat-model T6).
    ///
    /// # Errors
    /// [`SealError::Crypto`] if a key cannot be derived.
    pub fn for_purpose(dialect: Dialect, ring: &SecretRing, name: &str) -> Result<Self, SealError> {
        let (salt, info) = dialect.cookie_derivation(name);
        Self::derived(dialect, ring, &salt, &info)
    }

    fn derived(dialect: Dialect, ring: &SecretRing, salt: &str, info: &str) -> Result<Self, SealError> {
        let crypto = |error| SealError::Crypto(Box::new(error));
        let mut keys = Vec::new();
        for (age, secret) in ring.iter().enumerate() {
            for &enc in dialect.opens {
                let key = Key::derive(secret, salt, info, enc.key_len()).map_err(crypto)?;
                let kid = if dialect.key_ids { Some(key.thumbprint().map_err(crypto)?) } else { None };
                let newest = age == 0 && enc == dialect.seals_with;
                let of = if newest { SealedWith::Newest } else { SealedWith::Older };
                keys.push(SessionKey { enc, key, kid, of });
            }
        }
        Ok(Self { dialect, keys, memory: Memory::new() })
    }

    /// Opens a session token: authentic, in its time, with an end and a subject.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, token: &SealedToken, now: UnixTime) -> Result<Opened, OpenError> {
        if let Some(opened) = self.memory.recall(token) {
            opened.claims.check_times(now)?;
            return Ok(opened);
        }
        let opened = self.open_any(token, now)?;
        opened.claims.check_session()?;
        self.memory.keep(token, &opened);
        Ok(opened)
    }

    /// Opens a token as NextAuth would: authentic and in its time, whatever its claims are for.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_any(&self, token: &SealedToken, now: UnixTime) -> Result<Opened, OpenError> {
        let (plaintext, sealed_with) = jwe::open(token.expose(), &self.keys, self.newest_per_cipher())?;
        let claims = Claims::from_json(&plaintext)?;
        claims.check_times(now)?;
        Ok(Opened { claims: Arc::new(claims), sealed_with })
    }

    /// Seals claims as they stand, with the newest secret.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, claims: &Claims) -> Result<SealedToken, SealError> {
        let plaintext = zeroize::Zeroizing::new(serde_json::to_vec(claims)?);
        let newest = self.keys.iter().find(|key| key.of == SealedWith::Newest).ok_or(SealError::NoKey)?;
        jwe::seal(&plaintext, newest).map(|text| SealedToken(Secret::new(text)))
    }

    /// Keys of the newest secret: the only ones tried where the dialect has key ids and a token has none.
    fn newest_per_cipher(&self) -> &[SessionKey] {
        let count = if self.dialect.key_ids { self.dialect.opens.len() } else { self.keys.len() };
        self.keys.get(..count).unwrap_or_default()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn ring(secrets: &[&str]) -> SecretRing {
        SecretRing::new(secrets.iter().copied().map(Secret::new).collect()).unwrap()
    }

    fn codec(dialect: Dialect, secrets: &[&str]) -> Codec {
        Codec::for_session(dialect, &ring(secrets), "session").unwrap()
    }

    fn claims(name: &str) -> Claims {
        let mut claims =
            Claims { sub: Some("42".into()), expires: Some(NOW.plus_seconds(60)), ..Claims::default() };
        claims.user.insert("name".into(), name.into());
        claims
    }

    impl UnixTime {
        fn plus_seconds(self, seconds: u64) -> Self {
            self.plus(std::time::Duration::from_secs(seconds))
        }
    }

    #[test]
    fn a_token_of_an_older_secret_opens_and_one_of_a_dropped_secret_does_not() {
        // threat-model T10
        for dialect in [Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5] {
            let token = codec(dialect, &["old"]).seal(&claims("x")).unwrap();
            let rotated = codec(dialect, &["new", "old"]).open(&token, NOW).unwrap();
            assert_eq!(rotated.sealed_with, SealedWith::Older);
            assert_eq!(codec(dialect, &["new"]).open(&token, NOW).unwrap_err(), OpenError::Forged);
        }
    }

    #[test]
    fn a_token_of_another_purpose_or_cookie_is_refused() {
        // threat-model T6: in version 4 the session's salt is empty, so only other purposes are kept apart.
        let v5 = Dialect::AUTHJS_V5;
        let other = Codec::for_session(v5, &ring(&["s"]), "other").unwrap().seal(&claims("x")).unwrap();
        assert_eq!(codec(v5, &["s"]).open(&other, NOW).unwrap_err(), OpenError::Forged);
        for dialect in [Dialect::NEXT_AUTH_V4, v5] {
            let purpose = Codec::for_purpose(dialect, &ring(&["s"]), "state").unwrap();
            let token = purpose.seal(&claims("x")).unwrap();
            assert_eq!(codec(dialect, &["s"]).open(&token, NOW).unwrap_err(), OpenError::Forged);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_sealed_opens(name in "\\PC{0,200}", v5 in any::<bool>()) {
            let codec = codec(if v5 { Dialect::AUTHJS_V5 } else { Dialect::NEXT_AUTH_V4 }, &["s"]);
            let token = codec.seal(&claims(&name)).unwrap();
            let opened = codec.open(&token, NOW).unwrap();
            prop_assert_eq!(opened.claims.user["name"].as_str(), Some(name.as_str()));
            prop_assert_eq!(opened.sealed_with, SealedWith::Newest);
        }

        #[test]
        fn no_text_makes_the_codec_panic(text in "[A-Za-z0-9._-]{0,300}") {
            if let Some(token) = SealedToken::from_wire(text) {
                prop_assert!(codec(Dialect::AUTHJS_V5, &["s"]).open(&token, NOW).is_err());
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_refused_with_one_answer() {
        // threat-model T4
        for dialect in [Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5] {
            let codec = codec(dialect, &["s"]);
            let good = codec.seal(&claims("x")).unwrap();
            for at in 0..good.expose().len() {
                for bit in 0..7 {
                    let mut bytes = good.expose().as_bytes().to_vec();
                    bytes[at] ^= 1 << bit;
                    let text = String::from_utf8(bytes).unwrap();
                    if let Some(token) = SealedToken::from_wire(text) {
                        assert_eq!(codec.open(&token, NOW).unwrap_err(), OpenError::Forged, "byte {at}");
                    }
                }
            }
        }
    }
}
