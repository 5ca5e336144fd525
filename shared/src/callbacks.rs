//! The jwt and session callbacks, the same on every node.
//!
//! Why: apps used to copy these two functions from one NextAuth configuration to the next, and each copy
//! drifted. Here they are once: [`DefaultCallbacks`], or a library user's own.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::{
    clock::{Clock, UnixTime},
    refresh::{Due, Grant, Refresher, due},
    refusal::{NotAdmitted, Outage, Refusal},
    session::Session,
    token::{Claims, claims::own_fields},
};

/// Decides what a session holds and what an app sees of it.
pub trait Callbacks: fmt::Debug + Send + Sync {
    /// Claims of a new session: at sign-in, with what the backend granted.
    fn sign_in(&self, grant: &Grant) -> Claims;

    /// Called with the claims of a session whenever it is read: `None` leaves them as they are, `Some` replaces
    /// them and has them sealed again. The error says whether the session is over or cannot be told now.
    fn jwt<'a>(&'a self, claims: &'a Claims) -> BoxFuture<'a, Result<Option<Claims>, NotAdmitted>>;

    /// What an app sees of the claims.
    ///
    /// # Errors
    /// [`Refusal`] when the claims make no session any more.
    fn session(&self, claims: &Claims) -> Result<Session, Refusal>;
}

/// Renews the access token when it is due, and shows the user's fields.
#[derive(Clone, Debug)]
pub struct DefaultCallbacks {
    /// Renews tokens.
    pub refresher: Arc<dyn Refresher>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long before its end an access token is renewed.
    pub skew: Duration,
    /// How long after its end a session passes all the same, where the backend cannot be reached (threat-model R14).
    pub stale: Duration,
    /// Whether apps see the access token in `/session`.
    pub access_token: Exposure,
}

/// Whether a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Kept in the sealed session.
    Hidden,
    /// Shown to whoever may read the session.
    Shown,
}

impl Callbacks for DefaultCallbacks {
    fn sign_in(&self, grant: &Grant) -> Claims {
        let subject = grant.subject();
        let claims = grant.apply_to(&Claims::default());
        let sub = subject.or_else(|| claims.email().map(str::to_owned));
        Claims { sub, ..claims }
    }

    fn jwt<'a>(&'a self, claims: &'a Claims) -> BoxFuture<'a, Result<Option<Claims>, NotAdmitted>> {
        Box::pin(async move {
            let due = due(claims, self.clock.now(), self.skew)?;
            if due == Due::No {
                return Ok(None);
            }
            let renewal = self.refresher.refresh(claims, due);
            let renewed = match due {
                // Somebody must carry the new cookie home, but not for long while the old one serves.
                Due::Soon => tokio::time::timeout(UNNOTICED, renewal).await.unwrap_or(Err(SLOW.into())),
                _ => renewal.await,
            };
            match renewed {
                Ok(renewed) => Ok(Some(renewed)),
                // While the access token still serves, nobody notices an outage (threat-model R4).
                Err(NotAdmitted::Unavailable(_)) if due == Due::Soon || self.may_be_stale(claims) => Ok(None),
                Err(not_admitted) => Err(not_admitted),
            }
        })
    }

    fn session(&self, claims: &Claims) -> Result<Session, Refusal> {
        due(claims, self.clock.now(), Duration::ZERO)?;
        let shown = |token: &_| (self.access_token == Exposure::Shown).then(|| Clone::clone(token));
        Ok(Session {
            user: shown_user(claims),
            expires: claims.expires.unwrap_or(UnixTime::from_seconds(0)),
            error: None,
            access_token_expires: claims.access_token_end(),
            access_token: claims.access_token.as_ref().and_then(shown),
            sid: claims.sid.clone(),
            auth_time: claims.auth_time,
        })
    }
}

/// What a request waits at most for a renewal that it does not need yet.
const UNNOTICED: Duration = Duration::from_secs(1);
const SLOW: Outage = Outage::of("a slow renewal");

impl DefaultCallbacks {
    fn may_be_stale(&self, claims: &Claims) -> bool {
        let end = claims.access_token_end();
        !self.stale.is_zero() && end.is_some_and(|end| self.clock.now() < end.plus(self.stale))
    }
}

