//! What a REST backend may say, and what is made of it.
//!
//! Why: beside the code these tests are as long as it.

use std::time::Duration;

use crate::{key::digest, secret::Secret, token::Claims};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::super::{
    BackendError, HttpBackend as Backend,
    scripted::{self, Answer, Scripted, reply},
};

const DJANGO: &str = r#"
        [backend]
        kind = "rest"
        timeout = "300ms"
        sign_in = { url = "URL/api/token/", body = { email = "{username}", password = "{password}" } }
        refresh = { url = "URL/api/token/refresh/", body = { refresh = "{refresh_token}" } }
        sign_out = { url = "URL/api/token/blacklist/", body = { refresh = "{refresh_token}" } }
    "#;

async fn sign_in(backend: &Backend) -> Result<crate::refresh::Grant, BackendError> {
    let (username, password) = (Secret::new("zoë@example.com"), Secret::new(" p\"w "));
    backend.sign_in(&username, &password, Some([203, 0, 113, 9].into())).await
}

fn is_outage<T>(asked: &Result<T, BackendError>) -> bool {
    matches!(asked, Err(BackendError::Unavailable(_)))
}

#[tokio::test]
async fn a_backend_is_told_what_was_typed_and_nothing_else() {
    // threat-model S5, K6
    let tokens = json!({"access": "a", "refresh": "r", "user": {"id": 7}});
    let server =
        Scripted::start([scripted::json(200, &tokens), scripted::json(200, &json!({"access": "b"}))]).await;
    let backend = server.backend(DJANGO);
    let grant = sign_in(&backend).await.unwrap();
    assert_eq!(grant.subject().as_deref(), Some("7"));
    let renewed = backend.refresh(&grant.refresh_token.unwrap()).await.unwrap();
    assert_eq!(renewed.access_token.unwrap().expose(), "b");
    assert!(renewed.refresh_token.is_none(), "kept where the backend does not rotate");
    let asked = server.asked();
    assert_eq!(asked[0].json(), json!({"email": "zoë@example.com", "password": " p\"w "}));
    assert_eq!((asked[0].method.as_str(), asked[0].uri.to_string().as_str()), ("POST", "/api/token/"));
    let mut names: Vec<&str> = asked[0].headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type", "host"]);
    assert_eq!(asked[1].json(), json!({"refresh": "r"}));
    let key = URL_SAFE_NO_PAD.encode(digest("hallpass idempotency", "r"));
    assert_eq!(asked[1].header("idempotency-key"), Some(key.as_str()));
}

#[tokio::test]
async fn every_part_of_a_request_can_be_set() {
    let tokens = json!({"auth": {"t": "a", "life": 60}, "r": "r"});
    let answers = [
        scripted::json(201, &tokens),
        scripted::json(200, &json!({"data": {"id": "7", "name": "Zoë"}})),
        scripted::json(200, &json!({"jwt": "b"})),
        scripted::json(200, &json!({"data": {"id": "7", "name": "Zoe"}})),
        reply(204, "text/plain", ""),
    ];
    let server = Scripted::start(answers).await;
    let backend = server.backend(
        r#"
            [backend]
            kind = "rest"
            address_header = "X-Client"
            headers = { X-Api-Key = "k" }
            response = { token = "/auth/t", refresh_token = "/r" }
            [backend.sign_in]
            url = "URL/login?tenant=1"
            encoding = "form"
            body = { login = "{username}", pass = "{password}", grant_type = "password", n = 1 }
            response = { expires_in = "/auth/life" }
            [backend.refresh]
            url = "URL/refresh"
            method = "PUT"
            headers = { Authorization = "Bearer {refresh_token}" }
            response = { token = "/jwt" }
            [backend.user]
            url = "URL/me"
            pointer = "/data"
            [backend.sign_out]
            url = "URL/logout"
            method = "DELETE"
            headers = { Authorization = "JWT {access_token}" }
            "#,
    );
    let grant = sign_in(&backend).await.unwrap();
    assert_eq!(grant.access_token_expires, Some(scripted::NOW.plus(Duration::from_mins(1))));
    assert_eq!(grant.user.as_ref().unwrap()["name"], "Zoë");
    let renewed = backend.refresh(grant.refresh_token.as_ref().unwrap()).await.unwrap();
    assert_eq!(renewed.user.as_ref().unwrap()["name"], "Zoe", "threat-model T15");
    let claims = renewed.apply_to(&grant.apply_to(&Claims::default()));
    backend.sign_out(&claims).await;
    let asked = server.asked();
    let form = "grant_type=password&login=zo%C3%AB%40example.com&n=1&pass=+p%22w+";
    assert_eq!(asked[0].body, form);
    assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked[0].header("x-client"), Some("203.0.113.9"));
    assert!(asked.iter().all(|asked| asked.header("x-api-key") == Some("k")));
    assert_eq!(asked[1].header("authorization"), Some("Bearer a"));
    assert_eq!((asked[2].method.as_str(), asked[2].header("authorization")), ("PUT", Some("Bearer r")));
    assert_eq!((asked[4].method.as_str(), asked[4].header("authorization")), ("DELETE", Some("JWT b")));
    assert!(asked[1..].iter().all(|asked| asked.header("x-client").is_none()));
}

