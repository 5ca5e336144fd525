//! A real browser before a Django app that knows its users by `Remote-User`, with a socket and events beside it.

use hallpass_tests::{apps::App, browser::Browser, programs::AUTH};
use serde_json::json;

use super::{PASSWORD, Site, USER};

#[tokio::test(flavor = "multi_thread")]
async fn django_knows_its_user_and_socket_and_events_end_with_a_sign_out() {
    // threat-model B6, C10, H1
    let (shop, streams) = (App::django().await, App::aiohttp().await);
    let to_streams =
        |path: &str| format!("[[satellite.upstreams]]\npath = \"{path}\"\nurl = \"{}\"\n", streams.url());
    let site = Site::before(&shop.url(), &[to_streams("/ws"), to_streams("/events")].concat()).await;
    let browser = Browser::start().await;
    browser.open(&site.url("/live")).await;
    browser.sees("to continue to app.example.localhost").await;
    browser.fill("username", USER).await;
    browser.fill("password", PASSWORD).await;
    browser.click("button[type=submit]").await;
    browser.arrives_at(&site.url("/live")).await;
    browser.shows("#socket", "echo hello").await;
    let counts = "return document.querySelector('#events').textContent.startsWith('number')";
    browser.wait("do events arrive", counts, &[]).await;
    let user = browser.text_of("#user").await;
    browser.open(&site.url("/")).await;
    let said: serde_json::Value = serde_json::from_str(&browser.text().await).unwrap();
    assert_eq!(said["user"], json!(user), "the same each time");
    assert!(said["known"] == json!(true) && said["email"] == json!(USER), "{said}");
    assert_eq!(
        said["cookies"].as_array().map(|names| names.iter().any(|name| name == "next-auth.session-token")),
        Some(false)
    );
    browser.open(&site.url("/live")).await;
    browser.shows("#socket", "echo hello").await;
    let live = browser.window().await;
    browser.open_window(&format!("http://{AUTH}:{}/logout", site.auth.port)).await;
    browser.click("button[type=submit]").await;
    browser.sees("signed out").await;
    browser.turn_to(&live).await;
    browser.shows("#socket", "closed 1008").await;
    browser.shows("#events", "over").await;
    browser.open(&site.url("/live")).await;
    browser.sees("to continue to app.example.localhost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_outages_are_pages_of_the_auth_servers_look() {
    // threat-model O10
    let shop = App::django().await;
    let rules = "[[satellite.rules]]\npath = \"/admin\"\nrequire = { claim = \"/isAdmin\", equals = true }\n\
         [[satellite.rules]]\npath = \"/api\"\naccess = \"signed-in\"\nbearer = true\n\
         [[satellite.upstreams]]\npath = \"/away\"\nurl = \"http://127.0.0.1:9\"\n";
    let mut site = Site::with(&shop.url(), rules, "refresh.skew = \"1s\"", &[("ACCESS_SECONDS", "5")]).await;
    let browser = Browser::start().await;
    browser.open(&site.url("/admin/x")).await;
    browser.fill("username", USER).await;
    browser.fill("password", PASSWORD).await;
    browser.click("button[type=submit]").await;
    browser.sees("You don’t have access").await;
    browser.save("gate-forbidden").await;
    browser.open(&site.url("/away")).await;
    browser.sees("isn’t answering").await;
    browser.save("gate-away").await;
    site.django.down().await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    browser.open(&site.url("/api")).await;
    browser.sees("You are not signed out").await;
    browser.save("gate-outage").await;
    // Style sheets of the pages are found: nothing is left as plain text.
    let styled = "return getComputedStyle(document.querySelector('main')).borderRadius !== '0px'";
    browser.wait("is the page styled", styled, &[]).await;
}
