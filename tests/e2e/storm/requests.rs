//! One expired access token, and everybody at once.

use std::time::Duration;

use hallpass_tests::redis::Redis;
use http::StatusCode;
use serde_json::json;

use super::fleet::{Fleet, PASSWORD, Plan, USER, all, cookies, expiry, who};

/// A thousand requests with one cookie, half of them for a page and half for the session.
async fn storm(fleet: &Fleet) {
    let before = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let ports = fleet.ports();
    let requests = (0..1000).map(|number| {
        let path = if number % 2 == 0 { "/a/page" } else { "/api/auth/session" };
        fleet.ask(ports[number % ports.len()], path, &before)
    });
    let seen = all(requests.collect()).await;
    assert_eq!(seen.len(), 1000);
    let mut renewed = Vec::new();
    for (number, seen) in seen.iter().enumerate() {
        assert_eq!(seen.status, StatusCode::OK, "{number}: {seen:?}");
        if number % 2 == 1 {
            assert_eq!(who(&seen.json()), (Some(USER), None), "{number}");
        }
        renewed.push(seen.cookies().expect("whoever came with the old cookie gets the new one"));
    }
    let counts = (fleet.django.count("refresh").await, fleet.django.count("refresh_ok").await);
    assert_eq!(counts, (1, 1), "refreshes at the backend");
    // Each of the new cookies is a session that goes on.
    for (number, cookies) in renewed.iter().enumerate().step_by(100) {
        let session = fleet.session(ports[number % ports.len()], cookies).await;
        assert_eq!(who(&session), (Some(USER), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_at_three_satellites_are_one_refresh() {
    // threat-model R1
    storm(&Fleet::start(Plan::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_auth_servers_over_redis_they_are_still_one() {
    // threat-model R1, R7
    let redis = Redis::start().await;
    let settings = format!("store.url = \"{}\"", redis.url());
    storm(&Fleet::start(Plan { auths: 2, settings: &settings, ..Plan::default() }).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_hang_up_half_way_take_nothing_with_them() {
    // threat-model R1: cancel-safe
    let fleet = Fleet::start(Plan::default()).await;
    let before = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let slow = json!({"mode": "hang", "seconds": 0.8, "paths": ["/api/token/refresh/"]});
    fleet.django.tell("/test/fault", &slow).await;
    let ports = fleet.ports();
    let requests = (0..1000_usize).map(|number| {
        let request = fleet.ask(ports[number % ports.len()], "/api/auth/session", &before);
        async move {
            if number % 2 == 0 {
                // The very first ones are among them: those who began the renewal.
                let patience = Duration::from_millis(20 + number as u64 / 2);
                return tokio::time::timeout(patience, request).await.ok();
            }
            // The others come a little later.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some(request.await)
        }
    });
    let seen = all(requests.collect()).await;
    let stayed: Vec<_> = seen.iter().skip(1).step_by(2).map(|seen| seen.as_ref().unwrap()).collect();
    assert!(seen.iter().step_by(2).filter(|seen| seen.is_none()).count() > 300, "many hung up");
    assert_eq!(stayed.len(), 500);
    for seen in stayed {
        assert_eq!((seen.status, who(&seen.json())), (StatusCode::OK, (Some(USER), None)));
    }
    assert_eq!(fleet.django.count("refresh").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_people_are_two_hundred_refreshes_and_nobody_is_somebody_else() {
    // threat-model R2, T17
    const PEOPLE: usize = 200;
    // So many sign-ins take longer than a short access token lives.
    let plan = Plan {
        backend_settings: "timeout = \"9s\"",
        backend: &[("ACCESS_SECONDS", "40")],
        ..Plan::default()
    };
    let fleet = Fleet::start(plan).await;
    fleet.django.tell("/test/users", &json!({"count": PEOPLE, "password": PASSWORD})).await;
    let email = |person: usize| format!("storm-{person}@example.com");
    let begun = tokio::time::Instant::now();
    let mut jars = Vec::new();
    for person in 0..PEOPLE {
        jars.push(cookies(&fleet.sign_in(&email(person)).await));
    }
    assert!(begun.elapsed() < Duration::from_secs(35), "the sign-ins took too long: {:?}", begun.elapsed());
    tokio::time::sleep_until(begun + begun.elapsed() + Duration::from_secs(41)).await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let ports = fleet.ports();
    let requests = (0..PEOPLE * 20).map(|number| {
        let person = number % PEOPLE;
        let request = fleet.ask(ports[(number / PEOPLE) % ports.len()], "/api/auth/session", &jars[person]);
        async move { (person, request.await) }
    });
    for (person, seen) in all(requests.collect()).await {
        assert_eq!(seen.status, StatusCode::OK);
        assert_eq!(who(&seen.json()), (Some(email(person).as_str()), None));
    }
    let counts = (fleet.django.count("refresh").await, fleet.django.count("refresh_ok").await);
    assert_eq!(counts, (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_access_token_is_good_nobody_waits_for_a_renewal() {
    let backend = [("ACCESS_SECONDS", "9")];
    let plan = Plan { skew: "10s", satellites: 1, backend: &backend, ..Plan::default() };
    let fleet = Fleet::start(plan).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    // The last third of its life.
    tokio::time::sleep(Duration::from_secs(7)).await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let slow = json!({"mode": "hang", "seconds": 1.5, "paths": ["/api/token/refresh/"]});
    fleet.django.tell("/test/fault", &slow).await;
    let port = fleet.ports()[0];
    let first = tokio::spawn(fleet.ask(port, "/api/auth/session", &jar));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = tokio::time::Instant::now();
    let others = all((0..100).map(|_| fleet.ask(port, "/api/auth/session", &jar)).collect()).await;
    assert!(asked.elapsed() < Duration::from_millis(600), "{:?}", asked.elapsed());
    for seen in others {
        assert_eq!((seen.status, who(&seen.json())), (StatusCode::OK, (Some(USER), None)));
    }
    let first = first.await.unwrap();
    assert_eq!(who(&first.json()), (Some(USER), None), "whoever began it does not wait for long either");
    // What was renewed meanwhile is there for the next one.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let next = fleet.ask(port, "/api/auth/session", &jar).await;
    assert!(next.cookies().is_some() && who(&next.json()) == (Some(USER), None), "{next:?}");
    assert_eq!(fleet.django.count("refresh").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_asks_the_backend_itself_asks_once() {
    // threat-model R1
    let plan = Plan { satellites: 1, settings: "refresh.via = \"backend\"", ..Plan::default() };
    let mut fleet = Fleet::start(plan).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    fleet.auths[0].kill().await;
    let port = fleet.ports()[0];
    let seen = all((0..300).map(|_| fleet.ask(port, "/api/auth/session", &jar)).collect()).await;
    for seen in seen {
        assert_eq!((seen.status, who(&seen.json())), (StatusCode::OK, (Some(USER), None)));
    }
    assert_eq!((fleet.django.count("refresh").await, fleet.django.count("refresh_ok").await), (1, 1));
}
