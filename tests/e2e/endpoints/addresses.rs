//! The small answers: tokens for forms, providers, the ways to the pages, and what there is not.

use axum::body::Body;
use hallpass_tests::visitor::parameter;
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::deployment::{ADMIN, APP, AUTH, Deployment, ask, auth_on_https, backend, redacted};

#[tokio::test]
async fn a_token_for_forms_is_kept_for_this_host() {
    // threat-model B3
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    let answer = visitor.fetch(APP, "/api/auth/csrf").await;
    let token = answer.json()["csrfToken"].as_str().unwrap().to_owned();
    assert_eq!(answer.json(), json!({ "csrfToken": token }));
    assert!(token.len() == 64 && token.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{token}");
    let kept = &visitor.jar[&("next-auth.csrf-token".to_owned(), APP.to_owned())];
    assert!(kept.starts_with(&format!("{token}%7C")), "NextAuth's form: {kept}");
    let again = visitor.fetch(APP, "/api/auth/csrf").await;
    assert_eq!((again.json(), again.set_cookies()), (answer.json(), Vec::new()), "it stays");
    assert_ne!(visitor.csrf_token(AUTH).await, token, "each host has its own");
}

#[tokio::test]
async fn the_providers_are_those_the_official_client_looks_for() {
    let site = Deployment::start().await;
    for (host, name) in [(AUTH, "auth"), (APP, "app")] {
        let answer = site.visitor().fetch(host, "/api/auth/providers").await;
        let expected = format!(
            r#"{{"credentials":{{"callbackUrl":"{}","id":"credentials","name":"Credentials","signinUrl":"{}","type":"credentials"}}}}"#,
            site.world.url(name, "/api/auth/callback/credentials"),
            site.world.url(name, "/api/auth/signin/credentials"),
        );
        assert_eq!(
            (answer.json(), answer.set_cookies()),
            (serde_json::from_str(&expected).unwrap(), Vec::new())
        );
    }
}

#[tokio::test]
async fn the_ways_to_the_pages_lead_to_the_auth_server_and_back() {
    // threat-model O1, O8
    let site = Deployment::start().await;
    let port = site.world.port;
    let mut visitor = site.visitor();
    let mut ways = Vec::new();
    for (host, target) in [
        (AUTH, "/api/auth/signin"),
        (AUTH, "/api/auth/signin/credentials?callbackUrl=/deep%3Fx%3D1"),
        (APP, "/api/auth/signin"),
        (APP, "/api/auth/signin?callbackUrl=/deep%3Fx%3D1"),
        (APP, "/api/auth/signin?rd=/deep"),
        (APP, "/api/auth/signin?callbackUrl=https%3A%2F%2Fevil.com%2F"),
        (APP, "/api/auth/signin?callbackUrl=https%3A%2F%2F%5B&error=SessionRequired"),
        (AUTH, "/api/auth/signout"),
        (ADMIN, "/api/auth/signout?callbackUrl=/bye"),
        (AUTH, "/api/auth/error?error=CredentialsSignin"),
        (AUTH, "/api/auth/error?error=AccessDenied"),
        (APP, "/api/auth/error?error=%3Cscript%3E"),
    ] {
        let answer = visitor.visit(host, target).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{target}");
        assert_eq!(answer.set_cookies(), Vec::<&str>::new(), "{target}");
        ways.push(format!("{target}\n    {}", redacted(answer.location(), port)));
    }
    insta::assert_snapshot!(ways.join("\n"), @"
    /api/auth/signin
        http://auth.example.localhost:PORT/login
    /api/auth/signin/credentials?callbackUrl=/deep%3Fx%3D1
        http://auth.example.localhost:PORT/login?callbackUrl=http%3A%2F%2Fauth.example.localhost%3APORT%2Fdeep%3Fx%3D1
    /api/auth/signin
        http://auth.example.localhost:PORT/login?callbackUrl=http%3A%2F%2Fapp.example.localhost%3APORT%2F
    /api/auth/signin?callbackUrl=/deep%3Fx%3D1
        http://auth.example.localhost:PORT/login?callbackUrl=http%3A%2F%2Fapp.example.localhost%3APORT%2Fdeep%3Fx%3D1
    /api/auth/signin?rd=/deep
        http://auth.example.localhost:PORT/login?callbackUrl=http%3A%2F%2Fapp.example.localhost%3APORT%2Fdeep
    /api/auth/signin?callbackUrl=https%3A%2F%2Fevil.com%2F
        http://auth.example.localhost:PORT/login?callbackUrl=http%3A%2F%2Fapp.example.localhost%3APORT%2F
    /api/auth/signin?callbackUrl=https%3A%2F%2F%5B&error=SessionRequired
        http://auth.example.localhost:PORT/login?callbackUrl=http%3A%2F%2Fapp.example.localhost%3APORT%2F&error=SessionRequired
    /api/auth/signout
        http://auth.example.localhost:PORT/logout?callbackUrl=http%3A%2F%2Fauth.example.localhost%3APORT%2F
    /api/auth/signout?callbackUrl=/bye
        http://auth.example.localhost:PORT/logout?callbackUrl=http%3A%2F%2Fadmin.example.localhost%3APORT%2Fbye
    /api/auth/error?error=CredentialsSignin
        http://auth.example.localhost:PORT/login?error=CredentialsSignin
    /api/auth/error?error=AccessDenied
        http://auth.example.localhost:PORT/error?error=AccessDenied
    /api/auth/error?error=%3Cscript%3E
        http://auth.example.localhost:PORT/error
    ");
}

#[derive(Deserialize)]
struct Address {
    id: String,
    callback_url: String,
    base_url: String,
    allowed: bool,
    why: String,
}

#[tokio::test]
async fn no_address_leads_off_the_domain() {
    // threat-model O1 to O3, O8
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Address>,
    }
    let file: File = serde_json::from_str(include_str!("../../vectors/open-redirects.json")).unwrap();
    let backend = backend().await;
    let auth = auth_on_https(&backend).router();
    let home = "https://auth.example.com/";
    let mut tried = 0;
    for case in file.cases.iter().filter(|case| format!("{}/", case.base_url) == home) {
        let at = format!("{}, {:?}: {}", case.id, case.callback_url, case.why);
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("callbackUrl", &case.callback_url)
            .finish();
        for (target, expected) in [("signout", Some(home)), ("signin", None)] {
            let request = Request::get(format!("/api/auth/{target}?{query}")).body(Body::empty()).unwrap();
            let answer = ask(&auth, request).await;
            assert_eq!(answer.status, StatusCode::FOUND, "{at}");
            let page = Url::parse(answer.location()).unwrap();
            assert_eq!(page.origin().ascii_serialization() + "/", home, "{at}");
            let led_to = parameter(answer.location(), "callbackUrl");
            if case.allowed {
                let led_to = Url::parse(led_to.as_deref().unwrap_or(home)).unwrap();
                assert!(led_to.host_str().unwrap().ends_with("example.com"), "{at}: {led_to}");
            } else {
                assert_eq!(led_to.as_deref(), expected, "{at}");
            }
        }
        tried += 1;
    }
    assert!(tried > 50, "{tried} of {}", file.cases.len());
}

#[tokio::test]
async fn a_form_that_names_only_a_provider_leads_to_the_sign_in_page() {
    let site = Deployment::start().await;
    for host in [AUTH, APP] {
        let fields = [("callbackUrl", "/deep"), ("json", "true")];
        let answer = site.visitor().post_form(host, "/api/auth/signin/credentials", &fields).await;
        assert_eq!(answer.status, StatusCode::OK);
        let url = answer.json()["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&site.world.url("auth", "/login?")), "{url}");
        let back = parameter(&url, "callbackUrl").unwrap();
        assert_eq!(back, format!("http://{host}:{}/deep", site.world.port));
    }
}

#[tokio::test]
async fn what_clients_report_is_taken_and_dropped() {
    let site = Deployment::start().await;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "level=error&code=CLIENT_FETCH_ERROR&message=x"),
        ("text/plain", "\u{1b}]0;pwned\u{7}"),
    ] {
        let headers = [("content-type", kind), ("sec-fetch-site", "same-origin")];
        let answer = site.visitor().send(Method::POST, APP, "/api/auth/_log", &headers, body).await;
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.set_cookies()),
            (StatusCode::OK, "", Vec::new())
        );
    }
}