#[tokio::test]
async fn only_a_listed_status_is_a_denial_and_all_else_an_outage() {
    // threat-model R4, K3, K4
    let big = format!("{{\"access\":\"a\",\"refresh\":\"r\",\"x\":\"{}\"}}", "x".repeat(300_000));
    let deep = format!("{{\"access\":\"a\",\"refresh\":\"r\",\"x\":{}{}}}", "[".repeat(20), "]".repeat(20));
    let faults = [
        reply(200, "text/html", "<html>maintenance</html>"),
        reply(200, "application/json", "{\"access\":\"a\""),
        reply(200, "application/json", ""),
        reply(204, "application/json", ""),
        reply(200, "application/json", big),
        reply(200, "application/json", deep),
        scripted::json(200, &json!({"access": "a\r\nSet-Cookie: x", "refresh": "r"})),
        scripted::json(200, &json!({"access": "a"})),
        scripted::json(200, &json!({"refresh": "r"})),
        scripted::json(200, &json!(["a"])),
        scripted::json(302, &json!({})).with("location", "/elsewhere"),
        scripted::json(307, &json!({})).with("location", "http://127.0.0.1:1/"),
        scripted::json(409, &json!({})),
        scripted::json(500, &json!({"access": "a", "refresh": "r"})),
        scripted::json(503, &json!({})).with("retry-after", "20"),
        reply(403, "text/html", "<h1>CSRF verification failed"),
        Answer::Silence,
    ];
    let count = faults.len();
    let server = Scripted::start(faults.clone()).await;
    let backend = server.backend(DJANGO);
    for fault in &faults {
        assert!(is_outage(&sign_in(&backend).await), "{fault:?}");
    }
    assert_eq!(server.asked().len(), count, "nothing is followed or repeated");
    let server =
        Scripted::start([400, 401, 403, 404, 422].map(|status| scripted::json(status, &json!({})))).await;
    let backend = server.backend(DJANGO);
    for _ in 0..5 {
        assert_eq!(sign_in(&backend).await.unwrap_err(), BackendError::Denied);
    }
}

#[tokio::test]
async fn a_renewal_is_refused_by_401_only_unless_said_otherwise() {
    // threat-model R4
    let statuses = [401, 400, 403, 404, 500].map(|status| scripted::json(status, &json!({})));
    let token = Secret::new("r");
    let server = Scripted::start(statuses.clone()).await;
    let backend = server.backend(DJANGO);
    assert_eq!(backend.refresh(&token).await.unwrap_err(), BackendError::Denied);
    for _ in 1..5 {
        assert!(is_outage(&backend.refresh(&token).await));
    }
    let server = Scripted::start(statuses).await;
    let backend = server.backend(
        &DJANGO
            .replace("{ refresh =", "{ refresh = \"\", x =")
            .replace("/refresh/\",", "/refresh/\", refused_status = [400, 403],"),
    );
    let mut refused = Vec::new();
    for _ in 0..5 {
        refused.push(backend.refresh(&token).await.unwrap_err() == BackendError::Denied);
    }
    assert_eq!(refused, [false, true, true, false, false]);
}

