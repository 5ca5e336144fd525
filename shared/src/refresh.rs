//! Renewing the backend's access token: when it is due, and who does it.
//!
//! Why: the jwt callback is the same on every node, but the auth server asks the backend while a satellite
//! asks the auth server. [`Refresher`] is that seam. What comes back replaces the tokens and re-reads the
//! user's fields, so that a role taken away is gone after one access token's life (threat-model T15).

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::{
    clock::UnixTime,
    refusal::{NotAdmitted, Outage, Refusal},
    secret::Secret,
    token::{
        Claims,
        claims::{jwt_payload, jwt_time, own_fields, sealable},
    },
};

/// Renews the tokens in claims.
pub trait Refresher: fmt::Debug + Send + Sync {
    /// The claims with new tokens. Whoever calls may go away; the renewal ends all the same.
    ///
    /// Where `due` is [`Due::Soon`], nobody waits for what somebody else has begun: that is an outage, too.
    ///
    /// The error says whether the refresh token is definitely dead or it cannot be told now.
    fn refresh<'a>(&'a self, claims: &'a Claims, due: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>>;
}

/// For a deployment whose sessions hold no tokens to renew.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRefresher;

impl Refresher for NoRefresher {
    fn refresh<'a>(&'a self, _: &'a Claims, _: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
        Box::pin(std::future::ready(Err(Outage::of("a refresher").into())))
    }
}

/// What a backend gives at sign-in and at each refresh.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// The new access token.
    pub access_token: Option<Secret>,
    /// The new refresh token; absent where the backend does not rotate.
    pub refresh_token: Option<Secret>,
    /// When the access token ends, if the reply said so.
    pub access_token_expires: Option<UnixTime>,
    /// When the refresh token ends, if the reply said so.
    pub refresh_token_expires: Option<UnixTime>,
    /// The user's fields, if the reply or a call of its own gave them.
    pub user: Option<Map<String, Value>>,
}

impl Grant {
    /// `claims` with what was granted. Fields that only the old access token had brought go with it.
    pub fn apply_to(&self, claims: &Claims) -> Claims {
        let mut renewed = claims.clone();
        for (name, _) in claims.access_token.as_ref().map(own_fields).unwrap_or_default() {
            renewed.user.remove(&name);
        }
        let token_fields = self.access_token.as_ref().map(own_fields).unwrap_or_default();
        renewed.user.extend(token_fields.clone());
        if let Some(token) = &self.access_token {
            renewed.access_token_expires = self.access_token_expires.or_else(|| token_end(token));
            renewed.access_token = Some(token.clone());
        }
        if let Some(token) = &self.refresh_token {
            renewed.refresh_token_expires = self.refresh_token_expires.or_else(|| token_end(token));
            renewed.refresh_token = Some(token.clone());
        }
        if let Some(user) = &self.user {
            // A field that the backend leaves out is gone, a role among them; its own fields an app adds again.
            let stays =
                |name: &String| NEXTAUTHS_OWN.contains(&name.as_str()) || token_fields.contains_key(name);
            renewed.user.retain(|name, _| stays(name));
            renewed.user.extend(sealable(user.clone()));
        }
        renewed
    }

    /// The user's id for a new session: from the user's fields, else from the access token.
    pub fn subject(&self) -> Option<String> {
        let id = |fields: &Map<String, Value>| {
            ["sub", "id", "pk", "user_id", "userId", "uuid"]
                .iter()
                .find_map(|name| scalar(fields.get(*name)?))
        };
        let from_token = || id(&self.access_token.as_ref().and_then(jwt_payload)?);
        self.user.as_ref().and_then(id).or_else(from_token)
    }
}

/// Fields every NextAuth session has, kept when the backend says nothing about them.
const NEXTAUTHS_OWN: [&str; 3] = ["name", "email", "picture"];

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn token_end(token: &Secret) -> Option<UnixTime> {
    jwt_time(&jwt_payload(token)?, "exp")
}

/// How the tokens in claims stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Fresh, or there is none.
    No,
    /// Within `skew` of its end: renew, but it still serves.
    Soon,
    /// Over: nothing that needs it can be served without a renewal.
    Now,
}

