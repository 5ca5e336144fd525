//! What a case demands beside its outcome: each sentence of the file is an assertion here.

use std::{collections::BTreeSet, time::Duration};

use hallpass_shared::token::Claims;
use hallpass_tests::{Answer, Visitor, scripted::Received};
use serde_json::{Value, json};

use super::{
    LIMIT, PASSWORD,
    case::{Case, Class},
    scene::{AUTH, Scene, Seen},
    style::{self, Outcome},
};

/// Checks one sentence.
pub(super) async fn check(fact: &str, at: &str, case: &Case, scene: &mut Scene, seen: &Seen) {
    let password = || seen.received.last().unwrap().body["password"].clone();
    match fact {
        "one backend call" => assert_eq!(seen.received.len(), 1, "{at}"),
        "backend receives 128 characters" => assert_eq!(password(), "p".repeat(128), "{at}"),
        "backend receives the exact characters" => assert_eq!(password(), "  pass word  ", "{at}"),
        "backend receives the exact code points" => assert_eq!(password(), "paßé🔑", "{at}"),
        "backend body has exactly the configured fields" => {
            let configured = json!({"username": "alice@example.com", "password": PASSWORD});
            assert_eq!(seen.received.last().unwrap().body, configured, "{at}");
        }
        "backend request has only allow-listed headers" => only_allowed_headers(at, &seen.received),
        "at most failed_logins_per_account backend calls"
        | "at most failed_logins_per_account backend calls in total" => {
            assert!(seen.received.len() <= LIMIT, "{at}: {}", seen.received.len());
            assert!(!seen.received.is_empty(), "{at}: nobody was asked at all");
        }
        "at least one 429" => {
            let limited = seen.answers.iter().any(|answer| is(answer, Class::Limited));
            assert!(limited, "{at}");
        }
        // The time-out is one second, the backend hangs for a minute.
        "answer within the configured timeout" => assert!(seen.longest < Duration::from_secs(20), "{at}"),
        "credentials sent to the configured backend only" => {
            assert_eq!(seen.received.len(), 1, "{at}");
            assert_eq!(scene.elsewhere.take_received().len(), 0, "{at}");
        }
        // Nobody has to wait: the tight limit is on account and address together.
        "succeeds at the latest after the documented delay" => assert_eq!(seen.answers.len(), 1, "{at}"),
        "one log record, control characters escaped" | "escaped in logs (CVE-2025-58160)" => {
            escaped_in_the_log(at, scene);
        }
        "query not logged" => {
            let log = scene.log.take();
            assert!(log.contains("/api/auth/callback/credentials"), "{at}: {log}");
            assert!(!log.contains("alice") && !log.contains('?'), "{at}: {log}");
        }
        "new session id" | "old session no longer usable from this browser" => {
            let claims = scene.claims().unwrap();
            assert_eq!(claims.sub.as_deref(), Some("alice@example.com"), "{at}");
        }
        "cookie replaced" => assert!(scene.claims().is_some(), "{at}"),
        "memory growth under 1 MiB" => bounded(at, case, scene).await,
        other => panic!("{at}: nothing checks {other:?}"),
    }
}

fn is(answer: &Answer, class: Class) -> bool {
    matches!(style::outcome(answer), Some(Outcome::Plain(found) | Outcome::NextAuths(found)) if found == class)
}

fn only_allowed_headers(at: &str, received: &[Received]) {
    let names: BTreeSet<&str> =
        received.iter().flat_map(|request| request.headers.keys()).map(http::HeaderName::as_str).collect();
    let allowed = ["accept", "content-length", "content-type", "host", "traceparent"];
    assert_eq!(names, BTreeSet::from(allowed), "{at}");
    assert_eq!(received.last().unwrap().headers["accept"], "application/json", "{at}");
}

/// threat-model X2, S9
fn escaped_in_the_log(at: &str, scene: &Scene) {
    let log = scene.log.take();
    let odd = |letter: char| letter.is_control() && letter != '\n';
    assert!(!log.contains(odd), "{at}: {log:?}");
    let records: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{at}: {line}")))
        .collect();
    let attempts = records.iter().filter(|record| record["event"] == "sign_in").count();
    assert_eq!(attempts, 1, "{at}: {log}");
    assert!(!log.contains("login ok") && !log.contains("pwned"), "{at}: a name is logged: {log}");
}

/// What is not taken cannot fill the memory.
async fn bounded(at: &str, case: &Case, scene: &mut Scene) {
    if case.backend.is_none() {
        // The body is the client's: `a_large_body_is_answered_before_it_is_sent` shows it.
        assert_eq!(case.id, "bl-13", "{at}");
        return;
    }
    let flood = scene.flood.take().unwrap();
    let total = flood.total;
    let taken = flood.taken().await;
    // Beside our 256 KiB the buffers of the operating system are full, on both sides.
    assert!(taken < total / 4, "{at}: {taken} of {total} bytes");
}

/// threat-model T12
pub(super) async fn nothing_is_left_of(old: &Claims, stolen: &Visitor, at: &str, scene: &Scene) {
    let new = scene.claims().unwrap();
    assert_ne!(new.sid, old.sid, "{at}: a new session has a new id");
    assert_eq!(new.sub.as_deref(), Some("alice@example.com"), "{at}");
    let mut replay = Visitor::new(scene.world.port);
    replay.jar.clone_from(&stolen.jar);
    let answer = replay.fetch(AUTH, "/api/auth/session").await;
    assert_eq!(answer.body, scene.style.dialect().empty_session, "{at}: the old session is over");
}
