//! One sign-out, wherever it is asked for, ends the session everywhere.

use super::{ORDINARY, Stage};

impl Stage {
    async fn nobody_is_left(&self) {
        for host in ["app", "admin"] {
            self.asks_to_sign_in(host).await;
        }
        for host in ["auth", "app", "admin"] {
            assert_eq!(self.session_cookies(host).await, Vec::<String>::new(), "{host}");
        }
    }
}

#[tokio::test]
async fn signing_out_at_the_auth_server_signs_out_every_satellite() {
    let stage = Stage::set().await;
    stage.sign_in(ORDINARY).await;
    stage.browser.save("signed-in").await;
    assert_eq!(stage.session_cookies("admin").await, ["next-auth.session-token"]);
    stage.open("auth", "/logout").await;
    stage.browser.sees("Sign out?").await;
    stage.browser.save("logout").await;
    stage.browser.click("main [type=submit]").await;
    stage.browser.sees("signed out everywhere").await;
    stage.browser.save("signed-out").await;
    stage.nobody_is_left().await;
    assert_eq!(stage.django.count("blacklist").await, 1, "the backend was told");
}

#[tokio::test]
async fn signing_out_on_a_satellite_signs_out_the_others_too() {
    let stage = Stage::set().await;
    stage.open("app", "/").await;
    stage.enter(ORDINARY).await;
    stage.browser.sees("You’re signed in").await;
    stage.browser.click(".bar [type=submit]").await;
    stage.browser.sees("to continue to app.example.localhost").await;
    stage.nobody_is_left().await;
    stage.open("auth", "/logout").await;
    stage.browser.sees("not signed in").await;
    stage.browser.save("logout-nobody").await;
    assert_eq!(stage.django.count("blacklist").await, 1, "the backend was told, by way of the auth server");
}

#[tokio::test]
async fn a_sign_out_on_a_satellite_can_end_on_its_sibling() {
    let stage = Stage::set().await;
    stage.sign_in(ORDINARY).await;
    let end = stage.world.url("admin", "/api/auth/providers?from=sign-out&x=%C5%BD");
    let encoded: String = url::form_urlencoded::byte_serialize(end.as_bytes()).collect();
    stage.open("app", &format!("/api/auth/signout?callbackUrl={encoded}")).await;
    stage.browser.sees("Sign out?").await;
    stage.browser.click("main [type=submit]").await;
    stage.browser.arrives_at(&end).await;
    stage.nobody_is_left().await;
}
