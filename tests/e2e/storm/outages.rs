//! The backend, the auth server or Redis away for longer than an access token lives: nobody is signed out, and all are back
//! by themselves.

use std::time::Duration;

use hallpass_tests::redis::Redis;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::fleet::{Fleet, Plan, USER, cookies, expiry, who};

const PEOPLE: [&str; 2] = [USER, "big@example.com"];

/// Two people, one of them with a session of many cookies.
async fn people(fleet: &Fleet) -> Vec<(&'static str, String)> {
    let mut people = Vec::new();
    for email in PEOPLE {
        let password = if email == USER { super::fleet::PASSWORD } else { "hallpass-big" };
        people.push((email, cookies(&fleet.sign_in_as(email, password).await)));
    }
    people
}

/// While something is away: everybody is known, the cookie stays, and what needs a fresh session says when to come back.
async fn nobody_is_signed_out(fleet: &Fleet, people: &[(&str, String)]) {
    for port in fleet.ports() {
        for (email, jar) in people {
            let seen = fleet.ask(port, "/api/auth/session", jar).await;
            assert_eq!((seen.status, who(&seen.json()).0), (StatusCode::OK, Some(*email)));
            assert_eq!(seen.cookies(), None);
            assert!(seen.headers.get(header::SET_COOKIE).is_none(), "nothing is deleted either");
            assert_eq!(who(&seen.json()).1, Some("RefreshAccessTokenError"));
        }
    }
}

