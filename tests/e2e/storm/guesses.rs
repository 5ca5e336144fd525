//! Guesses at passwords, spread over the auth servers.

use hallpass_tests::{Answer, Visitor, programs::AUTH, redis::Redis};
use http::{Method, StatusCode};

use super::fleet::{Fleet, Plan, USER};

/// A wrong password at auth server `index`, from a page of the one address that both have.
async fn guess(fleet: &Fleet, index: usize) -> Answer {
    let mut visitor = Visitor::new(fleet.auths[index].port);
    let token = visitor.csrf_token(AUTH).await;
    let origin = format!("http://{AUTH}:{}", fleet.auths[0].port);
    let headers = [("content-type", "application/json"), ("origin", origin.as_str())];
    let body = format!(
        "{{\"username\":\"{USER}\",\"password\":\"wrong\",\"csrfToken\":\"{token}\",\"json\":\"true\"}}"
    );
    visitor.send(Method::POST, AUTH, "/api/auth/callback/credentials", &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_auth_servers_over_redis_count_guesses_together() {
    // threat-model S1
    let redis = Redis::start().await;
    let settings = format!("throttle.per_account = \"6/5m\"\nstore.url = \"{}\"", redis.url());
    let fleet = Fleet::start(Plan { auths: 2, satellites: 0, settings: &settings, ..Plan::default() }).await;
    for number in 0..6 {
        assert_eq!(guess(&fleet, number % 2).await.status, StatusCode::UNAUTHORIZED, "guess {number}");
    }
    for index in 0..2 {
        let refused = guess(&fleet, index).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"));
    }
}
