//! The main story: one sign-in, every subdomain, one sign-out.

use hallpass_tests::{World, browser::Browser, django::Django};
use serde_json::{Value, json};

use super::{ADMIN, ORDINARY, ORDINARY_NAME, Stage};

/// What is awkward in a query: encoded and bare delimiters, pluses, empty names, bytes that are no UTF-8.
const AWKWARD: &str = "/deep/li%20nk/%C5%BE%2Fx?q=a+b%20c%2Bd%26e%3Df%25&empty=&=&&x=%C5%BD&x=%E5%B1%B1&bytes=%FF%00\
                       &semi=a;b&quote=%22%27&path=/../%2e%2e/&url=http://other.example/?a=b&pipe=|{}^`\\~!*()$,:@#part-2";

fn knows_the_ordinary_user(session: &Value, host: &str) {
    let user = &session["user"];
    let seen = json!([user["name"], user["isAdmin"], user["contactAddress"], user["groups"]]);
    let address = json!({"street": "Dlouhá třída 12", "city": "Plzeň", "country": "CZ"});
    assert_eq!(seen, json!([ORDINARY_NAME, false, address, ["staff"]]), "{host}");
    assert!(session.get("token").is_none(), "no script gets the access token");
}

#[tokio::test]
async fn one_sign_in_is_known_on_every_satellite() {
    let stage = Stage::set().await;
    stage.sign_in(ORDINARY).await;
    for host in ["app", "admin"] {
        knows_the_ordinary_user(&stage.session(host).await, host);
    }
    stage.open("app", "/").await;
    stage.browser.sees("Plzeň").await;
    assert!(stage.browser.text().await.contains(ORDINARY_NAME));
    assert_eq!(stage.django.count("sign_in").await, 1, "one sign-in at the backend");
    stage.browser.save("session").await;
}

#[tokio::test]
async fn a_deep_link_leads_to_sign_in_and_back_to_exactly_there() {
    let stage = Stage::set().await;
    let link = stage.world.url("app", AWKWARD);
    stage.browser.open(&link).await;
    stage.browser.sees("to continue to app.example.localhost").await;
    stage.browser.save("login-continue").await;
    stage.enter(ORDINARY).await;
    stage.browser.arrives_at(&link).await;
    stage.browser.sees(ORDINARY_NAME).await;
}

#[tokio::test]
async fn the_whole_story_works_over_graphql() {
    let browser = Browser::start().await;
    let django = Django::start().await;
    let world = World::start(&django.graphql()).await;
    let stage = Stage { browser, world, django };
    stage.open("app", "/x?y=1").await;
    stage.enter(ORDINARY).await;
    stage.browser.arrives_at(&stage.world.url("app", "/x?y=1")).await;
    knows_the_ordinary_user(&stage.session("admin").await, "admin");
    stage.open("auth", "/logout").await;
    stage.browser.click("main [type=submit]").await;
    stage.browser.sees("signed out everywhere").await;
    stage.asks_to_sign_in("app").await;
    assert_eq!(stage.django.count("blacklist").await, 1, "the backend was told");
}

#[tokio::test]
async fn the_admin_page_can_be_the_first_page_after_sign_in() {
    let stage = Stage::set().await;
    let page = stage.world.url("admin", "/users?page=2");
    stage.browser.open(&page).await;
    stage.enter(ADMIN).await;
    stage.browser.arrives_at(&page).await;
    stage.browser.sees("Ada Admin").await;
}

#[tokio::test]
async fn the_admin_page_tells_the_ordinary_user_why_not() {
    let stage = Stage::set().await;
    let page = stage.world.url("admin", "/users?page=2");
    stage.browser.open(&page).await;
    stage.enter(ORDINARY).await;
    stage.browser.arrives_at(&page).await;
    stage.browser.sees("isAdmin").await;
    assert_eq!(stage.browser.status().await, 403);
    assert!(stage.browser.text().await.contains(ORDINARY_NAME));
    stage.browser.save("denied").await;
    // And somebody else may.
    stage.browser.click("main .button").await;
    stage.enter(ADMIN).await;
    stage.browser.arrives_at(&page).await;
    stage.browser.sees("Ada Admin").await;
}
