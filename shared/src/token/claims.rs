//! What a session token says (RFC 7519), and whether its times hold.
//!
//! Why: the claims are written by us and by Next.js apps that share the cookie. Those that decide anything
//! have types here, and a claim of a wrong type is refused, never taken for absent (threat-model T7); every
//! other claim is the user's and is kept as it came, so that an app's own fields survive our rewriting.
//!
//! Names are NextAuth's and those of the usual token-rotation recipe for it: `token`, `refreshToken`,
//! `accessTokenExpires`, `refreshTokenExpires`; ours are `sid`, `authTime`, `absoluteExp`. Times are seconds.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::{Map, Value};

use crate::{clock::UnixTime, secret::Secret};

/// Seconds by which clocks may differ: NextAuth's 15.
pub const CLOCK_SKEW: i64 = 15;

/// The claims of one session.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Subject: the user's stable id (RFC 7519 section 4.1.2).
    pub sub: Option<String>,
    /// When this token was sealed.
    pub issued_at: Option<UnixTime>,
    /// When this token ends.
    pub expires: Option<UnixTime>,
    /// Before this moment the token is not valid.
    pub not_before: Option<UnixTime>,
    /// Id of this very token; a new one at each sealing.
    pub token_id: Option<String>,
    /// The backend's access token.
    pub access_token: Option<Secret>,
    /// When the access token ends.
    pub access_token_expires: Option<UnixTime>,
    /// The backend's refresh token.
    pub refresh_token: Option<Secret>,
    /// When the refresh token ends.
    pub refresh_token_expires: Option<UnixTime>,
    /// The session's id, the same from sign-in to sign-out.
    pub sid: Option<String>,
    /// When the user gave a password.
    pub auth_time: Option<UnixTime>,
    /// When the session ends whatever happens.
    pub absolute_expires: Option<UnixTime>,
    /// `name`, `email`, `picture` and the user's own fields.
    pub user: Map<String, Value>,
}

/// Why claims make no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Not a JSON object, a member twice, or a claim of a wrong type.
    #[error("the claims have a wrong form")]
    Malformed,
    /// `exp` is missing.
    #[error("the claims have no end")]
    NoEnd,
    /// Neither `sub` nor `email`.
    #[error("the claims name nobody")]
    Nobody,
    /// The end is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
}

impl Claims {
    /// Reads the plaintext of a token.
    ///
    /// # Errors
    /// [`ClaimsError::Malformed`].
    pub fn from_json(json: &[u8]) -> Result<Self, ClaimsError> {
        serde_json::from_slice(json).map_err(|_| ClaimsError::Malformed)
    }

    /// Whether `exp` and `nbf` allow the token at `now`, as NextAuth judges it.
    ///
    /// # Errors
    /// [`ClaimsError::Expired`] or [`ClaimsError::NotYetValid`].
    pub fn check_times(&self, now: UnixTime) -> Result<(), ClaimsError> {
        let now = now.as_seconds();
        if self.expires.is_some_and(|end| end.as_seconds() <= now.saturating_sub(CLOCK_SKEW)) {
            return Err(ClaimsError::Expired);
        }
        if self.not_before.is_some_and(|start| start.as_seconds() > now.saturating_add(CLOCK_SKEW)) {
            return Err(ClaimsError::NotYetValid);
        }
        Ok(())
    }

    /// Whether the claims are a session's: an end and somebody (stricter than NextAuth, which lets a token
    /// live for ever; threat-model T6, T7).
    ///
    /// # Errors
    /// [`ClaimsError::NoEnd`] or [`ClaimsError::Nobody`].
    pub fn check_session(&self) -> Result<(), ClaimsError> {
        if self.expires.is_none() {
            return Err(ClaimsError::NoEnd);
        }
        self.subject().map(|_| ()).ok_or(ClaimsError::Nobody)
    }

    /// Whose session it is: `sub`, else `email`.
    pub fn subject(&self) -> Option<&str> {
        self.sub.as_deref().or_else(|| self.email()).filter(|subject| !subject.is_empty())
    }

    /// The user's e-mail address, if it is a text.
    pub fn email(&self) -> Option<&str> {
        self.user.get("email").and_then(Value::as_str)
    }

