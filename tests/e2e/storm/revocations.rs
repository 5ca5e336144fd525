//! Sign-outs, and copies of cookies that know nothing of them.

use std::time::Duration;

use hallpass_tests::{
    Visitor,
    programs::{APP, AUTH},
    redis::Redis,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::fleet::{Fleet, Plan, USER, cookies, who};

const SECOND: Duration = Duration::from_secs(1);
/// Nothing expires by itself here.
const LONG: [(&str, &str); 1] = [("ACCESS_SECONDS", "300")];

async fn fleet(auths: usize, settings: &str) -> Fleet {
    Fleet::start(Plan { auths, satellites: 2, settings, backend: &LONG, ..Plan::default() }).await
}

/// Whether every node refuses these cookies within a second from now.
async fn refused_everywhere(fleet: &Fleet, jar: &str) {
    tokio::time::sleep(SECOND).await;
    refused_at_once(fleet, jar).await;
}

async fn refused_at_once(fleet: &Fleet, jar: &str) {
    let auths = fleet.auths.iter().map(|auth| auth.port);
    for port in fleet.ports().into_iter().chain(auths) {
        assert_eq!(fleet.session(port, jar).await, json!({}), "at {port}");
        let page = fleet.ask(port, "/login", jar).await;
        assert!(!page.body.contains("nothing more to do here"), "{page:?}");
    }
}

async fn admitted_everywhere(fleet: &Fleet, jar: &str) {
    for port in fleet.ports() {
        assert_eq!(who(&fleet.session(port, jar).await), (Some(USER), None));
    }
}

async fn sign_out(visitor: &mut Visitor, fields: &[(&str, &str)]) {
    let answer = visitor.post_form(AUTH, "/api/auth/signout", fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

/// A sign-out, seen by all; then each process is started again, and it still holds.
async fn a_copy_is_refused(fleet: &mut Fleet) {
    // threat-model T14
    let mut visitor = fleet.sign_in(USER).await;
    let copy = cookies(&visitor);
    let mut other = fleet.sign_in(USER).await;
    admitted_everywhere(fleet, &copy).await;
    sign_out(&mut visitor, &[]).await;
    refused_everywhere(fleet, &copy).await;
    let others = cookies(&other);
    admitted_everywhere(fleet, &others).await;
    for index in 0..fleet.satellites.len() {
        fleet.satellites[index].kill().await;
        fleet.satellites[index].start_again().await;
        refused_at_once(fleet, &copy).await;
    }
    for index in 0..fleet.auths.len() {
        fleet.auths[index].kill().await;
        fleet.auths[index].start_again().await;
        refused_everywhere(fleet, &copy).await;
    }
    admitted_everywhere(fleet, &others).await;
    // And one that comes after the restarts reaches them, too, by way of a satellite.
    let mut at_app = Visitor::new(fleet.ports()[1]);
    at_app.jar = std::mem::take(&mut other.jar);
    let answer = at_app.post_form(APP, "/api/auth/signout", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    refused_everywhere(fleet, &others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file() {
    a_copy_is_refused(&mut fleet(1, "").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis() {
    let redis = Redis::start().await;
    a_copy_is_refused(&mut fleet(2, &format!("store.url = \"{}\"", redis.url())).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_but_memory_the_satellites_remember() {
    a_copy_is_refused(&mut fleet(1, "store.url = \"memory:\"").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn though_redis_is_emptied() {
    // threat-model R8
    let redis = Redis::start().await;
    let mut fleet = fleet(2, &format!("store.url = \"{}\"", redis.url())).await;
    let mut visitor = fleet.sign_in(USER).await;
    let copy = cookies(&visitor);
    sign_out(&mut visitor, &[]).await;
    refused_everywhere(&fleet, &copy).await;
    redis.ask(&["flushall"]).await;
    tokio::time::sleep(SECOND).await;
    assert_ne!(redis.ask(&["xlen", "{hallpass}:revocations"]).await, "0", "it was written again");
    fleet.auths[1].kill().await;
    fleet.auths[1].start_again().await;
    refused_everywhere(&fleet, &copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn though_redis_is_away_and_once_it_is_back_by_all() {
    // threat-model R8
    let mut redis = Redis::start().await;
    let fleet = fleet(2, &format!("store.url = \"{}\"", redis.url())).await;
    let mut visitor = fleet.sign_in(USER).await;
    let copy = cookies(&visitor);
    redis.down().await;
    sign_out(&mut visitor, &[]).await;
    tokio::time::sleep(SECOND).await;
    // Those who listen to this auth server know.
    assert_eq!(fleet.session(fleet.ports()[0], &copy).await, json!({}));
    redis.up().await;
    for port in [fleet.ports()[1], fleet.auths[1].port] {
        fleet.until(port, &copy, |session| *session == json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everywhere_and_by_an_administrator() {
    // threat-model T15
    let fleet = fleet(1, "").await;
    let mut here = fleet.sign_in(USER).await;
    let there = cookies(&fleet.sign_in(USER).await);
    let stranger = cookies(&fleet.sign_in_as("admin@example.com", "hallpass-admin").await);
    admitted_everywhere(&fleet, &there).await;
    sign_out(&mut here, &[("everywhere", "true")]).await;
    refused_everywhere(&fleet, &there).await;
    let id = fleet.session(fleet.ports()[0], &stranger).await["user"]["id"].clone();
    assert!(id.is_number(), "this backend counts: {id}");
    let again = fleet.sign_in(USER).await;
    admitted_everywhere(&fleet, &cookies(&again)).await;

    assert_eq!(fleet.revoke(0, &json!({"sub": "nobody"})).await, StatusCode::NO_CONTENT);
    for nonsense in
        [json!({}), json!({"sub": ""}), json!({"sub": "1", "sid": "2"}), json!({"user": "1"}), json!([])]
    {
        assert_eq!(fleet.revoke(0, &nonsense).await, StatusCode::BAD_REQUEST, "{nonsense}");
    }
    let unasked = fleet.auths[0].ask_admin("/api/admin/revoke").await;
    assert_eq!(unasked.status, StatusCode::UNAUTHORIZED, "without the bearer");
    assert_eq!(fleet.revoke(0, &json!({ "sub": id })).await, StatusCode::NO_CONTENT);
    refused_everywhere(&fleet, &stranger).await;
    admitted_everywhere(&fleet, &cookies(&again)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_hears_nothing_refuses_where_that_was_asked_for() {
    // threat-model R8
    let mut fleet = fleet(1, "revocation.when_unreachable = \"refuse\"").await;
    let jar = cookies(&fleet.sign_in(USER).await);
    let port = fleet.ports()[0];
    assert_eq!(fleet.ask(port, "/page", &jar).await.status, StatusCode::OK);
    fleet.auths[0].kill().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let refused = fleet.ask(port, "/page", &jar).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers.contains_key("retry-after") && refused.cookies().is_none());
    let ready = fleet.satellites[0].ask_admin("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{}", ready.body);
    let metrics = fleet.satellites[0].ask_admin("/metrics").await.body;
    let age = metrics.lines().find_map(|line| line.strip_prefix("hallpass_revocations_age_seconds "));
    assert!(age.is_some_and(|age| age.parse::<f64>().unwrap() >= 5.0), "{age:?}");
    fleet.auths[0].start_again().await;
    let mut status = StatusCode::SERVICE_UNAVAILABLE;
    for _ in 0..100 {
        status = fleet.ask(port, "/page", &jar).await.status;
        if status == StatusCode::OK {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, StatusCode::OK, "it is back by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_revives_nothing() {
    // threat-model R13
    let fleet =
        Fleet::start(Plan { satellites: 2, settings: "session.update_age = \"0s\"", ..Plan::default() })
            .await;
    let mut visitor = fleet.sign_in(USER).await;
    let before = cookies(&visitor);
    super::fleet::expiry().await;
    let slow = json!({"mode": "hang", "seconds": 1, "paths": ["/api/token/refresh/"]});
    fleet.django.tell("/test/fault", &slow).await;
    let late = tokio::spawn(fleet.ask(fleet.ports()[0], "/api/auth/session", &before));
    tokio::time::sleep(Duration::from_millis(300)).await;
    sign_out(&mut visitor, &[]).await;
    let late = late.await.unwrap();
    assert_eq!(late.json(), json!({}), "it does not show the session any more");
    // Nor would a cookie that had been sent before be worth anything.
    for port in fleet.ports() {
        for jar in [Some(before.clone()), late.cookies()].into_iter().flatten() {
            let session: Value = fleet.session(port, &jar).await;
            assert_eq!(session, json!({}));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_backend_refuses_ends_every_copy_of_the_session() {
    // threat-model R10
    let fleet =
        Fleet::start(Plan { satellites: 2, settings: "refresh.grace = \"1s\"", ..Plan::default() }).await;
    let stolen = cookies(&fleet.sign_in(USER).await);
    super::fleet::expiry().await;
    // The owner goes on; the thief comes with the old cookie after the grace time.
    let renewed = fleet.ask(fleet.ports()[0], "/api/auth/session", &stolen).await;
    let owners = renewed.cookies().unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(fleet.session(fleet.ports()[1], &stolen).await, json!({}));
    fleet.auths[0].logged("alert", |_| true).await;
    refused_everywhere(&fleet, &owners).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_at_a_satellite_waits_for_an_auth_server_that_is_away() {
    // threat-model T14
    let mut fleet = fleet(1, "").await;
    let visitor = fleet.sign_in(USER).await;
    let copy = cookies(&visitor);
    fleet.auths[0].kill().await;
    let mut at_app = Visitor::new(fleet.ports()[0]);
    at_app.jar = visitor.jar;
    let answer = at_app.post_form(APP, "/api/auth/signout", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    fleet.auths[0].start_again().await;
    for port in [fleet.ports()[0], fleet.ports()[1], fleet.auths[0].port] {
        fleet.until(port, &copy, |session| *session == json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_whose_auth_server_hears_nothing_refuses_too() {
    // threat-model R8
    let mut redis = Redis::start().await;
    let settings = format!("revocation.when_unreachable = \"refuse\"\nstore.url = \"{}\"", redis.url());
    let fleet = fleet(2, &settings).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    let port = fleet.ports()[0];
    assert_eq!(fleet.ask(port, "/page", &jar).await.status, StatusCode::OK);
    redis.down().await;
    // Five seconds on the auth server, and five on the satellite.
    tokio::time::sleep(Duration::from_secs(13)).await;
    assert_eq!(fleet.ask(port, "/page", &jar).await.status, StatusCode::SERVICE_UNAVAILABLE);
    redis.up().await;
    fleet.until(port, &jar, |session| who(session) == (Some(USER), None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn though_redis_comes_back_with_what_it_knew_before() {
    // threat-model R8
    let mut redis = Redis::start().await;
    let mut fleet = fleet(1, &format!("store.url = \"{}\"", redis.url())).await;
    let mut early = fleet.sign_in(USER).await;
    let mut late = fleet.sign_in(USER).await;
    let copy = cookies(&late);
    sign_out(&mut early, &[]).await;
    redis.ask(&["save"]).await;
    sign_out(&mut late, &[]).await;
    refused_everywhere(&fleet, &copy).await;
    redis.down().await;
    redis.up().await;
    tokio::time::sleep(3 * SECOND).await;
    fleet.auths[0].kill().await;
    fleet.auths[0].start_again().await;
    refused_everywhere(&fleet, &copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn though_the_browser_hangs_up_while_redis_is_paused() {
    // threat-model T14
    let redis = Redis::start().await;
    let fleet = fleet(2, &format!("store.url = \"{}\"", redis.url())).await;
    let mut visitor = fleet.sign_in(USER).await;
    let copy = cookies(&visitor);
    visitor.csrf_token(AUTH).await;
    redis.signal("STOP").await;
    let left = tokio::time::timeout(Duration::from_millis(200), sign_out(&mut visitor, &[])).await;
    assert!(left.is_err(), "it hung up before the answer");
    redis.signal("CONT").await;
    for port in [fleet.ports()[0], fleet.ports()[1], fleet.auths[1].port] {
        fleet.until(port, &copy, |session| *session == json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_the_session_of_before_here_and_not_at_the_backend() {
    // threat-model T12
    let fleet = fleet(1, "").await;
    let mut visitor = fleet.sign_in(USER).await;
    let before = cookies(&visitor);
    visitor.sign_in(USER, super::fleet::PASSWORD).await;
    let after = cookies(&visitor);
    refused_everywhere(&fleet, &before).await;
    admitted_everywhere(&fleet, &after).await;
    assert_eq!(fleet.django.count("blacklist").await, 0, "some backends end all of a user's tokens");
    sign_out(&mut visitor, &[]).await;
    refused_everywhere(&fleet, &after).await;
    assert_eq!(fleet.django.count("blacklist").await, 1);
}
