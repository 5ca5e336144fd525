//! What a reply grants: where tokens and user are in it, and whether they can be tokens and a user.
//!
//! Why: a backend that answers 200 with something else must not become a session, nor a header with a line break
//! in it (threat-model K4). Tokens are taken out of the reply, not copied.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::{
    clock::UnixTime,
    refresh::Grant,
    secret::Secret,
    token::claims::{jwt_payload, jwt_time},
};

const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// What `expires_in` may say at most: ten years.
const MAX_SECONDS: u64 = 10 * 366 * 24 * 3600;

/// A place in a reply (RFC 6901), and the setting that names it.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    pub(super) path: String,
    pub(super) setting: String,
}

/// Whether a reply must have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
    /// Not even looked at.
    Ignored,
}

/// Where to find what in a reply.
#[derive(Clone, Debug)]
pub(super) struct Pointers {
    pub(super) token: Pointer,
    pub(super) refresh_token: (Pointer, Presence),
    pub(super) user: (Pointer, Presence),
    pub(super) expires_in: Option<Pointer>,
    pub(super) refresh_expires_in: Option<Pointer>,
}

/// A reply of the wrong form: the setting to look at, and the problem.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) setting: String,
    pub(super) problem: &'static str,
}

impl Pointer {
    fn misfit(&self, problem: &'static str) -> Misfit {
        Misfit { setting: self.setting.clone(), problem }
    }

    /// Takes the value out: nothing is left of a token in a reply that is the user at the same time.
    fn take(&self, document: &mut Value) -> Option<Value> {
        let taken = match self.path.rsplit_once('/') {
            None => Some(document.take()),
            Some((parent, name)) => match document.pointer_mut(parent)? {
                Value::Object(members) => members.remove(&name.replace("~1", "/").replace("~0", "~")),
                other => other.pointer_mut(&format!("/{name}")).map(Value::take),
            },
        };
        taken.filter(|value| !value.is_null())
    }

    fn token(&self, document: &mut Value) -> Result<Option<Secret>, Misfit> {
        match self.take(document) {
            None => Ok(None),
            Some(Value::String(text)) => {
                let secret = Secret::new(text);
                let text = secret.expose();
                if text.is_empty()
                    || text.len() > MAX_TOKEN_BYTES
                    || !text.bytes().all(|byte| byte.is_ascii_graphic())
                {
                    return Err(
                        self.misfit("the reply has a token that is empty, too long or has odd characters")
                    );
                }
                Ok(Some(secret))
            }
            Some(_) => Err(self.misfit("the reply has something there that is no text")),
        }
    }

    fn expiry(&self, document: &Value, now: UnixTime) -> Result<UnixTime, Misfit> {
        let value = document.pointer(&self.path);
        let seconds = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        match seconds {
            Some(seconds) if seconds <= MAX_SECONDS => Ok(now.plus(Duration::from_secs(seconds))),
            _ => Err(self.misfit("the reply has no number of seconds there")),
        }
    }

    /// The user's fields, with those that are null: a value that is gone must not live on in the session.
    pub(super) fn user(&self, document: &mut Value) -> Result<Option<Map<String, Value>>, Misfit> {
        match self.take(document) {
            None => Ok(None),
            Some(Value::Object(user)) => Ok(Some(user)),
            Some(_) => Err(self.misfit("the reply has something there that is no object")),
        }
    }
}

