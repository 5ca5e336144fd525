//! What an app may see of a session, and how long sessions live.
//!
//! Why: the claims hold tokens; an app, a browser script or a log must never get those by accident
//! (threat-model B9). A [`Session`] holds what was chosen to be shown. An app names its own user type and
//! gets it deserialised, or a clear error; the machinery itself works with a JSON object.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned, ser::SerializeMap as _};
use serde_json::{Map, Value};

use crate::{
    clock::UnixTime,
    secret::Secret,
    token::{Claims, claims::own_fields},
};

/// A signed-in user's session. Serialises to NextAuth's `{"user": …, "expires": …}`.
#[derive(Clone, Debug)]
pub struct Session<U = Map<String, Value>> {
    /// The user: `name`, `email`, `image` and the user's own fields.
    pub user: U,
    /// When the session ends unless it is used again.
    pub expires: UnixTime,
    /// What a client should know though the session stands.
    pub error: Option<SessionError>,
    /// When the backend's access token ends.
    pub access_token_expires: Option<UnixTime>,
    /// The backend's access token, where `session.expose_access_token` is on.
    pub access_token: Option<Secret>,
    /// Id of the session, the same from sign-in to sign-out.
    pub sid: Option<String>,
    /// When the user last gave a password, for acts that need a fresh sign-in (threat-model C3).
    pub auth_time: Option<UnixTime>,
}

/// A condition of a session that stands all the same; spelled as NextAuth's users know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The access token is over and could not be renewed for now.
    RefreshAccessTokenError,
}

/// The user's fields do not fit the type that the app asked for.
#[derive(Debug, thiserror::Error)]
#[error("the session's user does not have the form this app expects")]
pub struct UserMismatch(#[source] serde_json::Error);

impl Session {
    /// The session with the user as a type of the app's own.
    ///
    /// # Errors
    /// [`UserMismatch`] names the field that is missing or different.
    pub fn typed<U: DeserializeOwned>(self) -> Result<Session<U>, UserMismatch> {
        let user = serde_json::from_value(Value::Object(self.user)).map_err(UserMismatch)?;
        Ok(Session {
            user,
            expires: self.expires,
            error: self.error,
            access_token_expires: self.access_token_expires,
            access_token: self.access_token,
            sid: self.sid,
            auth_time: self.auth_time,
        })
    }

    /// A text to address the user by: name, else e-mail, else nothing.
    pub fn display_name(&self) -> &str {
        let text =
            |field| self.user.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        text("name").or_else(|| text("email")).unwrap_or_default()
    }
}

impl<U: Serialize> Serialize for Session<U> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("user", &self.user)?;
        map.serialize_entry("expires", &self.expires.to_rfc3339())?;
        if let Some(SessionError::RefreshAccessTokenError) = self.error {
            map.serialize_entry("error", "RefreshAccessTokenError")?;
        }
        if let Some(token) = &self.access_token {
            map.serialize_entry("token", token.expose())?;
        }
        map.end()
    }
}

/// How long sessions live. Defaults: 30 days rolling, re-sealed once an hour, 90 days at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// A session unused for this long ends.
    pub max_age: Duration,
    /// A token younger than this is not sealed again just to move its end.
    pub update_age: Duration,
    /// Counted from sign-in; never moved (threat-model T13).
    pub absolute_max_age: Duration,
}

impl Default for Lifetime {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            max_age: Duration::from_secs(30 * DAY),
            update_age: Duration::from_hours(1),
            absolute_max_age: Duration::from_secs(90 * DAY),
        }
    }
}

impl Lifetime {
    /// When the session of these claims ends whatever happens. Without an absolute end of its own it counts
    /// from the sign-in, else from the sealing, else the token's own end is the last.
    pub fn absolute_end(&self, claims: &Claims) -> Option<UnixTime> {
        let since = claims.auth_time.or(claims.issued_at);
        claims
            .absolute_expires
            .or_else(|| since.map(|since| since.plus(self.absolute_max_age)))
            .or(claims.expires)
    }

    /// Whether the token is old enough to be sealed again.
    pub fn is_due(&self, claims: &Claims, now: UnixTime) -> bool {
        claims.issued_at.is_none_or(|sealed| now.since(sealed) >= self.update_age)
    }

    /// The claims as they are sealed at `now`: a new end and token id, and what a Next.js app left out, the
    /// fields of its access token among it.
    #[must_use]
    pub fn stamp(&self, claims: &Claims, now: UnixTime) -> Claims {
        let absolute = self.absolute_end(claims).unwrap_or_else(|| now.plus(self.absolute_max_age));
        let id = || uuid::Uuid::new_v4().to_string();
        let mut user = claims.user.clone();
        if let (None, Some(token)) = (&claims.sid, &claims.access_token) {
            for (name, value) in own_fields(token) {
                user.entry(name).or_insert(value);
            }
        }
        Claims {
            user,
            auth_time: claims.auth_time.or(claims.issued_at),
            absolute_expires: Some(absolute),
            sid: claims.sid.clone().or_else(|| Some(id())),
            issued_at: Some(now),
            expires: Some(now.plus(self.max_age).min(absolute)),
            token_id: Some(id()),
            ..claims.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_refresh_never_moves_the_absolute_end() {
        // threat-model T13
        let lifetime = Lifetime::default();
        let mut claims = lifetime.stamp(&Claims { auth_time: Some(NOW), ..Claims::default() }, NOW);
        let end = claims.absolute_expires;
        assert_eq!(end, Some(NOW.plus(90 * DAY)));
        for day in 1..90 {
            claims = lifetime.stamp(&claims, NOW.plus(day * DAY));
            assert_eq!(claims.absolute_expires, end);
            assert!(claims.expires <= end);
        }
        assert_eq!(claims.expires, end);
    }

    #[test]
    fn claims_of_a_nextjs_app_are_completed() {
        let theirs =
            Claims { sub: Some("1".into()), issued_at: Some(NOW), expires: Some(NOW), ..Claims::default() };
        let ours = Lifetime::default().stamp(&theirs, NOW.plus(DAY));
        assert!(ours.sid.is_some() && ours.token_id.is_some());
        assert_eq!(ours.auth_time, Some(NOW));
        assert_eq!(ours.absolute_expires, Some(NOW.plus(90 * DAY)));
        let again = Lifetime::default().stamp(&ours, NOW.plus(2 * DAY));
        assert_eq!(again.sid, ours.sid, "the session keeps its id");
        assert_ne!(again.token_id, ours.token_id);
    }

    #[test]
    fn an_app_gets_its_own_user_type_or_a_clear_error() {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Mine {
            is_admin: bool,
        }
        let session = |user: Value| Session {
            user: user.as_object().unwrap().clone(),
            expires: NOW,
            error: None,
            access_token_expires: None,
            access_token: None,
            sid: None,
            auth_time: None,
        };
        let typed = session(serde_json::json!({"isAdmin": true, "name": "x"})).typed::<Mine>().unwrap();
        assert!(typed.user.is_admin);
        let error = session(serde_json::json!({"name": "x"})).typed::<Mine>().err().unwrap();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("isAdmin"));
    }
}
