//! Renewals during a proxied request, and what is left when there can be none.

use std::time::Duration;

use hallpass_tests::apps::App;
use http::StatusCode;

use super::Site;

const RULES: &str = "[[satellite.rules]]\npath = \"/api\"\naccess = \"signed-in\"\nbearer = true\n\
     [[satellite.rules]]\npath = \"/admin\"\nrequire = { claim = \"/isAdmin\", equals = false }\n";
const HOST: &str = "app.example.localhost";

async fn site(app: &App) -> Site {
    Site::with(&app.url(), RULES, "refresh.skew = \"1s\"", &[("ACCESS_SECONDS", "3")]).await
}

fn header(seen: &serde_json::Value, name: &str) -> Option<String> {
    let all = seen["headers"].as_array().unwrap().iter();
    let mut found = all.filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
    found.next().map(|pair| pair[1].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_on_the_way_reaches_the_browser_and_the_app() {
    let app = App::aiohttp().await;
    let site = site(&app).await;
    let mut visitor = site.signed_in().await;
    let first = visitor.fetch(HOST, "/api/x").await;
    let before = header(&first.json(), "authorization").unwrap();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let second = visitor.fetch(HOST, "/api/x").await;
    assert_eq!(second.status, StatusCode::OK, "{second:?}");
    assert!(second.set_cookies().iter().any(|line| line.contains("session-token")), "{second:?}");
    assert_eq!(second.headers["cache-control"], "no-store", "what sets a cookie is kept by nobody");
    let after = header(&second.json(), "authorization").unwrap();
    assert!(after.starts_with("Bearer ey") && after != before);
    assert!(!header(&second.json(), "cookie").unwrap_or_default().contains("session-token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_backend_is_away_only_what_needs_it_waits() {
    // threat-model R4, T15
    let app = App::aiohttp().await;
    let mut site = site(&app).await;
    let mut visitor = site.signed_in().await;
    site.django.down().await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    for path in ["/api/x", "/admin/x"] {
        let waits = visitor.fetch(HOST, path).await;
        assert_eq!(waits.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {waits:?}");
        assert!(waits.headers.contains_key("retry-after") && waits.set_cookies().is_empty(), "{waits:?}");
    }
    let page = visitor.visit(HOST, "/api/x").await;
    assert!(
        page.status == StatusCode::SERVICE_UNAVAILABLE && page.body.contains("not signed out"),
        "{page:?}"
    );
    let passes = visitor.fetch(HOST, "/x").await;
    assert_eq!(passes.status, StatusCode::OK, "{passes:?}");
    assert_eq!(passes.headers["hallpass-stale"], "1");
    let seen = passes.json();
    assert_eq!(header(&seen, "remote-email").as_deref(), Some(super::USER), "who it is stands");
    assert_eq!(header(&seen, "remote-groups"), None, "what they may does not");
    site.django.up().await;
    let mut well = StatusCode::SERVICE_UNAVAILABLE;
    for _ in 0..100 {
        well = visitor.fetch(HOST, "/api/x").await.status;
        if well == StatusCode::OK {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(well, StatusCode::OK, "without a sign-in");
}
