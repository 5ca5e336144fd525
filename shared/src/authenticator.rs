//! One request, followed from its cookies to a session.
//!
//! Why: this is the check that every request of every app passes. It has four answers, not two (threat-model
//! law 3), and it is the one place where they are told apart: `headers → RequestCookies → SealedToken →
//! Claims → (jwt callback) Claims → (session callback) Session`.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use crate::{
    callbacks::Callbacks,
    clock::{Clock, UnixTime},
    cookie::{RequestCookies, SessionCookie, SetCookies, TooLarge},
    key::log_id,
    provider::SignOutReach,
    refresh::Grant,
    refusal::{NotAdmitted, Outage, Refusal},
    revocation::{Revocation, RevocationKey, Revocations},
    session::{Lifetime, Session, SessionError},
    telemetry::causes,
    token::{Claims, ClaimsError, Codec, OpenError, Opened, SealError, SealedToken, SealedWith},
};

mod unreadable;

pub use unreadable::Unreadable;

/// What a request is.
#[derive(Debug)]
pub enum Authentication {
    /// Somebody with a session that stands.
    Admitted(Admission),
    /// Nobody, as far as we can read.
    Anonymous,
    /// Somebody whose session is over; the cookies to delete.
    Refused {
        /// Why.
        why: Refusal,
        /// Deletes every form of the cookie.
        set: SetCookies,
    },
    /// Somebody whose session cannot be confirmed just now. The cookie stays.
    Unavailable {
        /// What is missing.
        outage: Outage,
        /// The session as the sealed claims know it.
        session: Session,
        /// The claims as they were sealed.
        claims: Arc<Claims>,
    },
}

/// A session that stands.
#[derive(Debug)]
pub struct Admission {
    /// What an app may see.
    pub session: Session,
    /// What the token says.
    pub claims: Arc<Claims>,
    /// The renewed cookie, if it was renewed.
    pub set: SetCookies,
    /// Whether its access token is over and could not be renewed (threat-model R14).
    pub freshness: Freshness,
}

/// Marks an answer to a session that could not be renewed in time (threat-model R14).
pub const STALE: HeaderName = HeaderName::from_static("hallpass-stale");

/// Whether what a session says of its user was confirmed lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Within the life of an access token.
    Fresh,
    /// Longer ago, as `refresh.stale` allows.
    Stale,
}

/// A session could not be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// It needs more cookies than are written.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The backend's reply names nobody.
    #[error("the backend's reply has no user id and no e-mail address")]
    Nobody,
    /// The callback refused what was granted.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Follows requests of one deployment. Shared by every request, and never changed by one (threat-model T17).
#[derive(Debug)]
pub struct Authenticator {
    /// Opens and seals.
    pub codec: Codec,
    /// Finds and writes.
    pub cookie: SessionCookie,
    /// What a session holds and shows.
    pub callbacks: Arc<dyn Callbacks>,
    /// What is over before its time.
    pub revocations: Arc<Revocations>,
    /// Says what cannot be read.
    pub unreadable: Unreadable,
    /// How long sessions live.
    pub lifetime: Lifetime,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Follows one request.
    pub async fn authenticate(&self, cookies: RequestCookies<'_>) -> Authentication {
        self.revocations.arrived().await;
        let now = self.clock.now();
        let opened = match self.newest_valid(cookies, now) {
            Ok(Some(opened)) => opened,
            // Junk and tokens of another secret stay where they are: what we cannot read is not ours to delete.
            Ok(None) => return Authentication::Anonymous,
            Err(why) => return self.refuse(why, cookies, None),
        };
        match self.admit(&opened, cookies, now).await {
            Ok((session, renewed)) => {
                let (claims, set) = renewed.unwrap_or((opened.claims, SetCookies::none()));
                let freshness = freshness(&claims, now);
                Authentication::Admitted(Admission { session, claims, set, freshness })
            }
            Err(NotAdmitted::Refused(why)) => self.refuse(why, cookies, Some(&opened.claims)),
            Err(NotAdmitted::Unavailable(outage)) => self.unavailable(outage, opened.claims, cookies),
        }
    }