    /// When the access token ends: as the claims say, else as its own payload does. `None`: never, as far as
    /// anybody knows.
    pub fn access_token_end(&self) -> Option<UnixTime> {
        let token = self.access_token.as_ref()?;
        self.access_token_expires.or_else(|| jwt_payload(token).and_then(|payload| jwt_time(&payload, "exp")))
    }

    /// The claims that make the sealed session large, largest first, for the log.
    pub fn largest(&self) -> Vec<String> {
        let token = |secret: &Option<Secret>| secret.as_ref().map_or(0, |secret| secret.expose().len());
        let mut sizes: Vec<(usize, String)> =
            self.user.iter().map(|(name, value)| (value.to_string().len(), name.clone())).collect();
        sizes.push((token(&self.access_token), "token".into()));
        sizes.push((token(&self.refresh_token), "refreshToken".into()));
        sizes.sort_by(|one, other| other.cmp(one));
        sizes.into_iter().take(3).map(|(bytes, name)| format!("{name} ({bytes} bytes)")).collect()
    }
}

/// The payload of a JWT, unverified: only for its times and for showing the user (threat-model T8).
pub fn jwt_payload(token: &Secret) -> Option<Map<String, Value>> {
    let payload = token.expose().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// A time claim of a JWT payload.
pub fn jwt_time(payload: &Map<String, Value>, name: &str) -> Option<UnixTime> {
    payload.get(name).and_then(|value| unix_time(value).ok())
}

/// Claims that have a meaning for the session itself.
const SESSIONS_OWN: [&str; 12] = [
    "sub",
    "iat",
    "exp",
    "nbf",
    "jti",
    "token",
    "accessTokenExpires",
    "refreshToken",
    "refreshTokenExpires",
    "sid",
    "authTime",
    "absoluteExp",
];

/// The fields of an access token that are about the user, not about the token.
pub fn own_fields(token: &Secret) -> Map<String, Value> {
    const TOKENS_OWN: [&str; 10] =
        ["iss", "aud", "exp", "nbf", "iat", "jti", "token_type", "user_id", "scope", "azp"];
    let payload = jwt_payload(token).unwrap_or_default();
    sealable(payload.into_iter().filter(|(name, _)| !TOKENS_OWN.contains(&name.as_str())).collect())
}

/// User fields under names that are not claims of the session itself.
pub fn sealable(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().filter(|(name, _)| !SESSIONS_OWN.contains(&name.as_str())).collect()
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a session")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let mut claims = Claims::default();
        let mut nulls = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value: Value = map.next_value()?;
            if value.is_null() && SESSIONS_OWN.contains(&name.as_str()) {
                nulls.push(name);
                continue;
            }
            if nulls.contains(&name) {
                return Err(A::Error::custom("a member twice"));
            }
            let text = |value| text(value).map(Some).map_err(A::Error::custom);
            let time = |value: Value| unix_time(&value).map(Some).map_err(A::Error::custom);
            let twice = match name.as_str() {
                "sub" => put(&mut claims.sub, text(value)?),
                "iat" => put(&mut claims.issued_at, time(value)?),
                "exp" => put(&mut claims.expires, time(value)?),
                "nbf" => put(&mut claims.not_before, time(value)?),
                "jti" => put(&mut claims.token_id, text(value)?),
                "token" => put(&mut claims.access_token, text(value)?.map(Secret::new)),
                "accessTokenExpires" => put(&mut claims.access_token_expires, time(value)?),
                "refreshToken" => put(&mut claims.refresh_token, text(value)?.map(Secret::new)),
                "refreshTokenExpires" => put(&mut claims.refresh_token_expires, time(value)?),
                "sid" => put(&mut claims.sid, text(value)?),
                "authTime" => put(&mut claims.auth_time, time(value)?),
                "absoluteExp" => put(&mut claims.absolute_expires, time(value)?),
                _ => claims.user.insert(name, value).is_some(),
            };
            if twice {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(claims)
    }
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let twice = slot.is_some();
    *slot = value;
    twice
}

fn text(value: Value) -> Result<String, &'static str> {
    if let Value::String(text) = value { Ok(text) } else { Err("a text is expected") }
}

