//! The backend: who really knows users and passwords.
//!
//! Why: Hallpass stands in front of what a team has already. Whatever that is, it is asked for four things: sign
//! somebody in, renew tokens, say who the user is, and end a session. Its answers are granted, definitely denied, or
//! not to be told (threat-model R4); nothing it says reaches a client or the log (K5).
//!
//! `rest` and `graphql` ask a server; `users-file` reads a file, for a first look and for small teams.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hallpass_shared::{
    backend::{HttpBackend, Protocol},
    clock::{Clock, SystemClock},
    refresh::Grant,
    secret::Secret,
    settings::{SettingsError, SharedSettings, Texts},
    token::Claims,
};
use serde::Deserialize;

mod users_file;

pub use hallpass_shared::renewal::BackendError;

use self::users_file::UsersFile;
pub use users_file::{HashError, hash_password};

/// Who checks passwords and renews tokens.
#[derive(Debug)]
pub struct Backend(Kind);

#[derive(Debug)]
enum Kind {
    Http(Box<HttpBackend>),
    UsersFile(Box<UsersFile>),
}

/// The key that says how the rest of the section is read.
#[derive(Deserialize)]
struct KindText {
    kind: KindName,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Rest,
    #[serde(rename = "graphql")]
    GraphQl,
    UsersFile,
}

impl Backend {
    /// Reads `[backend]`, with the files it names.
    ///
    /// # Errors
    /// The first [`SettingsError`].
    pub fn read(texts: &Texts, shared: &SharedSettings) -> Result<Self, SettingsError> {
        if !texts.has("backend.kind") {
            return Err(
                texts.missing("backend.kind", "say who checks passwords: rest, graphql or users-file")
            );
        }
        let text: KindText = texts.get(Some("backend"))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let kind = match text.kind {
            KindName::Rest => Kind::Http(Box::new(HttpBackend::read(Protocol::Rest, texts, clock)?)),
            KindName::GraphQl => Kind::Http(Box::new(HttpBackend::read(Protocol::GraphQl, texts, clock)?)),
            KindName::UsersFile => Kind::UsersFile(Box::new(UsersFile::read(texts, shared, clock)?)),
        };
        Ok(Self(kind))
    }

    /// The same backend by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self(match self.0 {
            Kind::Http(backend) => Kind::Http(Box::new(backend.with_clock(clock))),
            Kind::UsersFile(mut backend) => {
                backend.clock = clock;
                Kind::UsersFile(backend)
            }
        })
    }

    /// Checks a name and a password. `address` is the client's; the backend learns it only where the settings name
    /// a header for it.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn sign_in(
        &self,
        username: &Secret,
        password: &Secret,
        address: Option<IpAddr>,
    ) -> Result<Grant, BackendError> {
        match &self.0 {
            Kind::Http(backend) => backend.sign_in(username, password, address).await,
            Kind::UsersFile(backend) => backend.sign_in(username, password).await,
        }
    }

    /// Trades a refresh token for new tokens. To be called once for each token: a backend may take a second use for
    /// theft (threat-model R1).
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Grant, BackendError> {
        match &self.0 {
            Kind::Http(backend) => backend.refresh(refresh_token).await,
            Kind::UsersFile(backend) => backend.refresh(refresh_token).await,
        }
    }

    /// How long a request waits for a renewal, which goes on without it.
    pub fn patience(&self) -> Duration {
        match &self.0 {
            Kind::Http(backend) => backend.patience(),
            Kind::UsersFile(_) => Duration::from_secs(5),
        }
    }

    /// Tells the backend that a session has ended: best effort, two seconds at most.
    pub async fn sign_out(&self, claims: &Claims) {
        match &self.0 {
            Kind::Http(backend) => backend.sign_out(claims).await,
            // Its refresh tokens live in the session only, which has ended.
            Kind::UsersFile(_) => {}
        }
    }

    /// Whether the backend can be reached, in a sentence.
    ///
    /// # Errors
    /// What is wrong and what to do, in a sentence.
    pub async fn reach(&self) -> Result<String, String> {
        match &self.0 {
            Kind::Http(backend) => backend.reach().await,
            Kind::UsersFile(backend) => Ok(backend.describe()),
        }
    }

    /// Public keys of the access tokens that we sign ourselves (RFC 7517 section 5): none with a server as backend.
    pub fn jwks(&self) -> serde_json::Value {
        match &self.0 {
            Kind::Http(_) => serde_json::json!({ "keys": [] }),
            Kind::UsersFile(backend) => backend.jwks(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_missing_or_unknown_is_named() {
        let shared = "secret = \"d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b\"\nparent_domain = \"example.com\"\n\
                      auth_url = \"https://auth.example.com\"\n";
        for section in ["", "backend.kind = \"ldap\""] {
            let texts = Texts::from_toml(&format!("{shared}{section}")).unwrap();
            let error =
                Backend::read(&texts, &SharedSettings::read(&texts).unwrap()).unwrap_err().to_string();
            assert!(
                error.contains("`backend.kind`") && error.contains("rest, graphql or users-file"),
                "{error}"
            );
        }
    }
}