/// Everybody is back within seconds, with the cookies from before.
async fn all_are_back(fleet: &Fleet, people: &[(&str, String)]) {
    for port in fleet.ports() {
        for (email, jar) in people {
            fleet.until(port, jar, |session| who(session) == (Some(*email), None)).await;
        }
    }
    let refused = fleet.satellites.iter().flat_map(|satellite| satellite.events("session_refused"));
    assert_eq!(refused.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_is_away() {
    // threat-model R4, R6
    let mut fleet = Fleet::start(Plan::default()).await;
    let people = people(&fleet).await;
    fleet.django.down().await;
    for port in fleet.ports() {
        let session = fleet.session(port, &people[0].1).await;
        assert_eq!(who(&session), (Some(USER), None), "before its access token ends nobody notices");
    }
    expiry().await;
    nobody_is_signed_out(&fleet, &people).await;
    // Many who ask meanwhile do not make it worse: each question about one session is one at most in half a second.
    let begun = tokio::time::Instant::now();
    let mut asked = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        let requests = (0..100).map(|_| fleet.ask(fleet.ports()[0], "/api/auth/session", &people[0].1));
        asked += super::fleet::all(requests.collect()).await.len();
    }
    let metrics = fleet.auths[0].ask_admin("/metrics").await.body;
    let unavailable = counter(&metrics, "hallpass_refreshes_total{outcome=\"unavailable\"}");
    assert!(unavailable < 40.0, "{unavailable} renewals were tried for {asked} requests");
    let ready = fleet.auths[0].ask_admin("/readyz").await;
    assert_eq!(
        ready.status,
        StatusCode::OK,
        "every auth server would go, one after the other: {}",
        ready.body
    );
    fleet.django.up().await;
    all_are_back(&fleet, &people).await;
}

fn counter(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_server_is_away() {
    // threat-model R4
    let mut fleet = Fleet::start(Plan::default()).await;
    let people = people(&fleet).await;
    fleet.auths[0].kill().await;
    for port in fleet.ports() {
        assert_eq!(who(&fleet.session(port, &people[0].1).await), (Some(USER), None));
    }
    expiry().await;
    nobody_is_signed_out(&fleet, &people).await;
    fleet.auths[0].start_again().await;
    all_are_back(&fleet, &people).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_server_is_paused() {
    let fleet = Fleet::start(Plan { satellites: 1, ..Plan::default() }).await;
    let people = people(&fleet).await;
    fleet.auths[0].process.signal("STOP").await;
    expiry().await;
    nobody_is_signed_out(&fleet, &people[..1]).await;
    fleet.auths[0].process.signal("CONT").await;
    all_are_back(&fleet, &people).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_auth_servers_is_away_and_nobody_notices() {
    let redis = Redis::start().await;
    let settings = format!("store.url = \"{}\"", redis.url());
    let mut fleet =
        Fleet::start(Plan { auths: 2, satellites: 3, settings: &settings, ..Plan::default() }).await;
    let people = people(&fleet).await;
    fleet.auths[0].kill().await;
    expiry().await;
    // The third satellite knows both.
    for (email, jar) in &people {
        assert_eq!(who(&fleet.session(fleet.ports()[2], jar).await), (Some(*email), None));
    }
}

/// Whether the store is said not to work.
fn impaired(checks: &Value) -> bool {
    let mut checks = checks.as_array().unwrap().iter();
    checks.find(|check| check["name"] == "store").unwrap()["impaired"] == Value::Bool(true)
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Stopped,
    Paused,
    Emptied,
}

/// Renewals go on, whatever Redis does; each of them is one at the backend, and none is lost.
async fn redis_is_in(trouble: Trouble) {
    // threat-model R8
    let mut redis = Redis::start().await;
    let settings = format!("store.url = \"{}\"", redis.url());
    let fleet = Fleet::start(Plan { auths: 2, satellites: 3, settings: &settings, ..Plan::default() }).await;
    let people = people(&fleet).await;
    // This satellite knows both auth servers, and asks always the same one about one token.
    let port = fleet.ports()[2];
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let renewed = fleet.ask(port, "/api/auth/session", &people[0].1).await;
    assert_eq!(who(&renewed.json()), (Some(USER), None));
    match trouble {
        Trouble::Stopped => redis.down().await,
        Trouble::Paused => redis.signal("STOP").await,
        Trouble::Emptied => drop(redis.ask(&["flushall"]).await),
    }
    // Who comes late with the old cookie still finds the result.
    let late = fleet.until(port, &people[0].1, |session| who(session).1.is_none()).await;
    assert_eq!(who(&late), (Some(USER), None), "{trouble:?}");
    assert_eq!(fleet.django.count("refresh").await, 1, "{trouble:?}");
    // And what was not renewed before is renewed now.
    let requests = (0..50).map(|_| fleet.ask(port, "/api/auth/session", &people[1].1));
    for seen in super::fleet::all(requests.collect()).await {
        assert_eq!(who(&seen.json()), (Some("big@example.com"), None), "{trouble:?}");
    }
    assert_eq!(fleet.django.count("refresh").await, 2, "{trouble:?}");
    if !matches!(trouble, Trouble::Emptied) {
        // Each auth server looks a few times a second.
        let mut checks = Value::Null;
        for _ in 0..30 {
            let ready = fleet.auths[0].ask_admin("/readyz").await;
            assert_eq!(ready.status, StatusCode::OK);
            checks = ready.json()["checks"].clone();
            if impaired(&checks) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(impaired(&checks), "never silently: {checks}");
        assert!(counter(&fleet.auths[0].ask_admin("/metrics").await.body, "hallpass_store_up") < 1.0);
    }
    match trouble {
        Trouble::Stopped => redis.up().await,
        Trouble::Paused => redis.signal("CONT").await,
        Trouble::Emptied => {}
    }
    let new = renewed.cookies().unwrap();
    expiry().await;
    fleet.until(port, &new, |session| who(session) == (Some(USER), None)).await;
    let refused = fleet.satellites.iter().flat_map(|satellite| satellite.events("session_refused"));
    assert_eq!(refused.count(), 0, "{trouble:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_stopped() {
    redis_is_in(Trouble::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_paused() {
    redis_is_in(Trouble::Paused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_emptied() {
    redis_is_in(Trouble::Emptied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_to_the_other_auth_server_after_redis_was_emptied_is_not_signed_out() {
    // threat-model R8
    let redis = Redis::start().await;
    let settings = format!("store.url = \"{}\"", redis.url());
    let fleet = Fleet::start(Plan { auths: 2, satellites: 2, settings: &settings, ..Plan::default() }).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    // The first satellite knows the first auth server, and the second the second.
    let renewed = fleet.ask(fleet.ports()[0], "/api/auth/session", &jar).await;
    redis.ask(&["flushall"]).await;
    let late = fleet.ask(fleet.ports()[1], "/api/auth/session", &jar).await;
    assert_eq!(who(&late.json()).0, Some(USER), "not known whether it was spent: {late:?}");
    assert!(late.headers.get(header::SET_COOKIE).is_none());
    let new = renewed.cookies().unwrap();
    fleet.until(fleet.ports()[1], &new, |session| who(session) == (Some(USER), None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_nobody_waited_for_is_there_after_a_pause() {
    // threat-model R3, R5
    let plan = Plan {
        satellites: 2,
        skew: "6s",
        settings: "refresh.grace = \"1s\"",
        backend: &[("ACCESS_SECONDS", "6")],
        ..Plan::default()
    };
    let fleet = Fleet::start(plan).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    // The last third of its life: a request begins a renewal, and does not wait for a slow backend.
    tokio::time::sleep(Duration::from_millis(4500)).await;
    let slow = json!({"mode": "hang", "seconds": 2, "paths": ["/api/token/refresh/"]});
    fleet.django.tell("/test/fault", &slow).await;
    let first = fleet.ask(fleet.ports()[0], "/api/auth/session", &jar).await;
    assert_eq!((who(&first.json()), first.cookies()), ((Some(USER), None), None));
    fleet.django.tell("/test/fault", &json!({"mode": "none"})).await;
    // Much longer than the grace time.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let back = fleet.ask(fleet.ports()[1], "/api/auth/session", &jar).await;
    assert_eq!(who(&back.json()), (Some(USER), None), "{back:?}");
    assert!(back.cookies().is_some());
    assert!(
        !back.headers.contains_key("hallpass-stale"),
        "it was renewed once more, since it had waited for long"
    );
    // Now that somebody has it, its grace time is as long as any.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fleet.session(fleet.ports()[1], &jar).await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_no_writes_signs_nobody_out() {
    // threat-model R8
    let redis = Redis::start().await;
    let settings = format!("store.url = \"{}\"", redis.url());
    let fleet = Fleet::start(Plan { auths: 2, satellites: 2, settings: &settings, ..Plan::default() }).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    redis.ask(&["config", "set", "maxmemory", "1"]).await;
    let renewed = fleet.ask(fleet.ports()[0], "/api/auth/session", &jar).await;
    assert_eq!(who(&renewed.json()), (Some(USER), None));
    let late = fleet.ask(fleet.ports()[1], "/api/auth/session", &jar).await;
    assert_eq!(who(&late.json()).0, Some(USER), "{late:?}");
    assert!(late.headers.get(header::SET_COOKIE).is_none());
    redis.ask(&["config", "set", "maxmemory", "0"]).await;
    let new = renewed.cookies().unwrap();
    for port in fleet.ports() {
        fleet.until(port, &new, |session| who(session) == (Some(USER), None)).await;
    }
}