/// Whether the access token should be renewed at `now`.
///
/// # Errors
/// [`Refusal::RefreshTokenExpired`] when access and refresh token are both over.
pub fn due(claims: &Claims, now: UnixTime, skew: Duration) -> Result<Due, Refusal> {
    let Some(end) = claims.access_token_end() else { return Ok(Due::No) };
    if now.plus(skew) < end {
        return Ok(Due::No);
    }
    // A token that lives shorter than the skew would be renewed with every request: a third of its life is enough.
    let begun =
        claims.access_token.as_ref().and_then(jwt_payload).and_then(|payload| jwt_time(&payload, "iat"));
    if begun.is_some_and(|begun| now < end && end.since(now) > end.since(begun) / 3) {
        return Ok(Due::No);
    }
    let renewable = claims.refresh_token.is_some()
        && claims.refresh_token_expires.is_none_or(|refresh_end| now < refresh_end);
    match (now < end, renewable) {
        (true, true) => Ok(Due::Soon),
        (true, false) => Ok(Due::No),
        (false, true) => Ok(Due::Now),
        (false, false) => Err(Refusal::RefreshTokenExpired),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn jwt(payload: &Value) -> Secret {
        Secret::new(format!("e30.{}.s", URL_SAFE_NO_PAD.encode(payload.to_string())))
    }

    #[test]
    fn claims_are_read_again_at_each_refresh() {
        // threat-model T15
        let first = Grant {
            access_token: Some(jwt(
                &json!({"exp": 1_800_000_300, "role": "admin", "level": 3, "sub": "evil"}),
            )),
            refresh_token: Some(Secret::new("r1")),
            user: Some(json!({"name": "Zoë", "isAdmin": true, "isOwner": true}).as_object().unwrap().clone()),
            ..Grant::default()
        };
        let signed_in = first.apply_to(&Claims { sub: Some("7".into()), ..Claims::default() });
        assert_eq!(signed_in.user["role"], "admin");
        assert_eq!(signed_in.access_token_expires, Some(UnixTime::from_seconds(1_800_000_300)));
        assert_eq!(signed_in.sub.as_deref(), Some("7"), "a field never becomes a claim of the session");
        let second = Grant {
            access_token: Some(jwt(&json!({"exp": 1_800_000_600, "level": 4}))),
            user: Some(json!({"isAdmin": false}).as_object().unwrap().clone()),
            ..Grant::default()
        };
        let renewed = second.apply_to(&signed_in);
        assert_eq!(renewed.user.get("role"), None, "gone from the token, gone from the session");
        assert_eq!(renewed.user["level"], 4);
        assert_eq!(renewed.user["isAdmin"], false);
        assert_eq!(renewed.user.get("isOwner"), None, "gone from the reply, gone from the session");
        assert_eq!(renewed.user["name"], "Zoë");
        assert_eq!(renewed.refresh_token.unwrap().expose(), "r1", "kept where the backend does not rotate");
    }

    #[test]
    fn due_is_judged_on_both_tokens() {
        let claims = |access: i64, refresh: Option<i64>| Claims {
            access_token: Some(Secret::new("a")),
            access_token_expires: Some(UnixTime::from_seconds(NOW.as_seconds() + access)),
            refresh_token: refresh.map(|_| Secret::new("r")),
            refresh_token_expires: refresh.map(|end| UnixTime::from_seconds(NOW.as_seconds() + end)),
            ..Claims::default()
        };
        let judge = |access, refresh| due(&claims(access, refresh), NOW, Duration::from_secs(30));
        assert_eq!(judge(31, Some(99)), Ok(Due::No));
        assert_eq!(judge(30, Some(99)), Ok(Due::Soon));
        assert_eq!(judge(1, Some(0)), Ok(Due::No));
        assert_eq!(judge(0, Some(99)), Ok(Due::Now));
        assert_eq!(judge(0, Some(0)), Err(Refusal::RefreshTokenExpired));
        assert_eq!(judge(-5, None), Err(Refusal::RefreshTokenExpired));
        assert_eq!(due(&Claims::default(), NOW, Duration::ZERO), Ok(Due::No));
        let short = |left: i64| Claims {
            access_token: Some(jwt(
                &json!({"iat": NOW.as_seconds() + left - 15, "exp": NOW.as_seconds() + left}),
            )),
            refresh_token: Some(Secret::new("r")),
            ..Claims::default()
        };
        let judge = |left| due(&short(left), NOW, Duration::from_secs(30));
        assert_eq!((judge(6), judge(5), judge(0)), (Ok(Due::No), Ok(Due::Soon), Ok(Due::Now)));
    }
}
