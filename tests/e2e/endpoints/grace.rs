//! How long the result of a renewal stays for those who come late, by a clock that the test moves.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hallpass_shared::clock::{Clock as _, FixedClock, UnixTime};
use hallpass_tests::{
    Answer,
    scripted::{Reply, ScriptedBackend},
};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::deployment::{ALICE, FAR, PASSWORD, alice_with, ask, auth_with_clock, backend, get, grant};

/// An auth server whose time stands still, and a browser's cookies.
struct StillSite {
    backend: ScriptedBackend,
    clock: Arc<FixedClock>,
    auth: Router,
}

impl StillSite {
    /// With a session whose access token lives for `life`.
    async fn begin(life: Duration) -> (Self, String) {
        let clock = Arc::new(FixedClock::at(UnixTime::from_seconds(1_800_000_000)));
        let backend = backend().await;
        let auth = auth_with_clock(&backend, clock.clone()).router();
        let site = Self { backend, clock, auth };
        site.backend.answer_next(grant(1, site.in_a(life), &alice_with(1)));
        let csrf = ask(&site.auth, Request::get("/api/auth/csrf").body(Body::empty()).unwrap()).await;
        let fields = json!({"username": ALICE, "password": PASSWORD, "csrfToken": csrf.json()["csrfToken"]});
        let request = Request::post("/api/auth/callback/credentials")
            .header("content-type", "application/json")
            .header("cookie", kept(&csrf))
            .body(Body::from(fields.to_string()))
            .unwrap();
        let answer = ask(&site.auth, request).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        site.backend.take_received();
        (site, kept(&answer))
    }

    fn in_a(&self, life: Duration) -> i64 {
        self.clock.now().plus(life).as_seconds()
    }

    /// The session, the cookie that came with it, and how often the backend was asked.
    async fn session(&self, cookies: &str) -> (Value, String, usize) {
        let answer = ask(&self.auth, get("/api/auth/session", cookies)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        (answer.json(), kept(&answer), self.backend.take_received().len())
    }
}

/// The cookies that a browser would send back.
fn kept(answer: &Answer) -> String {
    let lines = answer.set_cookies();
    let kept = lines.iter().filter(|line| !line.contains("Max-Age=0"));
    kept.map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_was_kept_is_given_for_the_grace_time_and_not_a_second_longer() {
    // threat-model R3
    let (site, first) = StillSite::begin(HOUR).await;
    site.clock.advance(HOUR);
    assert_eq!(site.session(&first).await.2, 1);
    for (wait, asked) in [(SECOND, 0), (59 * SECOND, 0), (SECOND, 1)] {
        site.clock.advance(wait);
        let (session, _, renewals) = site.session(&first).await;
        assert_eq!((&session["user"]["id"], renewals), (&json!(ALICE), asked), "{wait:?} later");
    }
}

#[tokio::test]
async fn two_generations_back_nothing_is_kept() {
    // threat-model R3
    let (site, first) = StillSite::begin(HOUR).await;
    site.clock.advance(HOUR);
    site.backend.answer_next(grant(2, site.in_a(SECOND * 31), &alice_with(1)));
    let (_, second, asked) = site.session(&first).await;
    assert_eq!(asked, 1);
    site.clock.advance(SECOND);
    site.backend.answer_next(grant(3, FAR, &alice_with(1)));
    let (_, third, asked) = site.session(&second).await;
    assert_eq!(asked, 1);
    assert_eq!(site.session(&second).await.2, 0, "one back is kept");
    assert_eq!(site.session(&third).await.2, 0, "it is fresh");
    site.backend.answer_next(Reply::Text(401, "application/json", "{}".into()));
    let (session, _, asked) = site.session(&first).await;
    assert_eq!((session, asked), (json!({}), 1), "the backend decides, and a strict one says no");
}
