//! Signing out: every form of the cookie goes, and a copy of it is worth nothing.

use hallpass_shared::token::Claims;
use http::{Method, StatusCode};
use serde_json::json;

use super::deployment::{
    ADMIN, ALICE, APP, AUTH, Deployment, FAR, NAME, PASSWORD, alice_with, grant, lines, session,
    session_cookies,
};

#[tokio::test]
async fn signing_out_on_any_host_deletes_the_cookie_and_ends_every_copy() {
    // threat-model T14
    for (host, name) in [(AUTH, "auth"), (APP, "app")] {
        let site = Deployment::start().await;
        let mut visitor = site.alice().await;
        let mut copy = visitor.clone();
        let mut elsewhere = site.alice().await;
        let fields = [("json", "true"), ("callbackUrl", "/bye")];
        let answer = visitor.post_form(host, "/api/auth/signout", &fields).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"url": site.world.url(name, "/bye")}))
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines(&answer), @"
            next-auth.session-token=; HttpOnly; SameSite=Lax; Path=/; Domain=example.localhost; Max-Age=0
            next-auth.session-token=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0
            hallpass.session-binding=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0
            ");
        }
        assert_eq!(session_cookies(&visitor), Vec::<String>::new());
        assert_eq!(session(&mut visitor, APP).await, json!({}));

        let refused = copy.fetch(AUTH, "/api/auth/session").await;
        assert_eq!(refused.body, "{}", "signed out on {host}, and a copy of the cookie still works");
        assert_eq!(session_cookies(&copy), Vec::<String>::new(), "it is taken away");
        assert_eq!(session(&mut elsewhere, AUTH).await["user"]["id"], ALICE, "another session goes on");
    }
}

#[tokio::test]
async fn a_copy_of_a_session_that_is_over_is_never_renewed() {
    // threat-model R13, T14
    let site = Deployment::start().await;
    let mut visitor = site.alice_to_be_renewed().await;
    let mut copy = visitor.clone();
    visitor.post_form(APP, "/api/auth/signout", &[]).await;
    site.backend.take_received();
    for host in [APP, ADMIN, AUTH] {
        let answer = copy.clone().fetch(host, "/api/auth/session").await;
        assert_eq!(answer.body, "{}", "{host}");
    }
    assert_eq!(copy.visit(APP, "/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.renewals(), 0);
}

#[tokio::test]
async fn without_a_session_signing_out_is_no_error() {
    let site = Deployment::start().await;
    let answer = site.visitor().post_form(APP, "/api/auth/signout", &[]).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, site.world.url("app", "/").as_str())
    );
}

#[tokio::test]
async fn a_link_signs_nobody_out_and_neither_does_a_form_without_its_token() {
    // threat-model B2
    let site = Deployment::start().await;
    let mut visitor = site.alice().await;
    for host in [AUTH, APP] {
        let answer = visitor.visit(host, "/api/auth/signout").await;
        assert!(answer.location().starts_with(&site.world.url("auth", "/logout?callbackUrl=")));
        assert_eq!((answer.status, answer.set_cookies()), (StatusCode::FOUND, Vec::new()));
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        for (body, status) in [("json=true", StatusCode::FORBIDDEN), ("", StatusCode::SEE_OTHER)] {
            let answer = visitor.send(Method::POST, host, "/api/auth/signout", &headers, body).await;
            assert_eq!((answer.status, answer.set_cookies()), (status, Vec::new()));
            let url =
                format!("http://{host}:{}/api/auth/signout?csrf=true&error=MissingCSRF", site.world.port);
            let told = if body.is_empty() {
                answer.location().to_owned()
            } else {
                answer.json()["url"].as_str().unwrap().to_owned()
            };
            assert_eq!(told, url);
        }
    }
    assert_eq!(visitor.visit(AUTH, "/logout").await.status, StatusCode::OK);
    assert_eq!(session(&mut visitor, APP).await["user"]["id"], ALICE);
}

#[tokio::test]
async fn nothing_is_left_of_a_large_session_and_a_small_one_over_it() {
    // threat-model C4, C8
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    site.backend.answer_next(grant(1, FAR, &alice_with(7_000)));
    visitor.sign_in(ALICE, PASSWORD).await;
    let chunks = ["next-auth.session-token.0", "next-auth.session-token.1", "next-auth.session-token.2"];
    assert_eq!(session_cookies(&visitor), chunks);
    assert_eq!(session(&mut visitor, APP).await["user"]["bio"].as_str().unwrap().len(), 7_000);

    let answer = visitor.sign_in(ALICE, PASSWORD).await;
    assert_eq!(session_cookies(&visitor), [NAME], "{}", lines(&answer));
    assert_eq!(session(&mut visitor, APP).await["user"].get("bio"), None);

    // A leftover for one host only, as an old deployment may have set, and a chunk of it.
    for name in [NAME, "next-auth.session-token.1"] {
        visitor.jar.insert((name.into(), APP.into()), "leftover".into());
    }
    visitor.post_form(APP, "/api/auth/signout", &[]).await;
    assert_eq!(session_cookies(&visitor), Vec::<String>::new());
}

#[tokio::test]
async fn an_update_tells_the_session_and_takes_nothing_over() {
    for (dialect, nobody) in [("next-auth-v4", "{}"), ("authjs-v5", "null")] {
        let site = Deployment::with(&format!("cookie.dialect = \"{dialect}\"")).await;
        let mut visitor = site.alice().await;
        let before = session(&mut visitor, APP).await;
        for host in [AUTH, APP] {
            let token = visitor.csrf_token(host).await;
            let wanted = json!({"csrfToken": token, "data": {"user": {"isAdmin": true}, "sub": "mallory"}});
            let headers = [("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
            let target = "/api/auth/session";
            let answer = visitor.send(Method::POST, host, target, &headers, wanted.to_string()).await;
            assert_eq!((answer.status, answer.json()), (StatusCode::OK, before.clone()));

            let made_up = json!({"csrfToken": "made-up", "data": {}}).to_string();
            let answer = visitor.send(Method::POST, host, target, &headers, made_up).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::BAD_REQUEST, nobody));
            let mut nobody_yet = site.visitor();
            let token = nobody_yet.csrf_token(host).await;
            let body = json!({ "csrfToken": token }).to_string();
            let answer = nobody_yet.send(Method::POST, host, target, &headers, body).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, nobody));
        }
        let Claims { sub, user, .. } = site.claims(&visitor).unwrap();
        assert_eq!((sub.as_deref(), &user["isAdmin"]), (Some(ALICE), &json!(false)));
    }
}