    /// Every cookie of the name is a candidate, never the first or last by order (threat-model C2): broken ones
    /// are ignored, the newest of one subject wins, two subjects are refused.
    fn newest_valid(&self, cookies: RequestCookies<'_>, now: UnixTime) -> Result<Option<Opened>, Refusal> {
        let mut newest: Option<Opened> = None;
        let (mut expired, mut forged) = (false, false);
        for token in self.cookie.candidates(cookies) {
            let opened = match self.codec.open(&token, now) {
                Ok(opened) => opened,
                Err(error) => {
                    expired |= error == OpenError::Claims(ClaimsError::Expired);
                    forged |= error == OpenError::Forged;
                    continue;
                }
            };
            match &newest {
                Some(known) if known.claims.subject() != opened.claims.subject() => {
                    return Err(Refusal::MixedSubjects);
                }
                Some(known) if known.claims.issued_at >= opened.claims.issued_at => {}
                _ => newest = Some(opened),
            }
        }
        match newest {
            None if expired => return Err(Refusal::Expired),
            None if forged => self.unreadable.seen(now),
            _ => {}
        }
        Ok(newest)
    }

    /// The session, and what was written anew, if it was.
    async fn admit(
        &self,
        opened: &Opened,
        cookies: RequestCookies<'_>,
        now: UnixTime,
    ) -> Result<(Session, Option<(Arc<Claims>, SetCookies)>), NotAdmitted> {
        self.check_standing(&opened.claims, now)?;
        let renewed = self.callbacks.jwt(&opened.claims).await?;
        let claims = renewed.as_ref().unwrap_or(&opened.claims);
        if renewed.is_some() {
            // A sign-out may have come while we waited for the renewal (threat-model R13).
            self.check_standing(claims, now)?;
        }
        let fresh = renewed.is_none()
            && opened.sealed_with == SealedWith::Newest
            && !self.lifetime.is_due(claims, now);
        if fresh {
            return Ok((self.callbacks.session(claims)?, None));
        }
        let stamped = self.lifetime.stamp(claims, now);
        let session = self.callbacks.session(&stamped)?;
        let set = self.write(cookies, &stamped, now).map_err(|error| too_large(&error, &stamped))?;
        Ok((session, Some((Arc::new(stamped), set))))
    }

    /// Absolute end and revocation.
    fn check_standing(&self, claims: &Claims, now: UnixTime) -> Result<(), NotAdmitted> {
        if self.lifetime.absolute_end(claims).is_some_and(|end| now >= end) {
            return Err(Refusal::AbsoluteEnd.into());
        }
        if self.revocations.covers(claims) {
            return Err(Refusal::Revoked.into());
        }
        Ok(self.revocations.check_age(now)?)
    }

    /// A new session for what a backend granted: a new id, whatever session the request came with (threat-model
    /// T12).
    ///
    /// # Errors
    /// [`BeginError`]; nothing is written then.
    pub fn begin(
        &self,
        grant: &Grant,
        cookies: RequestCookies<'_>,
    ) -> Result<(Claims, SetCookies), BeginError> {
        let now = self.clock.now();
        let claims = Claims { sid: None, ..self.callbacks.sign_in(grant) };
        let claims = Claims { auth_time: Some(self.revocations.beginning(&claims, now)), ..claims };
        if claims.subject().is_none() {
            return Err(BeginError::Nobody);
        }
        let claims = self.lifetime.stamp(&claims, now);
        self.callbacks.session(&claims)?;
        let set = self.write(cookies, &claims, now).inspect_err(|error| name_the_largest(error, &claims))?;
        Ok((claims, set))
    }

    /// Ends a session on this node, until its absolute end; or all sessions of its subject so far. What was ended, for
    /// the others.
    pub fn revoke(&self, claims: &Claims, reach: SignOutReach) -> Option<Revocation> {
        let now = self.clock.now();
        let longest = now.plus(self.lifetime.absolute_max_age);
        let (key, until) = match reach {
            SignOutReach::Session | SignOutReach::Replaced => {
                let until = self.lifetime.absolute_end(claims).unwrap_or(longest);
                (RevocationKey::of_session(claims.sid.as_deref()?), until)
            }
            SignOutReach::Everywhere => (RevocationKey::of_subject(claims.subject()?), longest),
        };
        // A session may say that it began a moment later than it did: see `Revocations::beginning`.
        let at = claims.auth_time.map_or(now, |began| began.max(now));
        let revocation = Revocation { key, at, until };
        self.revocations.revoke(revocation);
        Some(revocation)
    }