#[tokio::test]
async fn what_is_not_there_and_odd_methods_are_refused_plainly() {
    // threat-model X7, X9
    let site = Deployment::start().await;
    let mut found = Vec::new();
    for (method, target) in [
        ("GET", "/api/auth/nothing"),
        ("GET", "/api/auth"),
        ("GET", "/api/auth/"),
        ("GET", "/api/auth/callback/github"),
        ("GET", "/api/auth/callback/credentials"),
        ("GET", "/api/auth/_log"),
        ("POST", "/api/auth/csrf"),
        ("DELETE", "/api/auth/session"),
        ("PUT", "/api/auth/signout"),
        ("OPTIONS", "/api/auth/session"),
        ("BREW", "/api/auth/providers"),
        ("TRACE", "/api/auth/session"),
        ("TRACE", "/login"),
        ("GET", "/nothing"),
    ] {
        let method: Method = method.parse().unwrap();
        let answer = site.visitor().send(method.clone(), AUTH, target, &[], "").await;
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{method} {target}");
        assert_eq!(answer.json()["requestId"], answer.headers["x-request-id"].to_str().unwrap());
        assert_eq!(answer.headers["cache-control"], "no-store", "{method} {target}");
        assert!(!answer.headers.contains_key("server"));
        let allow = answer.headers.get("allow").map_or("-", |allow| allow.to_str().unwrap());
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        found.push(format!("{method} {target} {} {code} allow {allow}", answer.status.as_u16()));
    }
    insta::assert_snapshot!(found.join("\n"), @"
    GET /api/auth/nothing 404 NotFound allow -
    GET /api/auth 404 NotFound allow -
    GET /api/auth/ 404 NotFound allow -
    GET /api/auth/callback/github 404 NotFound allow -
    GET /api/auth/callback/credentials 405 MethodNotAllowed allow POST
    GET /api/auth/_log 405 MethodNotAllowed allow POST
    POST /api/auth/csrf 405 MethodNotAllowed allow GET,HEAD
    DELETE /api/auth/session 405 MethodNotAllowed allow GET,HEAD,POST
    PUT /api/auth/signout 405 MethodNotAllowed allow GET,HEAD,POST
    OPTIONS /api/auth/session 405 MethodNotAllowed allow GET,HEAD,POST
    BREW /api/auth/providers 405 MethodNotAllowed allow GET,HEAD
    TRACE /api/auth/session 405 MethodNotAllowed allow GET,HEAD,POST
    TRACE /login 405 MethodNotAllowed allow GET,HEAD
    GET /nothing 404 NotFound allow -
    ");
}
