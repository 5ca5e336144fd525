//! The deployment's secrets: a value or a file, never both.
//!
//! Why: a secret that is empty, guessable, or given twice in different ways is refused at start in one clear
//! sentence (threat-model T9, X5), because at run time it would only show as everybody being signed out.

use std::{io, path::Path};

use super::{SettingsError, Texts, text::SharedText};
use crate::secret::{Secret, SecretRing, WeakSecret};

const REMEDY: &str = "make one with `auth-server secret`";

/// Reads the ring from `secret`, `secrets` or `secret_file` (a secret a line, newest first).
pub(super) fn read(texts: &Texts, text: &SharedText) -> Result<SecretRing, SettingsError> {
    let (key, secrets) = match (&text.secret, &text.secrets, &text.secret_file) {
        (None, None, None) => match &text.nextauth_secret {
            Some(secret) => ("NEXTAUTH_SECRET", vec![Secret::new(secret)]),
            None => return Err(texts.missing("secret", REMEDY)),
        },
        (Some(secret), None, None) => ("secret", vec![Secret::new(secret)]),
        (None, Some(secrets), None) => ("secrets", secrets.iter().map(Secret::new).collect()),
        (None, None, Some(file)) => ("secret_file", from_file(texts, "secret_file", file)?),
        _ => return Err(several(texts)),
    };
    let weak = |place: String, weak| {
        let keep = "(or, to keep an old one, set insecure_short_secret = true)";
        let keep = if weak == WeakSecret::Short { format!(" {keep}") } else { String::new() };
        texts.invalid(key, format!("{place}{weak}; {REMEDY}{keep}"))
    };
    let count = secrets.len();
    for (index, secret) in secrets.iter().enumerate() {
        let place = if count == 1 { String::new() } else { format!("secret {} of {count} ", index + 1) };
        match SecretRing::new(vec![secret.clone()]).and_then(|alone| alone.check_strength()) {
            Err(WeakSecret::Empty) => return Err(weak(place, WeakSecret::Empty)),
            Err(error) if !text.insecure_short_secret => return Err(weak(place, error)),
            _ => {}
        }
    }
    SecretRing::new(secrets).map_err(|error| weak(String::new(), error))
}

fn several(texts: &Texts) -> SettingsError {
    let given = ["secret", "secrets", "secret_file"].into_iter().filter(|key| texts.has(key));
    let places: Vec<String> =
        given.map(|key| format!("`{key}` ({})", texts.invalid(key, "").source)).collect();
    texts.invalid("secret", format!("is given more than once, as {}; keep one", places.join(" and ")))
}

/// The secrets in a file that the setting `key` names: one a line.
///
/// # Errors
/// If it cannot be read; with what to do about it.
pub fn from_file(texts: &Texts, key: &str, file: &Path) -> Result<Vec<Secret>, SettingsError> {
    let content = std::fs::read_to_string(file).map_err(|error| {
        let path = file.display();
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => format!("; make it with `auth-server secret > {path}`"),
            io::ErrorKind::PermissionDenied => "; let this process's user read it".to_owned(),
            io::ErrorKind::InvalidData => "; it must be text, a secret a line".to_owned(),
            _ => String::new(),
        };
        texts.invalid(key, format!("{path} cannot be read: {error}{remedy}"))
    })?;
    let content = zeroize::Zeroizing::new(content);
    let secrets: Vec<Secret> =
        content.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new).collect();
    Ok(secrets)
}
