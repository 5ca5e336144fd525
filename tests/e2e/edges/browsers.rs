//! A real browser before each edge: the way to the sign-in page and back, and three cookies that become three others.

use std::time::Duration;

use hallpass_tests::{browser::Browser, edges::Kind};
use serde_json::Value;

use super::{BIG, SESSION, Site, said};

at_each_edge!(chromium_keeps_a_session_of_three_cookies);

async fn chromium_keeps_a_session_of_three_cookies(kind: Kind) {
    // threat-model C4
    let site = Site::with(kind, "refresh.skew = \"1s\"", &[("ACCESS_SECONDS", "5")]).await;
    let browser = Browser::start().await;
    browser.open(&site.url("/a%20page?x=1&y=%26")).await;
    browser.sees("to continue to app.example.localhost").await;
    browser.fill("username", BIG.0).await;
    browser.fill("password", BIG.1).await;
    browser.click("main [type=submit]").await;
    browser.arrives_at(&site.url("/a%20page?x=1&y=%26")).await;
    assert_eq!(seen(&browser).await["path"], "/a%20page?x=1&y=%26");
    let first = session_cookies(&browser).await;
    assert_eq!(first.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names());

    for page in ["/second", "/third"] {
        let before = session_cookies(&browser).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        browser.open(&site.url(page)).await;
        let seen = seen(&browser).await;
        assert_eq!(said(&seen, "remote-email").as_deref(), Some(BIG.0), "{page}");
        assert_eq!(said(&seen, "cookie"), None, "{page}");
        let after = session_cookies(&browser).await;
        assert_eq!(after.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names(), "{page}");
        assert!(before.iter().zip(&after).all(|(old, new)| old.1 != new.1), "{page}: all three are new");
    }
    let hidden = browser.run("return document.cookie", &[]).await;
    assert_eq!(hidden, "", "no script sees them");
    let nobody = "return fetch('/x', {credentials: 'omit'}).then(it => [it.status, it.headers.get('x-hallpass-location')])";
    let told = browser.run(nobody, &[]).await;
    assert!(told[0] == 401 && told[1].as_str().unwrap().contains("/login?callbackUrl="), "{told}");
    assert_eq!(site.django.count("refresh").await, site.django.count("refresh_ok").await);
}

/// What the app says it was sent.
async fn seen(browser: &Browser) -> Value {
    serde_json::from_str(&browser.text().await).unwrap()
}

async fn session_cookies(browser: &Browser) -> Vec<(String, String)> {
    let cookies = browser.cookies().await.into_iter().filter(|cookie| cookie.name.starts_with(SESSION));
    let mut named: Vec<_> = cookies.map(|cookie| (cookie.name, cookie.value)).collect();
    named.sort_unstable();
    named
}

fn names() -> [String; 3] {
    [0, 1, 2].map(|chunk| format!("{SESSION}.{chunk}"))
}
