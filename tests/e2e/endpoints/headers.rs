//! Headers: those that protect pages and private answers, and requests with far too many.

use axum::body::Body;
use hallpass_shared::{
    internal::Bearers,
    secret::{Secret, SecretRing},
};
use hallpass_tests::{Answer, SECRET, Visitor};
use http::{Method, Request, StatusCode, Version, header};
use serde_json::json;

use super::{
    deployment::{
        ADMIN, ALICE, APP, AUTH, Deployment, FAR, PASSWORD, alice_with, ask, auth_on_https, backend,
        cookie_line, grant, session, session_cookies,
    },
    wire,
};

#[tokio::test]
async fn pages_are_protected_from_frames_scripts_caches_and_curious_referrers() {
    // threat-model B4, B5, B7, B10, X7
    let backend = backend().await;
    let auth = auth_on_https(&backend).router();
    for (page, status) in [("/login", 200), ("/logout", 200), ("/error?error=Unavailable", 503)] {
        let answer = ask(&auth, Request::get(page).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{page}");
        let own = ["content-length", "set-cookie", "x-request-id"];
        let mut lines: Vec<String> = answer
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines.join("\n"), @"
            cache-control: no-store
            content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' https://example.com https://*.example.com; frame-ancestors 'none'; base-uri 'none'; object-src 'none'
            content-type: text/html; charset=utf-8
            cross-origin-opener-policy: same-origin
            referrer-policy: same-origin
            strict-transport-security: max-age=31536000; includeSubDomains
            vary: Accept-Language, Cookie
            x-content-type-options: nosniff
            x-frame-options: DENY
            ");
        }
    }
}

#[tokio::test]
async fn every_page_is_protected_whatever_it_says() {
    // threat-model B4, B7
    let site = Deployment::start().await;
    let mut visitor = site.alice().await;
    for (host, target, status) in [
        (AUTH, "/", 200),
        (AUTH, "/login", 200),
        (AUTH, "/login?error=CredentialsSignin&switch=1", 200),
        (AUTH, "/nothing", 404),
        (AUTH, "/api/auth/nothing", 404),
        (APP, "/", 200),
        (APP, "/api/auth/nothing", 404),
        (ADMIN, "/", 403),
    ] {
        let answer = visitor.visit(host, target).await;
        assert_eq!(answer.status.as_u16(), status, "{host}{target}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(cached(&answer).contains("no-store"), "{host}{target}: {}", cached(&answer));
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{host}{target}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{host}{target}");
        assert!(!answer.headers.contains_key("server"), "threat-model X7");
    }
}

#[tokio::test]
async fn nothing_below_api_auth_is_kept_by_anybody_but_its_style_sheets() {
    // threat-model B7
    let site = Deployment::start().await;
    let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
    let bearer = Bearers::derive(&ring).unwrap().header().unwrap();
    for (host, target) in [
        (AUTH, "session"),
        (APP, "session"),
        (AUTH, "csrf"),
        (AUTH, "providers"),
        (APP, "signin"),
        (APP, "signout"),
        (APP, "error"),
        (APP, "lifetimes"),
        (AUTH, "nothing"),
        (AUTH, "fingerprint"),
        (AUTH, "refresh"),
    ] {
        for mut visitor in [site.visitor(), site.alice().await] {
            for method in [Method::GET, Method::POST] {
                let headers =
                    [("authorization", bearer.to_str().unwrap()), ("content-type", "application/json")];
                let body = json!({ "token": "x" }).to_string();
                let target = format!("/api/auth/{target}");
                let answer = visitor.send(method.clone(), host, &target, &headers, body).await;
                assert!(cached(&answer).contains("no-store"), "{method} {host}{target}: {answer:?}");
            }
        }
    }
    let page = site.visitor().visit(AUTH, "/login").await.body;
    let style = page.split('"').find(|text| text.starts_with("/api/auth/assets/hallpass.css")).unwrap();
    assert_eq!(cached(&site.visitor().fetch(APP, style).await), "public, max-age=31536000, immutable");
}

fn cached(answer: &Answer) -> &str {
    answer.headers.get(header::CACHE_CONTROL).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_jar_that_a_sibling_has_filled_is_answered_and_loses_our_cookies() {
    // threat-model C7
    let site = Deployment::start().await;
    for host in [AUTH, APP] {
        let mut visitor = site.alice().await;
        for number in 0..20 {
            let key = (format!("bomb{number}"), ".example.localhost".to_owned());
            visitor.jar.insert(key, "b".repeat(3500));
        }
        let told = visitor.clone().fetch(host, "/api/auth/session").await;
        assert_eq!(told.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(told.json()["code"], "HeadersTooLarge");
        let shown = visitor.visit(host, "/").await;
        assert_eq!(shown.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert!(shown.body.contains("<h1>"), "{}", shown.body);
        assert_eq!(cached(&shown), "no-store");
        assert_eq!(session_cookies(&visitor), Vec::<String>::new());
        assert!(visitor.cookie_names().contains(&"bomb7".to_owned()), "what is not ours stays");
    }
}

#[tokio::test]
async fn a_session_in_four_chunks_passes_with_eight_kibibytes_of_other_cookies() {
    // threat-model D9
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    site.backend.answer_next(grant(1, FAR, &alice_with(10_000)));
    visitor.sign_in(ALICE, PASSWORD).await;
    assert_eq!(session_cookies(&visitor).len(), 4);
    for number in 0..4 {
        let key = (format!("other{number}"), ".example.localhost".to_owned());
        visitor.jar.insert(key, "o".repeat(2048));
    }
    for host in [AUTH, APP, ADMIN] {
        assert_eq!(session(&mut visitor, host).await["user"]["id"], ALICE, "{host}");
        assert_eq!(over_http2(&visitor, host, site.world.port).await["user"]["id"], ALICE, "{host}");
    }
}

async fn over_http2(visitor: &Visitor, host: &str, port: u16) -> serde_json::Value {
    #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let request = client
        .get(format!("http://127.0.0.1:{port}/api/auth/session"))
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::COOKIE, cookie_line(visitor));
    let response = request.send().await.unwrap();
    assert_eq!((response.version(), response.status()), (Version::HTTP_2, StatusCode::OK));
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn no_tunnel_is_opened() {
    // threat-model H12, X9
    let site = Deployment::start().await;
    let port = site.world.port;
    let request = format!("CONNECT {AUTH}:{port} HTTP/1.1\r\nHost: {AUTH}:{port}\r\n\r\n");
    let answer = wire::exchange(site.world.address(), request.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}
