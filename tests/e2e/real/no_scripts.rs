//! The pages work without JavaScript.

use hallpass_tests::{World, browser::Browser, django::Django};

use super::{ORDINARY, ORDINARY_NAME, Stage};

#[tokio::test]
async fn signing_in_and_out_needs_no_javascript() {
    let browser = Browser::without_scripts().await;
    let django = Django::start().await;
    let world = World::start(&django.rest()).await;
    let stage = Stage { browser, world, django };
    let page = stage.world.url("app", "/reports?year=2026");
    stage.browser.open(&page).await;
    stage.browser.sees("to continue to app.example.localhost").await;
    assert!(!stage.browser.text().await.contains("Show"), "a script ran: it shows the button that needs it");
    stage.enter((ORDINARY.0, "wrong")).await;
    stage.browser.sees("We couldn’t sign you in with those details").await;
    stage.enter(ORDINARY).await;
    stage.browser.arrives_at(&page).await;
    stage.browser.sees(ORDINARY_NAME).await;
    stage.browser.save("session-no-scripts").await;
    stage.open("auth", "/logout").await;
    stage.browser.click("main [type=submit]").await;
    stage.browser.sees("signed out everywhere").await;
    stage.open("app", "/").await;
    stage.browser.sees("to continue to app.example.localhost").await;
    for host in ["auth", "app", "admin"] {
        assert_eq!(stage.session_cookies(host).await, Vec::<String>::new(), "{host}");
    }
}
