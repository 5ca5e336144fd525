//! Renewals, seen from the browser: once, for everybody, and an outage is no sign-out.

use std::time::Duration;

use axum::body::Body;
use hallpass_shared::token::Claims;
use hallpass_tests::{SECRET, scripted::Reply};
use http::{Request, StatusCode};
use serde_json::json;

use super::deployment::{
    ADMIN, ALICE, APP, AUTH, Deployment, FAR, Gone, alice_with, ask, backend, cookie_line, get, grant, lines,
    patient, satellite, session, session_cookies,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn fifty_requests_at_once_renew_once() {
    // threat-model R1
    let site = Deployment::start().await;
    let stale = site.alice_to_be_renewed().await;
    let requests = (0..50).map(|number| {
        let mut visitor = stale.clone();
        let host = if number % 2 == 0 { APP } else { ADMIN };
        async move { (visitor.fetch(host, "/api/auth/session").await, visitor) }
    });
    let answers = futures_util::future::join_all(requests).await;
    assert_eq!(site.renewals(), 1);
    let first = site.claims(&answers[0].1).unwrap();
    assert_ne!(first.refresh_token.as_ref().unwrap().expose(), "refresh-1");
    for (answer, visitor) in answers {
        assert_eq!((answer.status, answer.json().get("error")), (StatusCode::OK, None));
        assert_eq!(answer.json()["user"]["id"], ALICE);
        let claims = site.claims(&visitor).unwrap();
        assert_eq!(claims.refresh_token.unwrap().expose(), first.refresh_token.as_ref().unwrap().expose());
        assert_eq!(claims.sid, first.sid);
    }
}

#[tokio::test]
async fn a_late_request_with_the_old_cookie_gets_what_was_kept() {
    // threat-model R3
    let site = Deployment::start().await;
    let late = site.alice_to_be_renewed().await;
    let mut visitor = late.clone();
    session(&mut visitor, APP).await;
    assert_eq!(site.renewals(), 1);
    let renewed = site.claims(&visitor).unwrap();
    for host in [APP, ADMIN, AUTH] {
        let mut late = late.clone();
        let answer = late.fetch(host, "/api/auth/session").await;
        assert_eq!(
            (&answer.json()["user"]["id"], answer.json().get("error")),
            (&json!(ALICE), None),
            "{host}"
        );
        let repaired = site.claims(&late).unwrap();
        assert_eq!(
            repaired.refresh_token.unwrap().expose(),
            renewed.refresh_token.as_ref().unwrap().expose()
        );
    }
    assert_eq!(site.renewals(), 0, "nobody is asked again");
}

#[tokio::test]
async fn an_outage_is_told_and_signs_nobody_out() {
    // threat-model R4, K4
    let site = Deployment::start().await;
    let mut visitor = site.alice_to_be_renewed().await;
    let failures: [fn() -> Reply; 4] = [
        || Reply::Text(500, "text/html", "<h1>Traceback</h1>".into()),
        || Reply::Text(403, "text/html", "<h1>blocked</h1>".into()),
        || Reply::Text(200, "application/json", "{}".into()),
        || Reply::Close,
    ];
    for failure in failures {
        site.backend.answer_next(failure());
        // The second host is told what the first one learnt a moment ago (threat-model R6).
        for host in [AUTH, APP] {
            let answer = visitor.fetch(host, "/api/auth/session").await;
            assert_eq!(
                (answer.status, answer.set_cookies()),
                (StatusCode::OK, Vec::new()),
                "the cookie stays"
            );
            assert_eq!(answer.json()["error"], "RefreshAccessTokenError");
            assert_eq!(answer.json()["user"]["id"], ALICE);
        }
        assert_eq!(site.backend.take_received().len(), 1, "one question");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    site.backend.answer_next(Reply::Text(502, "text/html", String::new()));
    assert_eq!(visitor.visit(APP, "/").await.status, StatusCode::OK, "who is there is still known");
    let told = eventually(&mut visitor, APP).await;
    assert_eq!((&told["user"]["id"], told.get("error")), (&json!(ALICE), None), "without a new sign-in");
}

/// The session as soon as it has no error, within a few seconds.
async fn eventually(visitor: &mut hallpass_tests::Visitor, host: &str) -> serde_json::Value {
    for _ in 0..50 {
        let told = session(visitor, host).await;
        if told.get("error").is_none() {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    session(visitor, host).await
}

#[tokio::test]
async fn a_slow_renewal_is_waited_for_a_while_and_found_later() {
    // threat-model R4, R5, K7
    let backend = backend().await;
    let section = backend.settings();
    let site = Deployment::of(backend, &section).await;
    let mut visitor = site.alice_to_be_renewed().await;
    site.backend.answer_next(Reply::Hang(3 * SECOND));
    let answer = visitor.fetch(APP, "/api/auth/session").await;
    assert_eq!((answer.status, answer.set_cookies()), (StatusCode::OK, Vec::new()));
    assert_eq!(answer.json()["error"], "RefreshAccessTokenError");
    let mut patience = 200;
    while session(&mut visitor, APP).await.get("error").is_some() {
        patience -= 1;
        assert!(patience > 0, "it never comes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.renewals(), 1, "the backend is asked once");
}

#[tokio::test]
async fn with_the_backend_gone_sessions_live_on() {
    // threat-model R4
    let (backend, gone) = (backend().await, Gone::somewhere());
    let (here, there) = (format!("{}/refresh", backend.address), format!("{}/refresh", gone.address));
    let section = patient(&backend).replace(&here, &there);
    let site = Deployment::of(backend, &section).await;
    let in_twenty_seconds = |claims: &mut Claims| {
        claims.access_token_expires = claims.issued_at.map(|at| at.plus(SECOND * 20));
    };
    for mut visitor in [site.alice().await, site.alice_but(in_twenty_seconds).await] {
        for host in [AUTH, APP] {
            let told = session(&mut visitor, host).await;
            assert_eq!((&told["user"]["id"], told.get("error")), (&json!(ALICE), None), "nobody notices");
        }
    }
    let mut stale = site.alice_to_be_renewed().await;
    for host in [AUTH, APP, ADMIN] {
        let answer = stale.fetch(host, "/api/auth/session").await;
        assert_eq!((answer.status, answer.set_cookies()), (StatusCode::OK, Vec::new()));
        assert_eq!(answer.json()["error"], "RefreshAccessTokenError");
    }
    // What somebody may is not known any more, so a page that asks for a role has to wait.
    let answer = stale.visit(ADMIN, "/").await;
    assert_eq!((answer.status, answer.set_cookies()), (StatusCode::SERVICE_UNAVAILABLE, Vec::new()));
    assert!(answer.headers.contains_key("retry-after") && answer.body.contains("<h1>"), "{answer:?}");
}

#[tokio::test]
async fn with_the_auth_server_gone_a_satellite_still_knows_who_is_there() {
    // threat-model R4, T14
    let site = Deployment::start().await;
    let (port, gone) = (site.world.port, Gone::somewhere());
    let settings = format!(
        "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\n\
         auth_url = \"http://auth.example.localhost:{port}\"\nrefresh.auth_server = \"http://{}\"",
        gone.address
    );
    let alone = satellite(&format!("http://app.example.localhost:{port}"), &settings);
    let app = alone.hardened(alone.protect(alone.built_in_site()));
    let mut stale = site.alice_to_be_renewed().await;
    let told = ask(&app, get("/api/auth/session", &cookie_line(&stale))).await;
    assert_eq!((&told.json()["user"]["id"], told.set_cookies()), (&json!(ALICE), Vec::new()));
    assert_eq!(told.json()["error"], "RefreshAccessTokenError");
    let token = stale.csrf_token(APP).await;
    let request = Request::post("/api/auth/signout")
        .header("cookie", cookie_line(&stale))
        .header("content-type", "application/json")
        .body(Body::from(json!({ "csrfToken": token }).to_string()));
    let answer = ask(&app, request.unwrap()).await;
    assert!(lines(&answer).starts_with("next-auth.session-token=;"), "she is signed out here all the same");
}

#[tokio::test]
async fn a_sign_out_during_a_renewal_wins() {
    // threat-model R13
    for host in [AUTH, APP] {
        let site = Deployment::start().await;
        let mut visitor = site.alice_to_be_renewed().await;
        let mut window = visitor.clone();
        site.backend.answer_next(Reply::Hang(2 * SECOND));
        let late = async { window.fetch(host, "/api/auth/session").await };
        let sign_out = async {
            while site.renewals() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            visitor.post_form(host, "/api/auth/signout", &[]).await
        };
        let (late, signed_out) = tokio::join!(late, sign_out);
        assert_eq!((signed_out.status, late.body.as_str()), (StatusCode::SEE_OTHER, "{}"), "{host}");
        assert!(!lines(&late).contains("[redacted]"), "{host}: {}", lines(&late));
    }
}

#[tokio::test]
async fn a_definite_no_of_the_backend_ends_the_session() {
    // threat-model R4, R10
    for host in [AUTH, APP] {
        let site = Deployment::start().await;
        let mut visitor = site.alice_to_be_renewed().await;
        site.backend.answer_next(Reply::Text(
            401,
            "application/json",
            r#"{"code":"token_not_valid"}"#.into(),
        ));
        let answer = visitor.fetch(host, "/api/auth/session").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "{}"));
        assert_eq!(session_cookies(&visitor), Vec::<String>::new());
    }
    let site = Deployment::start().await;
    let mut visitor = site.alice_to_be_renewed().await;
    site.backend.answer_next(Reply::Text(401, "application/json", "{}".into()));
    let answer = visitor.visit(APP, "/deep").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.location().ends_with("&error=RefreshTokenExpired"), "{}", answer.location());
    assert_eq!(session_cookies(&visitor), Vec::<String>::new());
}

#[tokio::test]
async fn a_role_taken_away_is_gone_with_the_next_renewal() {
    // threat-model T15
    let site = Deployment::start().await;
    let mut visitor = site
        .alice_but(|claims| {
            claims.user.insert("isAdmin".into(), true.into());
            claims.access_token_expires = claims.issued_at;
        })
        .await;
    site.backend.answer_next(grant(9, FAR, &alice_with(1)));
    assert_eq!(visitor.visit(ADMIN, "/").await.status, StatusCode::FORBIDDEN);
}
