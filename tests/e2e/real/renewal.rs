//! The access token is renewed before one's eyes, once for all tabs.

use hallpass_tests::{World, browser::Browser, django::Django};

use super::{ORDINARY, Stage};

/// When the access token of the page's session ends, in seconds.
const ACCESS_ENDS: &str =
    "return fetch('/api/auth/lifetimes').then(answer => answer.json()).then(it => it.accessExpires)";
/// How often the page asked.
const ASKED: &str =
    "return performance.getEntriesByType('resource').filter(it => it.name.endsWith('/lifetimes')).length";

#[tokio::test]
async fn three_tabs_share_each_renewal_of_the_access_token() {
    let browser = Browser::start().await;
    let django = Django::start_with(&[("ACCESS_SECONDS", "8")]).await;
    let world = World::start(&format!("refresh.skew = \"3s\"\n{}", django.rest())).await;
    let stage = Stage { browser, world, django };
    let browser = &stage.browser;
    stage.open("app", "/one").await;
    stage.enter(ORDINARY).await;
    browser.sees("Access token").await;
    let mut tabs = vec![browser.window().await];
    for page in ["/two", "/three"] {
        tabs.push(browser.open_window(&stage.world.url("app", page)).await);
    }
    shows_a_renewal(browser).await;
    let before = stage.django.count("refresh").await;
    let mut ends = browser.run(ACCESS_ENDS, &[]).await.as_i64().unwrap();
    browser.save("session-refreshed").await;
    for renewal in before + 1..=before + 2 {
        shows_a_renewal(browser).await;
        let moved = browser.run(ACCESS_ENDS, &[]).await.as_i64().unwrap();
        assert!(moved > ends, "renewal {renewal}: {moved} after {ends}");
        ends = moved;
        assert_eq!(stage.django.count("refresh").await, renewal, "one question for each renewal");
        assert_eq!(stage.django.count("refresh_ok").await, renewal, "none of them with a spent token");
    }
    for tab in tabs {
        browser.turn_to(&tab).await;
        assert!(browser.run(ASKED, &[]).await.as_u64() >= Some(3), "each of the three asked all the time");
        browser.sees("Access token").await;
    }
}

/// Waits for the next time that the page says so, and its countdown starts anew.
async fn shows_a_renewal(browser: &Browser) {
    let silent = "return document.querySelector('[data-flash]').textContent === ''";
    browser.wait("is the message of the last renewal gone", silent, &[]).await;
    let refreshed = "return document.querySelector('[data-flash]').textContent === 'Refreshed'";
    browser.wait("is the renewal shown", refreshed, &[]).await;
    let left = browser.text_of("[data-left]").await;
    let left: u64 = left.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap();
    assert!((4..=8).contains(&left), "{left} seconds left after a renewal");
}