#[tokio::test]
async fn tokens_that_were_renewed_are_kept_when_the_user_cannot_be_read() {
    // threat-model R5
    let with_user = format!("{DJANGO}\nuser = {{ url = \"URL/api/me/\" }}");
    let tokens = json!({"access": "a", "refresh": "r2", "user": {"id": 7}});
    let fault = || reply(500, "text/html", "");
    let server =
        Scripted::start([scripted::json(200, &tokens), fault(), scripted::json(200, &tokens), fault()]).await;
    let backend = server.backend(&with_user);
    assert!(is_outage(&sign_in(&backend).await), "no session without the fields it is about");
    let renewed = backend.refresh(&Secret::new("r")).await.unwrap();
    assert_eq!(renewed.refresh_token.unwrap().expose(), "r2");
}

#[tokio::test]
async fn a_user_who_may_not_even_see_himself_is_out_and_it_is_told_why() {
    // threat-model T15
    let with_user = format!("{DJANGO}\nuser = {{ url = \"URL/api/me/\" }}");
    let tokens = json!({"access": "a", "refresh": "r2", "user": {"id": 7}});
    let server = Scripted::start([scripted::json(200, &tokens), scripted::json(401, &json!({}))]).await;
    let refused = server.backend(&with_user).refresh(&Secret::new("r")).await;
    assert_eq!(refused.unwrap_err(), BackendError::UserDenied);
}

#[tokio::test]
async fn a_session_without_the_token_has_nothing_to_sign_out() {
    let server = Scripted::start([]).await;
    server.backend(DJANGO).sign_out(&Claims::default()).await;
    assert!(server.asked().is_empty());
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let problem = |section: &str| scripted::read(section).unwrap_err();
    let changed =
        |from: &str, to: &str| problem(&DJANGO.replace("URL", "https://b.example").replace(from, to));
    for (problem, key, remedy) in [
        (
            changed("https://b.example/api/token/\"", "http://b.example/\""),
            "`backend.sign_in.url`",
            "insecure_http",
        ),
        (
            changed("https://b.example/api/token/\"", "https://b.example/{username}\""),
            "`backend.sign_in.url`",
            "body",
        ),
        (
            changed("https://b.example/api/token/\"", "https://u:p@b.example/\""),
            "`backend.sign_in.url`",
            "headers",
        ),
        (changed("{password}", "{pasword}"), "`backend.sign_in.body`", "`{username}` and `{password}`"),
        (changed("\"{password}\"", "\"x\""), "`backend.sign_in.body`", "`{password}`"),
        (
            changed("\"{refresh_token}\" } }\n        sign_out", "1 } }\n        sign_out"),
            "`backend.refresh.body`",
            "`{refresh_token}`",
        ),
        (changed("timeout = \"300ms\"", "timeout = \"0s\""), "`backend.timeout`", "60s"),
        (changed("timeout = \"300ms\"", "timeot = \"1s\""), "backend.timeot", "known are"),
        (changed("timeout = \"300ms\"", "ca_file = \"/nowhere\""), "`backend.ca_file`", "cannot be read"),
        (changed("timeout = \"300ms\"", "headers = { Host = \"x\" }"), "`backend.headers`", "connection"),
        (
            changed("timeout = \"300ms\"", "response = { token = \"access\" }"),
            "`backend.response.token`",
            "pointer",
        ),
        (
            changed("sign_in = { url =", "sign_in = { denied_status = [500], url ="),
            "`backend.sign_in.denied_status`",
            "400 to 499",
        ),
        (
            changed("sign_in = { url =", "sign_in = { method = \"GET\", url ="),
            "`backend.sign_in.method`",
            "POST",
        ),
    ] {
        assert!(problem.contains(key) && problem.contains(remedy), "{problem} ({key}, {remedy})");
    }
}