impl Pointers {
    /// Takes tokens and user out of a reply that came at `now`.
    pub(super) fn grant(&self, mut document: Value, clocks: Clocks) -> Result<Grant, Misfit> {
        let now = clocks.now;
        let until = |pointer: &Option<Pointer>| {
            pointer.as_ref().map(|pointer| pointer.expiry(&document, now)).transpose()
        };
        let access_token_expires = until(&self.expires_in)?;
        let (refresh_pointer, refresh_presence) = &self.refresh_token;
        let refresh_token_expires =
            if *refresh_presence == Presence::Ignored { None } else { until(&self.refresh_expires_in)? };
        let access_token = self.token.token(&mut document)?;
        let refresh_token = refresh_pointer.token(&mut document)?;
        if access_token.is_none() {
            return Err(self.token.misfit("the reply has no access token there"));
        }
        if refresh_token.is_none() && *refresh_presence == Presence::Required {
            return Err(refresh_pointer.misfit("the reply has no refresh token there"));
        }
        let is_over = |token: &Option<Secret>, said: Option<UnixTime>| {
            said.or_else(|| clocks.end_of(token.as_ref()?)).is_some_and(|end| end <= now)
        };
        if is_over(&access_token, access_token_expires) {
            return Err(self.token.misfit("the access token has already expired; compare the clocks"));
        }
        if is_over(&refresh_token, refresh_token_expires) {
            return Err(refresh_pointer.misfit("the refresh token has already expired; compare the clocks"));
        }
        let refresh_token = refresh_token.filter(|_| *refresh_presence != Presence::Ignored);
        // What the tokens say themselves is by the backend's clock.
        let by_our_clock = |token: &Option<Secret>| {
            token.as_ref().filter(|_| clocks.apart != 0).and_then(|token| clocks.end_of(token))
        };
        let access_token_expires = access_token_expires.or_else(|| by_our_clock(&access_token));
        let refresh_token_expires = refresh_token_expires.or_else(|| by_our_clock(&refresh_token));
        let user = self.user_of(&mut document)?;
        Ok(Grant { access_token, refresh_token, access_token_expires, refresh_token_expires, user })
    }

    fn user_of(&self, document: &mut Value) -> Result<Option<Map<String, Value>>, Misfit> {
        let (pointer, presence) = &self.user;
        match (pointer.user(document), presence) {
            (Ok(None), Presence::Required) => Err(pointer.misfit("the reply has no user there")),
            (Err(misfit), Presence::Required) => Err(misfit),
            (Err(misfit), _) => {
                let Misfit { setting, problem } = misfit;
                tracing::warn!(event = "backend_reply", setting, "{problem}; the user's fields are left out");
                Ok(None)
            }
            (Ok(user), _) => Ok(user),
        }
    }
}

/// Our clock, and how far the backend's is behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) now: UnixTime,
    /// Seconds; zero within [`Clocks::TOLERANCE`].
    pub(super) apart: i64,
}

impl Clocks {
    const TOLERANCE: i64 = 60;
    /// A date that is further off says nothing.
    const SENSIBLE: i64 = 24 * 60 * 60;

    /// By the `Date` of a reply (RFC 9110 section 6.6.1).
    pub(super) fn of(now: UnixTime, headers: &HeaderMap) -> Self {
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let theirs = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let theirs =
            theirs.and_then(|date| i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok());
        let apart = theirs.map_or(0, |theirs| now.as_seconds() - theirs);
        let apart = if (Self::TOLERANCE + 1..=Self::SENSIBLE).contains(&apart.abs()) { apart } else { 0 };
        if apart != 0 {
            tracing::warn!(
                event = "clocks_apart",
                apart,
                "the backend's clock is this many seconds behind ours"
            );
        }
        Self { now, apart }
    }

    /// The end that a token says, by our clock.
    fn end_of(self, token: &Secret) -> Option<UnixTime> {
        let end = jwt_time(&jwt_payload(token)?, "exp")?;
        Some(UnixTime::from_seconds(end.as_seconds().saturating_add(self.apart)))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    const CLOCKS: Clocks = Clocks { now: NOW, apart: 0 };

    fn at(path: &str) -> Pointer {
        Pointer { path: path.into(), setting: format!("setting of {path}") }
    }

    fn pointers() -> Pointers {
        Pointers {
            token: at("/access"),
            refresh_token: (at("/refresh"), Presence::Required),
            user: (at("/user"), Presence::Optional),
            expires_in: None,
            refresh_expires_in: None,
        }
    }

    fn jwt(exp: i64) -> String {
        format!("e30.{}.s", URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string()))
    }

