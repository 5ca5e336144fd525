//! The authorize step: who checks a password.
//!
//! Why: the auth server and the satellites mount the same endpoints and differ in this one thing. The auth
//! server's provider asks the backend; a satellite's authorizes nobody. "Authorize" is NextAuth's word for
//! checking credentials.

use std::{fmt, net::IpAddr, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    csrf::CsrfVerified, refresh::Grant, refusal::Outage, revocation::Revocation, secret::Secret,
    token::Claims,
};

/// What a user typed. The password is forwarded byte for byte (threat-model S5).
#[derive(Debug)]
pub struct Credentials {
    /// Name or e-mail address, 1 to 320 bytes, without control characters.
    pub username: Secret,
    /// 1 to 1024 bytes, without NUL.
    pub password: Secret,
    /// Where the request came from, for the throttle.
    pub address: Option<IpAddr>,
}

impl Credentials {
    const MAX_USERNAME_BYTES: usize = 320;
    const MAX_PASSWORD_BYTES: usize = 1024;

    /// Takes the two fields if they are within bounds.
    ///
    /// # Errors
    /// [`AuthorizeError::Denied`]: an impossible name or password is a wrong one.
    pub fn new(username: String, password: String, address: Option<IpAddr>) -> Result<Self, AuthorizeError> {
        let name_fits = (1..=Self::MAX_USERNAME_BYTES).contains(&username.len())
            && !username.trim().is_empty()
            && !username.chars().any(char::is_control);
        let password_fits =
            (1..=Self::MAX_PASSWORD_BYTES).contains(&password.len()) && !password.contains('\0');
        let (username, password) = (Secret::new(username), Secret::new(password));
        if name_fits && password_fits {
            Ok(Self { username, password, address })
        } else {
            Err(AuthorizeError::Denied)
        }
    }
}

/// Why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// Wrong, unknown or disabled: one answer for all (threat-model S4).
    #[error("the credentials were not accepted")]
    Denied,
    /// Too many attempts; the next one makes sense after this time.
    #[error("too many sign-in attempts")]
    Throttled(Duration),
    /// The backend cannot be asked now.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}

/// How signing out is carried on to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOutReach {
    /// This session.
    Session,
    /// This session, since its browser has just begun another one. The backend is not told: some end all of a user's
    /// tokens, the new ones among them.
    Replaced,
    /// All sessions of the user.
    Everywhere,
}

/// Checks credentials and ends sessions.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Checks credentials. The proof is that the form was our own.
    fn authorize(
        &self,
        proof: CsrfVerified,
        credentials: Credentials,
    ) -> BoxFuture<'_, Result<Grant, AuthorizeError>>;

    /// Carries on that a session has ended, or all of its user: to the other nodes, bounded in time, and to the backend,
    /// best effort.
    fn signed_out<'a>(&'a self, ended: Ended<'a>) -> BoxFuture<'a, ()>;
}

/// A session that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// What it was.
    pub claims: &'a Claims,
    /// Whether others ended with it.
    pub reach: SignOutReach,
    /// What this node has put on its list.
    pub revocation: Option<Revocation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_credentials_are_wrong_ones() {
        // threat-model S5
        let take = |name: &str, password: &str| Credentials::new(name.into(), password.into(), None);
        assert!(take("a@example.com", "  pass word  ").is_ok());
        assert!(take(&"a".repeat(320), &"p".repeat(1024)).is_ok());
        for (name, password) in [
            ("", "p"),
            (" ", "p"),
            ("a", ""),
            (&*"a".repeat(321), "p"),
            ("a", &*"p".repeat(1025)),
            ("a\r\nb", "p"),
            ("a\0", "p"),
            ("a", "p\0x"),
        ] {
            assert_eq!(take(name, password).err(), Some(AuthorizeError::Denied));
        }
    }
}
