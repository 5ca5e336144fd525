//! The deployment's secrets: a value or a file, never both.
//!
//! Why: a secret that is empty, guessable, or given twice in different ways is refused at start in one clear
//! sentence (threat-model T9, X5), because at run time it would only show as everybody being signed out.

use std::path::Path;

use super::{SettingsError, Texts, text::SharedText};
use crate::secret::{Secret, SecretRing, WeakSecret};

const REMEDY: &str = "make one with `auth-server secret`";

/// Reads the ring from `secret`, `secrets` or `secret_file` (a secret a line, newest first).
pub(super) fn read(texts: &Texts, text: &SharedText) -> Result<SecretRing, SettingsError> {
    let (key, secrets) = match (&text.secret, &text.secrets, &text.secret_file) {
        (None, None, None) if text.nextauth_secret.is_some() => {
            ("nextauth_secret", text.nextauth_secret.iter().map(Secret::new).collect())
        }
        (None, None, None) => return Err(texts.invalid("secret", format!("is missing; {REMEDY}"))),
        (Some(secret), None, None) => ("secret", vec![Secret::new(secret)]),
        (None, Some(secrets), None) => ("secrets", secrets.iter().map(Secret::new).collect()),
        (None, None, Some(file)) => ("secret_file", from_file(texts, file)?),
        _ => {
            let problem = "is one of several; give exactly one of secret, secrets and secret_file";
            return Err(texts.invalid("secret", problem));
        }
    };
    let weak = |weak: WeakSecret| texts.invalid(key, format!("{weak}; {REMEDY}"));
    let ring = SecretRing::new(secrets).map_err(weak)?;
    match ring.check_strength() {
        Err(WeakSecret::Empty) => Err(weak(WeakSecret::Empty)),
        Err(error) if !text.insecure_short_secret => Err(weak(error)),
        _ => Ok(ring),
    }
}

fn from_file(texts: &Texts, file: &Path) -> Result<Vec<Secret>, SettingsError> {
    let content = std::fs::read_to_string(file).map_err(|error| {
        texts.invalid("secret_file", format!("{} cannot be read: {error}", file.display()))
    })?;
    let content = zeroize::Zeroizing::new(content);
    let secrets: Vec<Secret> =
        content.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new).collect();
    Ok(secrets)
}
