//! Signing in: what is set, what is shown, and what happens when it cannot be.

use axum::body::Body;
use hallpass_tests::{Visitor, visitor::parameter};
use http::{Method, Request, StatusCode};
use serde_json::json;

use super::deployment::{
    ALICE, APP, AUTH, Deployment, FAR, PASSWORD, alice_with, ask, auth_on_https, backend, grant, lines,
    redacted, session, session_cookies,
};
use crate::bad_logins::log::Log;

#[tokio::test]
async fn a_sign_in_sets_one_cookie_for_the_whole_domain() {
    // threat-model C1
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    let answer = visitor.sign_in(ALICE, PASSWORD).await;
    assert_eq!(
        (answer.status, redacted(answer.location(), site.world.port).as_str()),
        (StatusCode::SEE_OTHER, "http://auth.example.localhost:PORT/")
    );
    insta::assert_snapshot!(lines(&answer), @"
    next-auth.session-token=[redacted]; HttpOnly; SameSite=Lax; Path=/; Domain=example.localhost; Max-Age=2592000
    hallpass.session-binding=[redacted]; HttpOnly; SameSite=Lax; Path=/
    ");
}

#[tokio::test]
async fn on_https_the_cookies_have_prefixes_and_are_secure() {
    // threat-model C1, B10
    let backend = backend().await;
    let auth = auth_on_https(&backend).router();
    let issued = ask(&auth, Request::get("/api/auth/csrf").body(Body::empty()).unwrap()).await;
    insta::assert_snapshot!(lines(&issued), @"__Host-next-auth.csrf-token=[redacted]; HttpOnly; SameSite=Lax; Secure; Path=/");
    let cookie = issued.set_cookies()[0].split(';').next().unwrap().to_owned();
    let token = issued.json()["csrfToken"].as_str().unwrap().to_owned();
    let post = |origin: &str| {
        Request::post("/api/auth/callback/credentials")
            .header("cookie", &cookie)
            .header("origin", origin)
            .header("content-type", "application/json")
            .body(Body::from(
                json!({"username": ALICE, "password": PASSWORD, "csrfToken": token}).to_string(),
            ))
            .unwrap()
    };
    let answer = ask(&auth, post("https://auth.example.com")).await;
    assert_eq!(answer.location(), "https://auth.example.com/");
    insta::assert_snapshot!(lines(&answer), @"
    __Secure-next-auth.session-token=[redacted]; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=2592000
    __Host-hallpass.session-binding=[redacted]; HttpOnly; SameSite=Lax; Secure; Path=/
    ");
    assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000; includeSubDomains");
    for foreign in
        ["http://auth.example.com", "https://app.example.com", "https://auth.example.com.evil.com", "null"]
    {
        let answer = ask(&auth, post(foreign)).await;
        assert_eq!((answer.status, answer.set_cookies()), (StatusCode::FORBIDDEN, Vec::new()), "{foreign}");
    }
}

#[tokio::test]
async fn the_session_is_told_as_nextauth_tells_it() {
    // threat-model B9
    for (dialect, nobody) in [("next-auth-v4", "{}"), ("authjs-v5", "null")] {
        let site = Deployment::with(&format!("cookie.dialect = \"{dialect}\"")).await;
        let mut visitor = site.visitor();
        for host in [AUTH, APP] {
            let answer = visitor.fetch(host, "/api/auth/session").await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, nobody), "{dialect}");
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!(answer.set_cookies(), Vec::<&str>::new());
        }
        visitor.sign_in(ALICE, PASSWORD).await;
        let end = site.claims(&visitor).unwrap().expires.unwrap();
        let expected = json!({
            "user": {"id": ALICE, "email": ALICE, "name": ALICE, "isAdmin": false},
            "expires": end.to_rfc3339(),
        });
        assert_eq!(session(&mut visitor, AUTH).await, expected, "{dialect}");
        assert_eq!(session(&mut visitor, APP).await, expected, "{dialect}");
        assert_eq!(site.backend.take_received().len(), 1, "a fresh session needs no network");
    }
}