/// JavaScript writes numbers as doubles, so `1.8e9` is a time too; infinities and years past 9999 are not.
fn unix_time(value: &Value) -> Result<UnixTime, &'static str> {
    let range = -UnixTime::MAX.as_seconds()..=UnixTime::MAX.as_seconds();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked on the double first")]
    let whole = |double: f64| (double.abs() < 1e15).then(|| double.floor() as i64);
    let seconds = value.as_i64().or_else(|| value.as_f64().and_then(whole));
    seconds
        .filter(|seconds| range.contains(seconds))
        .map(UnixTime::from_seconds)
        .ok_or("a time in seconds is expected")
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut text =
            |name, value: Option<&str>| value.map_or(Ok(()), |text| map.serialize_entry(name, text));
        text("sub", self.sub.as_deref())?;
        text("sid", self.sid.as_deref())?;
        text("token", self.access_token.as_ref().map(Secret::expose))?;
        text("refreshToken", self.refresh_token.as_ref().map(Secret::expose))?;
        text("jti", self.token_id.as_deref())?;
        let mut time = |name, value: Option<UnixTime>| {
            value.map_or(Ok(()), |time| map.serialize_entry(name, &time.as_seconds()))
        };
        time("accessTokenExpires", self.access_token_expires)?;
        time("refreshTokenExpires", self.refresh_token_expires)?;
        time("authTime", self.auth_time)?;
        time("absoluteExp", self.absolute_expires)?;
        time("iat", self.issued_at)?;
        time("nbf", self.not_before)?;
        time("exp", self.expires)?;
        for (name, value) in &self.user {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Claims, ClaimsError> {
        Claims::from_json(json.as_bytes())
    }

    #[test]
    fn a_claim_of_a_wrong_type_is_refused_and_never_absent() {
        // threat-model T7
        for json in [
            r#"{"exp":"1800000000"}"#,
            r#"{"exp":1e999}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":[1]}"#,
            r#"{"exp":true}"#,
            r#"{"iat":{}}"#,
            r#"{"sub":42}"#,
            r#"{"sid":["a"]}"#,
            r#"{"absoluteExp":"never"}"#,
            r#"{"exp":1,"exp":2}"#,
            r#"{"exp":null,"exp":2}"#,
            r#"{"exp":2,"exp":null,"exp":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"["exp"]"#,
            "null",
        ] {
            assert_eq!(read(json).unwrap_err(), ClaimsError::Malformed, "{json}");
        }
        assert_eq!(read(r#"{"exp":1.8e9}"#).unwrap().expires, Some(UnixTime::from_seconds(1_800_000_000)));
        assert_eq!(read(r#"{"exp":-7}"#).unwrap().expires, Some(UnixTime::from_seconds(-7)));
    }

    #[test]
    fn a_session_has_an_end_and_somebody() {
        assert_eq!(read(r#"{"sub":"1"}"#).unwrap().check_session(), Err(ClaimsError::NoEnd));
        assert_eq!(read(r#"{"exp":1,"name":"x"}"#).unwrap().check_session(), Err(ClaimsError::Nobody));
        assert_eq!(read(r#"{"exp":1,"sub":""}"#).unwrap().check_session(), Err(ClaimsError::Nobody));
        assert_eq!(read(r#"{"exp":1,"email":"a@b.c"}"#).unwrap().check_session(), Ok(()));
    }

    #[test]
    fn foreign_claims_survive() {
        let json = r#"{"sub":"1","iat":5,"exp":9,"contactAddress":{"city":"Žďár","zip":null},"roles":["a"]}"#;
        let written = serde_json::to_string(&read(json).unwrap()).unwrap();
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        assert_eq!(value(&written), value(json));
    }

    #[test]
    fn the_end_of_an_access_token_comes_from_its_payload_when_nobody_said() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":1800000000}"#);
        let claims =
            Claims { access_token: Some(Secret::new(format!("e30.{payload}.s"))), ..Claims::default() };
        assert_eq!(claims.access_token_end(), Some(UnixTime::from_seconds(1_800_000_000)));
        let opaque = Claims { access_token: Some(Secret::new("opaque")), ..Claims::default() };
        assert_eq!(opaque.access_token_end(), None);
    }
}
