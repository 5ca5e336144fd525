//! `kind = "users-file"`: users in a file, tokens of our own.
//!
//! Why: a first look and a small team need no backend. Passwords are argon2id hashes; an unknown name costs what a
//! known one costs (threat-model S4). Access tokens are signed (`EdDSA`), so that other services can check them with
//! the public keys; refresh tokens are sealed and die with the user's password, entry or `active`.
//!
//! Refresh tokens are not remembered: one that was traded stays good until it ends, and is seen by nobody but the
//! sealed session.

use std::{path::PathBuf, sync::Arc, time::Duration};

use hallpass_shared::{
    backend::BACKEND,
    clock::{Clock, UnixTime},
    refresh::Grant,
    refusal::Outage,
    secret::Secret,
    settings::{SettingsError, SharedSettings, Span, Texts},
    token::{Claims, Codec, SealedToken},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::BackendError;

mod password;
mod signing;
mod users;
mod watched;

pub use password::{HashError, hash_password};
use signing::SigningKeys;
use users::{User, Users};
use watched::Watched;

/// How long a sign-in waits for its turn at the hashing.
const PATIENCE: Duration = Duration::from_secs(5);
const REFRESH_PURPOSE: &str = "hallpass users-file refresh";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersFileText {
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    users_file: PathBuf,
    access_ttl: Option<Span>,
    refresh_ttl: Option<Span>,
}

/// Users of a file.
#[derive(Debug)]
pub(super) struct UsersFile {
    users: Arc<Watched>,
    hashing: Arc<Semaphore>,
    keys: SigningKeys,
    codec: Codec,
    issuer: String,
    access_ttl: Duration,
    refresh_ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl UsersFile {
    pub(super) fn read(
        texts: &Texts,
        shared: &SharedSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SettingsError> {
        let text: UsersFileText = texts.get(Some("backend"))?;
        let ttl = |key: &str, given: Option<Span>, default: Duration| {
            let ttl = given.map_or(default, |span| span.0);
            if ttl < Duration::from_secs(10) {
                Err(texts.invalid(key, "must be at least 10s"))
            } else {
                Ok(ttl)
            }
        };
        let access_ttl = ttl("backend.access_ttl", text.access_ttl, Duration::from_mins(15))?;
        let refresh_ttl = ttl("backend.refresh_ttl", text.refresh_ttl, Duration::from_hours(30 * 24))?;
        if refresh_ttl < access_ttl {
            return Err(
                texts.invalid("backend.refresh_ttl", "must be at least as long as backend.access_ttl")
            );
        }
        let users = Watched::open(&text.users_file).map_err(|error| {
            texts.invalid(
                "backend.users_file",
                format!("{} cannot be used: {error}", text.users_file.display()),
            )
        })?;
        let keys =
            |error: &dyn std::fmt::Display| texts.invalid("secret", format!("no keys can be made: {error}"));
        Ok(Self {
            users: Arc::new(users),
            hashing: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, Into::into))),
            keys: SigningKeys::derive(&shared.ring).map_err(|error| keys(&error))?,
            codec: Codec::for_purpose(shared.dialect, &shared.ring, REFRESH_PURPOSE)
                .map_err(|error| keys(&error))?,
            issuer: shared.auth_url.origin().ascii_serialization(),
            access_ttl,
            refresh_ttl,
            clock,
        })
    }

    pub(super) async fn sign_in(&self, username: &Secret, password: &Secret) -> Result<Grant, BackendError> {
        let busy = |_| {
            tracing::warn!(event = "backend_busy", "too many passwords wait for their check");
            Outage::of(BACKEND)
        };
        let turn =
            tokio::time::timeout(PATIENCE, Arc::clone(&self.hashing).acquire_owned()).await.map_err(busy)?;
        let (users, username, password) = (Arc::clone(&self.users), username.clone(), password.clone());
        let checked = tokio::task::spawn_blocking(move || {
            // Held to the end, whether or not anybody still waits for the answer.
            let _turn = turn;
            check(&users.current(), &username, &password)
        });
        match checked.await {
            Ok(Some(user)) => self.grant(&user),
            Ok(None) => Err(BackendError::Denied),
            Err(_) => Err(failed("a password could not be checked")),
        }
    }

    pub(super) async fn refresh(&self, refresh_token: &Secret) -> Result<Grant, BackendError> {
        let token = SealedToken::from_wire(refresh_token.expose().to_owned()).ok_or(BackendError::Denied)?;
        let opened = self.codec.open(&token, self.clock.now()).map_err(|_| BackendError::Denied)?;
        let users = Arc::clone(&self.users);
        let users = tokio::task::spawn_blocking(move || users.current())
            .await
            .map_err(|_| failed("the users file could not be looked at"))?;
        let claims = opened.claims;
        let known = users.with_id(claims.sub.as_deref().unwrap_or_default());
        let same_password =
            |user: &&User| claims.user.get("password").and_then(Value::as_str) == Some(&user.password_digest);
        let user = known.filter(|user| user.active).filter(same_password);
        self.grant(user.ok_or(BackendError::Denied)?)
    }

    pub(super) fn jwks(&self) -> Value {
        self.keys.jwks()
    }

    pub(super) fn describe(&self) -> String {
        format!("backend: {} has {} users", self.users.path().display(), self.users.current().len())
    }

    fn grant(&self, user: &User) -> Result<Grant, BackendError> {
        let now = self.clock.now();
        let access_token =
            self.access_token(user, now).map_err(|_| failed("an access token could not be signed"))?;
        let refresh_end = now.plus(self.refresh_ttl);
        let claims = Claims {
            sub: Some(user.id.clone()),
            issued_at: Some(now),
            expires: Some(refresh_end),
            token_id: Some(uuid::Uuid::new_v4().to_string()),
            user: Map::from_iter([("password".to_owned(), Value::from(user.password_digest.as_str()))]),
            ..Claims::default()
        };
        let refresh_token =
            self.codec.seal(&claims).map_err(|_| failed("a refresh token could not be sealed"))?;
        let mut fields = user.fields.clone();
        fields.insert("id".into(), Value::from(user.id.as_str()));
        Ok(Grant {
            access_token: Some(access_token),
            refresh_token: Some(Secret::new(refresh_token.expose())),
            access_token_expires: Some(now.plus(self.access_ttl)),
            refresh_token_expires: Some(refresh_end),
            user: Some(fields),
        })
    }

    /// RFC 7519, with the user's fields as private claims.
    fn access_token(&self, user: &User, now: UnixTime) -> Result<Secret, openssl::error::ErrorStack> {
        let mut claims = user.fields.clone();
        let registered = json!({
            "iss": self.issuer,
            "sub": user.id,
            "iat": now.as_seconds(),
            "exp": now.plus(self.access_ttl).as_seconds(),
            "jti": uuid::Uuid::new_v4().to_string(),
        });
        if let Value::Object(registered) = registered {
            claims.extend(registered);
        }
        self.keys.sign(&claims)
    }
}

/// The user, if name and password are right and the user may come in. The hash is computed in any case.
fn check(users: &Users, username: &Secret, password: &Secret) -> Option<User> {
    let user = users.named(username.expose());
    let right = password::verify(password, user.map_or(users.decoy(), |user| &user.password_hash));
    user.filter(|user| right && user.active).cloned()
}

fn failed(what: &'static str) -> BackendError {
    tracing::error!(event = "users_file", "{what}");
    Outage::of(BACKEND).into()
}

#[cfg(test)]
mod tests;