#[tokio::test]
async fn the_access_token_is_shown_only_where_that_is_wanted() {
    // threat-model B9
    let site = Deployment::with("session.expose_access_token = true").await;
    let mut visitor = site.alice().await;
    assert!(session(&mut visitor, APP).await["token"].as_str().unwrap().starts_with("e30."));
}

#[tokio::test]
async fn a_form_without_its_token_signs_nobody_in_and_the_client_is_told_so() {
    // threat-model B1, B3
    for (dialect, address) in [
        ("next-auth-v4", "/api/auth/signin?csrf=true&error=MissingCSRF"),
        ("authjs-v5", "/api/auth/signin?error=MissingCSRF"),
    ] {
        let site = Deployment::with(&format!("cookie.dialect = \"{dialect}\"")).await;
        let url = site.world.url("auth", address);
        for path in ["/api/auth/callback/credentials", "/api/auth/signin/credentials", "/api/auth/signin"] {
            let mut visitor = site.visitor();
            let fields = "username=alice%40example.com&password=correct+horse&csrfToken=";
            let answer = post(&mut visitor, path, &format!("{fields}made-up&json=true")).await;
            assert_eq!((answer.status, answer.json()), (StatusCode::FORBIDDEN, json!({ "url": url })));
            let answer = post(&mut visitor, path, &format!("{fields}made-up")).await;
            assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, url.as_str()));
            assert_eq!(session_cookies(&visitor), Vec::<String>::new());
        }
        assert_eq!(site.backend.take_received().len(), 0);
        let page = site.visitor().visit(AUTH, address).await;
        assert_eq!(parameter(page.location(), "error").as_deref(), Some("MissingCSRF"));
    }
}

#[tokio::test]
async fn what_a_sibling_sends_is_refused_without_a_hint() {
    // threat-model B1
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    let token = visitor.csrf_token(AUTH).await;
    let body = format!("username=alice%40example.com&password=correct+horse&json=true&csrfToken={token}");
    let sibling = site.world.url("app", "");
    for path in
        ["/api/auth/callback/credentials", "/api/auth/signin", "/api/auth/signout", "/api/auth/session"]
    {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &sibling),
            ("sec-fetch-site", "same-site"),
        ];
        let answer = visitor.send(Method::POST, AUTH, path, &headers, body.as_str()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.json()["code"], "MissingCSRF", "{path}");
        assert_eq!(answer.headers.get("access-control-allow-origin"), None, "threat-model B8");
    }
    assert_eq!(session_cookies(&visitor), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_that_is_too_large_ends_on_a_page_and_in_the_log() {
    // threat-model C8
    let log = Log::capture();
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    site.backend.answer_next(grant(1, FAR, &alice_with(20_000)));
    let token = visitor.csrf_token(AUTH).await;
    let origin = site.world.url("auth", "");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("accept", "text/html"),
    ];
    let body = format!("username=a&password=b&csrfToken={token}");
    let answer =
        visitor.send(Method::POST, AUTH, "/api/auth/callback/credentials", &headers, body.as_str()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("<h1>"), "{}", answer.body);
    assert_eq!(session_cookies(&visitor), Vec::<String>::new());
    let log = log.take();
    assert!(log.contains("\"not_begun\"") && log.contains("bio (20"), "{log}");

    site.backend.answer_next(grant(2, FAR, &alice_with(20_000)));
    let fields = [("username", ALICE), ("password", PASSWORD), ("json", "true")];
    let answer = visitor.post_form(AUTH, "/api/auth/callback/credentials", &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json()["url"], site.world.url("auth", "/api/auth/error?error=SessionTooLarge"));
}

async fn post(visitor: &mut Visitor, path: &str, body: &str) -> hallpass_tests::Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    visitor.send(Method::POST, AUTH, path, &headers, body).await
}