    #[test]
    fn a_reply_of_the_expected_shape_is_a_grant() {
        let fresh = jwt(1_800_000_300);
        let user = json!({"id": 7, "phone": null});
        let grant = pointers().grant(json!({"access": fresh, "refresh": "r", "user": user}), CLOCKS).unwrap();
        assert_eq!(grant.access_token.unwrap().expose(), fresh);
        assert_eq!(grant.refresh_token.unwrap().expose(), "r");
        assert_eq!(Value::Object(grant.user.unwrap()), json!({"id": 7, "phone": null}));
        let timed =
            Pointers { expires_in: Some(at("/in")), refresh_expires_in: Some(at("/rin")), ..pointers() };
        let grant =
            timed.grant(json!({"access": "a", "refresh": "r", "in": 60, "rin": "90"}), CLOCKS).unwrap();
        assert_eq!(grant.access_token_expires, Some(NOW.plus(Duration::from_mins(1))));
        assert_eq!(grant.refresh_token_expires, Some(NOW.plus(Duration::from_secs(90))));
    }

    #[test]
    fn an_end_by_a_clock_that_is_far_off_is_read_by_ours() {
        // threat-model R15: five minutes either way.
        let date = |seconds: i64| {
            let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW.as_seconds() + seconds).unwrap());
            HeaderMap::from_iter([(header::DATE, httpdate::fmt_http_date(date).parse().unwrap())])
        };
        for (theirs, apart) in [(0, 0), (60, 0), (-60, 0), (300, -300), (-300, 300), (200_000, 0)] {
            let clocks = Clocks::of(NOW, &date(theirs));
            assert_eq!(clocks.apart, apart);
            // Two minutes of life, as the backend sees it.
            let reply = json!({"access": jwt(NOW.as_seconds() - apart + 120), "refresh": "r"});
            let grant = pointers().grant(reply, clocks).unwrap();
            let expected = (apart != 0).then(|| NOW.plus(Duration::from_mins(2)));
            assert_eq!(grant.access_token_expires, expected, "{theirs}");
        }
        assert_eq!(Clocks::of(NOW, &HeaderMap::new()).apart, 0);
    }

    #[test]
    fn a_flat_reply_leaves_no_token_among_the_users_fields() {
        let flat = Pointers { user: (at(""), Presence::Required), ..pointers() };
        let grant = flat.grant(json!({"access": "a", "refresh": "r", "name": "Zoë"}), CLOCKS).unwrap();
        assert_eq!(Value::Object(grant.user.unwrap()), json!({"name": "Zoë"}));
    }

    #[test]
    fn what_cannot_be_a_token_is_no_grant() {
        // threat-model K4
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        let stale = jwt(1_800_000_000);
        for odd in [
            json!(null),
            json!(5),
            json!(["a"]),
            json!({}),
            json!(""),
            json!("a\r\nX: y"),
            json!("a b"),
            json!("ž"),
        ]
        .into_iter()
        .chain([json!(long), json!(stale)])
        {
            let misfit = pointers().grant(json!({"access": odd, "refresh": "r"}), CLOCKS).unwrap_err();
            assert_eq!(misfit.setting, "setting of /access");
            let misfit = pointers().grant(json!({"access": "a", "refresh": odd}), CLOCKS).unwrap_err();
            assert_eq!(misfit.setting, "setting of /refresh");
        }
        assert!(
            pointers().grant(json!([]), CLOCKS).is_err() && pointers().grant(json!("a"), CLOCKS).is_err()
        );
        let timed = Pointers { expires_in: Some(at("/in")), ..pointers() };
        for odd in [json!(null), json!(-1), json!(0), json!("soon"), json!(1e30)] {
            assert!(timed.grant(json!({"access": "a", "refresh": "r", "in": odd}), CLOCKS).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_user_that_is_no_object_stops_only_who_needs_one() {
        let odd = json!({"access": "a", "refresh": "r", "user": "Zoë"});
        assert_eq!(pointers().grant(odd.clone(), CLOCKS).unwrap().user, None);
        let needed = Pointers { user: (at("/user"), Presence::Required), ..pointers() };
        assert_eq!(needed.grant(odd, CLOCKS).unwrap_err().setting, "setting of /user");
        assert!(needed.grant(json!({"access": "a", "refresh": "r"}), CLOCKS).is_err());
    }
}
