//! A session that is renewed on the way, that cannot be, that is over; and a satellite that is away.

use std::time::Duration;

use hallpass_tests::{Visitor, edges::Kind, programs::APP};
use http::StatusCode;

use super::{BIG, SESSION, Site, said};

at_each_edge!(
    three_cookies_are_renewed_kept_in_an_outage_and_taken_back,
    nothing_passes_without_the_satellite
);

const ACCESS_ENDS: Duration = Duration::from_millis(3500);

async fn three_cookies_are_renewed_kept_in_an_outage_and_taken_back(kind: Kind) {
    // threat-model B7, C4, R4
    let mut site = Site::with(kind, "refresh.skew = \"1s\"", &[("ACCESS_SECONDS", "3")]).await;
    let mut visitor = site.signed_in(BIG).await;
    let names = [0, 1, 2].map(|chunk| format!("{SESSION}.{chunk}"));
    assert_eq!(session_cookies(&visitor), names);
    // As much again of others.
    for other in 0..8 {
        visitor.jar.insert((format!("other-{other}"), APP.into()), "x".repeat(1000));
    }
    let before = visitor.jar.clone();
    tokio::time::sleep(ACCESS_ENDS).await;
    let renewed = visitor.fetch(APP, "/x?cookie=own%3D1&cookie=other%3D2").await;
    assert_eq!(renewed.status, StatusCode::OK, "{renewed:?}");
    let lines = renewed.set_cookies();
    let ours: Vec<_> = lines.iter().filter(|line| line.starts_with(SESSION)).collect();
    assert!(ours.len() == 3 && lines.contains(&"own=1") && lines.contains(&"other=2"), "{lines:?}");
    for line in ours {
        let whole = ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Domain=example.localhost"];
        assert!(whole.iter().all(|part| line.matches(part).count() == 1), "{line}");
    }
    if kind != Kind::Envoy {
        let mut cache = renewed.headers.get_all("cache-control").iter();
        assert!(cache.any(|value| value == "no-store"), "what sets a cookie is kept by nobody");
    }
    assert!(said(&renewed.json(), "cookie").unwrap().len() > 8000, "the others are the app's");
    let inside = renewed.headers.keys().any(|name| name.as_str().starts_with("x-hallpass-"));
    assert!(!inside, "what is between satellite and edge stays there: {:?}", renewed.headers);
    assert_eq!(session_cookies(&visitor), names);
    assert!(names.iter().all(|name| *value(&visitor, name) != before[&key(name)]), "new ones");
    let next = visitor.fetch(APP, "/x").await;
    assert_eq!((next.status, next.set_cookies()), (StatusCode::OK, vec![]), "the new ones are good");
    is_renewed_by_a_refusal(&mut visitor).await;
    is_kept_in_an_outage(&mut site, &mut visitor).await;
    site.sign_out(&visitor).await;
    becomes(&mut visitor, "/x", StatusCode::UNAUTHORIZED).await;
    // nginx passes on four lines of each answer.
    for _ in 0..if kind == Kind::Nginx { 3 } else { 0 } {
        visitor.fetch(APP, "/x").await;
    }
    assert_eq!(session_cookies(&visitor), [""; 0], "they are taken back");
}

async fn is_renewed_by_a_refusal(visitor: &mut Visitor) {
    tokio::time::sleep(ACCESS_ENDS).await;
    let refused = visitor.fetch(APP, "/admin/x").await;
    assert_eq!((refused.status, refused.set_cookies().len()), (StatusCode::FORBIDDEN, 3), "{refused:?}");
    let next = visitor.fetch(APP, "/x").await;
    assert_eq!((next.status, next.set_cookies()), (StatusCode::OK, vec![]));
}

async fn is_kept_in_an_outage(site: &mut Site, visitor: &mut Visitor) {
    site.django.down().await;
    tokio::time::sleep(ACCESS_ENDS).await;
    let kept = visitor.jar.clone();
    let waits = visitor.fetch(APP, "/admin/x").await;
    assert_eq!(waits.status, StatusCode::SERVICE_UNAVAILABLE, "{waits:?}");
    assert!(waits.headers.contains_key("retry-after") && visitor.jar == kept, "{waits:?}");
    let passes = visitor.fetch(APP, "/x").await.json();
    assert_eq!(said(&passes, "remote-email").as_deref(), Some(BIG.0), "who it is stands");
    assert_eq!(said(&passes, "remote-groups"), None, "what they may does not");
    site.django.up().await;
    becomes(visitor, "/admin/x", StatusCode::FORBIDDEN).await;
    assert_eq!(visitor.fetch(APP, "/x").await.status, StatusCode::OK, "without a sign-in");
}

async fn nothing_passes_without_the_satellite(kind: Kind) {
    // threat-model H8
    let mut site = Site::behind(kind).await;
    let mut visitor = site.signed_in(super::ORDINARY).await;
    assert_eq!(visitor.fetch(APP, "/x").await.status, StatusCode::OK);
    site.satellite.kill().await;
    for path in ["/x", "/public/x"] {
        let closed = visitor.fetch(APP, path).await;
        assert!(closed.status.is_server_error() && !closed.body.contains("headers"), "{path}: {closed:?}");
    }
    site.satellite.start_again().await;
    becomes(&mut visitor, "/x", StatusCode::OK).await;
}

/// Waits until the answer has this status.
async fn becomes(visitor: &mut Visitor, path: &str, status: StatusCode) {
    let mut answer = visitor.fetch(APP, path).await;
    for _ in 0..100 {
        if answer.status == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = visitor.fetch(APP, path).await;
    }
    panic!("not {status}: {answer:?}");
}

fn key(name: &str) -> (String, String) {
    (name.to_owned(), ".example.localhost".to_owned())
}

fn value<'v>(visitor: &'v Visitor, name: &str) -> &'v String {
    &visitor.jar[&key(name)]
}

fn session_cookies(visitor: &Visitor) -> Vec<String> {
    visitor.cookie_names().into_iter().filter(|name| name.starts_with(SESSION)).collect()
}