/// NextAuth's `name`, `email` and `image`, an `id`, and the user's own fields. What the access token says of
/// the user fills the gaps of a session that a Next.js app sealed; our own fields win (threat-model T8).
fn shown_user(claims: &Claims) -> Map<String, Value> {
    let mut user = match (&claims.sid, &claims.access_token) {
        (None, Some(token)) => own_fields(token),
        _ => Map::new(),
    };
    if let Some(sub) = &claims.sub {
        user.insert("id".into(), Value::String(sub.clone()));
    }
    for (name, value) in &claims.user {
        let name = if name == "picture" { "image" } else { name };
        user.insert(name.to_owned(), value.clone());
    }
    user
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;
    use crate::{clock::FixedClock, secret::Secret};

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    /// Answers as it was told to.
    #[derive(Debug)]
    struct Told(Result<Claims, NotAdmitted>);

    impl Refresher for Told {
        fn refresh<'a>(&'a self, _: &'a Claims, _: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
            Box::pin(std::future::ready(self.0.clone()))
        }
    }

    fn callbacks(told: Result<Claims, NotAdmitted>) -> DefaultCallbacks {
        DefaultCallbacks {
            refresher: Arc::new(Told(told)),
            clock: Arc::new(FixedClock::at(NOW)),
            skew: Duration::from_secs(30),
            stale: Duration::ZERO,
            access_token: Exposure::Hidden,
        }
    }

    fn claims(access_ends_in: i64) -> Claims {
        Claims {
            sub: Some("7".into()),
            access_token: Some(Secret::new("a")),
            access_token_expires: Some(UnixTime::from_seconds(NOW.as_seconds() + access_ends_in)),
            refresh_token: Some(Secret::new("r")),
            expires: Some(NOW.plus(Duration::from_mins(15))),
            ..Claims::default()
        }
    }

    #[tokio::test]
    async fn an_outage_goes_unnoticed_while_the_access_token_serves() {
        // threat-model R4
        let down = callbacks(Err(Outage::of("the backend").into()));
        assert!(matches!(down.jwt(&claims(60)).await, Ok(None)));
        assert!(matches!(down.jwt(&claims(10)).await, Ok(None)));
        assert!(matches!(down.jwt(&claims(-1)).await, Err(NotAdmitted::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_session_may_be_stale_for_a_bounded_time_where_that_was_asked_for() {
        // threat-model R14
        let down = callbacks(Err(Outage::of("the backend").into()));
        let lenient = DefaultCallbacks { stale: Duration::from_mins(1), ..down };
        assert!(matches!(lenient.jwt(&claims(-59)).await, Ok(None)));
        assert!(matches!(lenient.jwt(&claims(-60)).await, Err(NotAdmitted::Unavailable(_))));
        let refused = callbacks(Err(Refusal::RefreshRefused.into()));
        let lenient = DefaultCallbacks { stale: Duration::from_mins(1), ..refused };
        assert!(
            matches!(lenient.jwt(&claims(-1)).await, Err(NotAdmitted::Refused(_))),
            "only an outage counts"
        );
    }

    /// Takes its time.
    #[derive(Debug)]
    struct Slow;

    impl Refresher for Slow {
        fn refresh<'a>(&'a self, claims: &'a Claims, _: Due) -> BoxFuture<'a, Result<Claims, NotAdmitted>> {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(20)).await;
                Ok(claims.clone())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_long_for_a_renewal_that_is_not_needed_yet() {
        let down = callbacks(Err(Refusal::RefreshRefused.into()));
        let slow = DefaultCallbacks { refresher: Arc::new(Slow), ..down };
        let begun = tokio::time::Instant::now();
        assert!(matches!(slow.jwt(&claims(10)).await, Ok(None)));
        assert_eq!(begun.elapsed(), UNNOTICED);
        assert!(matches!(slow.jwt(&claims(-1)).await, Ok(Some(_))));
    }

    #[tokio::test]
    async fn a_definite_refusal_ends_the_session_at_once() {
        let refused = callbacks(Err(Refusal::RefreshRefused.into()));
        assert!(matches!(refused.jwt(&claims(10)).await, Err(NotAdmitted::Refused(Refusal::RefreshRefused))));
    }

    #[test]
    fn the_session_says_when_both_tokens_are_over() {
        let gone = Claims { refresh_token: None, ..claims(-1) };
        let callbacks = callbacks(Err(Refusal::RefreshRefused.into()));
        assert_eq!(callbacks.session(&gone).err(), Some(Refusal::RefreshTokenExpired));
    }

    #[test]
    fn an_app_sees_the_user_and_no_token() {
        // threat-model B9
        let payload = URL_SAFE_NO_PAD.encode(json!({"exp": 1, "plan": "pro", "isAdmin": true}).to_string());
        let mut claims = Claims { access_token: Some(Secret::new(format!("e30.{payload}.s"))), ..claims(60) };
        claims.user = json!({"name": "N", "picture": "p.png", "isAdmin": false}).as_object().unwrap().clone();
        let callbacks = callbacks(Err(Refusal::RefreshRefused.into()));
        let seen = serde_json::to_value(callbacks.session(&claims).unwrap()).unwrap();
        assert_eq!(
            seen,
            json!({
                "user": {"id": "7", "plan": "pro", "isAdmin": false, "name": "N", "image": "p.png"},
                "expires": "2027-01-15T08:15:00.000Z",
            })
        );
    }
}
