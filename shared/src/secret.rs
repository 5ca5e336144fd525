//! Values that must not be seen: passwords, tokens, and the deployment's secret with its predecessors.
//!
//! Why: a secret that can be printed, compared with `==` or serialised by accident will be (threat-model
//! law 9, X1). [`Secret`] can do none of these; its bytes are zeroed when it goes.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// A text that is never printed and is zeroed when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one place that must have it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `other` is the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &str) -> bool {
        self.expose().as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The deployment's secrets, newest first: what is sealed is sealed with the newest, and opened with any
/// (threat-model T10).
#[derive(Clone, Debug)]
pub struct SecretRing(Vec<Secret>);

/// Why a secret cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakSecret {
    /// No secret at all, or an empty one in the list.
    #[error("is empty")]
    Empty,
    /// Too short to resist guessing.
    #[error("has fewer than {} bytes", SecretRing::MIN_BYTES)]
    Short,
    /// A value found in documentation.
    #[error("is a sample value from documentation, which everybody knows")]
    Sample,
    /// Few different characters, or one piece repeated.
    #[error("has too little variety to be random")]
    Monotonous,
}

impl SecretRing {
    /// Fewest bytes of a secret that the settings accept (RFC 7518 section 3.2 asks the same of HMAC keys).
    pub const MIN_BYTES: usize = 32;

    /// Takes secrets, newest first.
    ///
    /// # Errors
    /// [`WeakSecret::Empty`] without any, or if one of them is empty: an empty entry is an error, never "no key".
    pub fn new(secrets: Vec<Secret>) -> Result<Self, WeakSecret> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err(WeakSecret::Empty);
        }
        Ok(Self(secrets))
    }

    /// All secrets, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    /// The secret that seals.
    pub fn newest(&self) -> &Secret {
        #[expect(clippy::indexing_slicing, reason = "`new` refuses an empty ring")]
        &self.0[0]
    }

    /// Refuses a ring in which any secret could be guessed (threat-model T9).
    ///
    /// # Errors
    /// The first weakness found.
    pub fn check_strength(&self) -> Result<(), WeakSecret> {
        self.iter().try_for_each(check_strength)
    }
}

fn check_strength(secret: &Secret) -> Result<(), WeakSecret> {
    const SAMPLES: [&str; 6] =
        ["changeme", "change-me", "your-secret", "yoursecret", "supersecret", "mysecret"];
    let text = secret.expose();
    let lower = text.to_ascii_lowercase();
    if SAMPLES.iter().any(|sample| lower.contains(sample)) {
        return Err(WeakSecret::Sample);
    }
    if text.len() < SecretRing::MIN_BYTES {
        return Err(WeakSecret::Short);
    }
    let mut seen = [false; 256];
    for &byte in text.as_bytes() {
        if let Some(slot) = seen.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|seen| **seen).count();
    let bytes = text.as_bytes();
    let repeats = (1..=bytes.len() / 2)
        .any(|period| bytes.iter().zip(bytes.iter().skip(period)).all(|(one, other)| one == other));
    if distinct < 8 || repeats { Err(WeakSecret::Monotonous) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(text: &str) -> Result<(), WeakSecret> {
        SecretRing::new(vec![Secret::new(text)])?.check_strength()
    }

    #[test]
    fn weak_secrets_are_named_for_what_they_are() {
        // threat-model T9
        assert_eq!(strength(""), Err(WeakSecret::Empty));
        assert_eq!(strength("short but 5o random?"), Err(WeakSecret::Short));
        assert_eq!(strength("please-changeme-please-changeme-please!"), Err(WeakSecret::Sample));
        assert_eq!(strength(&"a".repeat(64)), Err(WeakSecret::Monotonous));
        assert_eq!(strength(&"abcdefghij".repeat(4)), Err(WeakSecret::Monotonous));
        assert_eq!(strength("d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b"), Ok(()));
        let ring =
            SecretRing::new(vec![Secret::new("d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b"), Secret::new("short")]);
        assert_eq!(ring.unwrap().check_strength(), Err(WeakSecret::Short));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
    }
}