    /// The claims of every session that the request carries, for signing out: a sibling that tosses one of its own
    /// must not save the others (threat-model C2, T14).
    pub fn presented(&self, cookies: RequestCookies<'_>) -> Vec<Arc<Claims>> {
        let now = self.clock.now();
        let opened = |token: &SealedToken| self.codec.open(token, now).ok().map(|opened| opened.claims);
        self.cookie.candidates(cookies).iter().filter_map(opened).collect()
    }

    /// Opens a token that a satellite sends for a sign-out: whatever is known against it, it may be ended again.
    pub fn open_to_end(&self, token: &SealedToken) -> Option<Arc<Claims>> {
        self.codec.open(token, self.clock.now()).ok().map(|opened| opened.claims)
    }

    /// Opens a token that a satellite sends.
    ///
    /// # Errors
    /// [`NotAdmitted`]; [`None`] inside `Ok` if it is not one of ours.
    pub fn open(&self, token: &SealedToken) -> Result<Option<Arc<Claims>>, NotAdmitted> {
        let now = self.clock.now();
        match self.codec.open(token, now) {
            Ok(opened) => self.check_standing(&opened.claims, now).map(|()| Some(opened.claims)),
            Err(OpenError::Claims(ClaimsError::Expired)) => Err(Refusal::Expired.into()),
            Err(_) => Ok(None),
        }
    }

    fn write(
        &self,
        cookies: RequestCookies<'_>,
        claims: &Claims,
        now: UnixTime,
    ) -> Result<SetCookies, BeginError> {
        let token = self.codec.seal(claims)?;
        let max_age = claims.expires.map_or(Duration::ZERO, |end| end.since(now));
        Ok(self.cookie.write(cookies, &token, max_age)?)
    }

    fn refuse(&self, why: Refusal, cookies: RequestCookies<'_>, claims: Option<&Claims>) -> Authentication {
        let session = claims.and_then(|claims| claims.sid.as_deref()).map(log_id);
        tracing::info!(event = "session_refused", why = why.code(), session, "a session was refused: {why}");
        metrics::counter!("hallpass_sessions_refused_total", "cause" => why.code()).increment(1);
        Authentication::Refused { why, set: self.cookie.clear(cookies) }
    }

    fn unavailable(
        &self,
        outage: Outage,
        claims: Arc<Claims>,
        cookies: RequestCookies<'_>,
    ) -> Authentication {
        metrics::counter!("hallpass_sessions_unavailable_total", "cause" => outage.what).increment(1);
        match self.callbacks.session(&claims) {
            Ok(session) => {
                let error = Some(SessionError::RefreshAccessTokenError);
                let session = Session { error, access_token: None, ..session };
                Authentication::Unavailable { outage, session, claims }
            }
            Err(why) => self.refuse(why, cookies, Some(&claims)),
        }
    }
}

fn freshness(claims: &Claims, now: UnixTime) -> Freshness {
    if claims.access_token_end().is_some_and(|end| end <= now) {
        metrics::counter!("hallpass_sessions_stale_total").increment(1);
        return Freshness::Stale;
    }
    Freshness::Fresh
}

/// A renewal that does not fit ends the session, and says so; one that cannot be sealed is our own fault.
fn too_large(error: &BeginError, claims: &Claims) -> NotAdmitted {
    if let BeginError::TooLarge(_) = error {
        name_the_largest(error, claims);
        return Refusal::TooLarge.into();
    }
    tracing::error!(error = causes(error), "a session could not be sealed");
    Outage::of("the session codec").into()
}

/// Says which claims to make smaller, where a session did not fit.
fn name_the_largest(error: &BeginError, claims: &Claims) {
    if let BeginError::TooLarge(too_large) = error {
        let largest = claims.largest().join(", ");
        tracing::error!(event = "session_too_large", %largest, "{too_large}; the largest claims are {largest}");
    }
}
