//! Health, readiness and metrics: on a listener of their own, with numbers and no user input.

use hallpass_shared::clock::{Clock as _, SystemClock};
use hallpass_tests::{
    Visitor,
    programs::{APP, AUTH, Programs},
    scripted::{Reply, ScriptedBackend},
};
use http::Method;

use super::short_lived;

const ON_ADMIN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

#[tokio::test]
async fn the_two_listeners_answer_different_paths() {
    // threat-model X4
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    for (server, host) in [(&programs.auth, AUTH), (&programs.app, APP)] {
        for path in ON_ADMIN {
            assert_eq!(server.ask_admin(path).await.status, 200, "{path}");
            let mut outside = Visitor::new(server.port);
            for spelling in [path.to_owned(), format!("{path}/"), format!("/{path}"), path.to_uppercase()] {
                let answer = outside.fetch(host, &spelling).await;
                // A satellite asks anybody who is not signed in to do so, whatever the path; if it is one.
                let expected = match host {
                    AUTH => 404,
                    _ if spelling.starts_with("//") => 400,
                    _ => 401,
                };
                assert_eq!(answer.status, expected, "{host} {spelling}");
                assert!(!answer.body.contains("hallpass_"), "{}", answer.body);
            }
        }
        for path in ["/", "/login", "/api/auth/session", "/api/auth/csrf", "/healthz/x"] {
            assert_eq!(server.ask_admin(path).await.status, 404, "{path}");
        }
    }
    let ready = programs.app.ask_admin("/readyz").await.json();
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["checks"][0]["detail"], "reached; secret, cookie and dialect agree");
    let ready = programs.auth.ask_admin("/readyz").await.json();
    assert!(ready["checks"][0]["detail"].as_str().unwrap().starts_with("secret fingerprints: "));
}

/// The metric's value, for exactly these labels.
fn value(metrics: &str, sample: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(of).unwrap_or_else(|| panic!("no {sample} in\n{metrics}"))
}

#[tokio::test]
async fn counters_begin_at_zero_and_the_program_says_who_it_is() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    for (server, program) in [(&programs.auth, "auth-server"), (&programs.app, "satellite")] {
        let metrics = server.ask_admin("/metrics").await.body;
        for zero in [
            "hallpass_sign_ins_total{outcome=\"not_begun\"}",
            "hallpass_refreshes_total{outcome=\"refused\"}",
            "hallpass_sessions_refused_total{cause=\"too_large\"}",
            "hallpass_sessions_unavailable_total{cause=\"the revocation feed\"}",
            "hallpass_sessions_unreadable_total",
        ] {
            assert!(value(&metrics, zero).abs() < 0.1, "{zero}\n{metrics}");
        }
        let version = env!("CARGO_PKG_VERSION");
        let build = format!("hallpass_build_info{{program=\"{program}\",version=\"{version}\"}}");
        assert!((value(&metrics, &build) - 1.0).abs() < 0.1, "{metrics}");
        let started = std::time::Duration::from_secs_f64(value(&metrics, "process_start_time_seconds"));
        let ago = SystemClock.now().as_seconds().abs_diff(i64::try_from(started.as_secs()).unwrap());
        assert!(ago < 60, "{metrics}");
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let backend = ScriptedBackend::start(&[("ada", "password")]).await;
    let settings = format!("throttle.per_address = \"2/5m\"\n{}", backend.settings());
    let programs = Programs::start(&settings).await;
    let mut visitor = programs.visitor();
    // Its access token is over within the skew, so the next look at the session renews it.
    backend.answer_next(Reply::Text(200, "application/json", short_lived("ada", 20)));
    visitor.sign_in("ada", "password").await;
    visitor.fetch(AUTH, "/api/auth/session").await;
    visitor.sign_in("ada", "wrong").await;
    backend.answer_next(Reply::Text(503, "text/html", String::new()));
    visitor.sign_in("ada", "password").await;
    visitor.sign_in("bob", "wrong").await;
    visitor.sign_in("eve", "wrong").await;
    let foreign = [("origin", "https://evil.org"), ("content-type", "application/x-www-form-urlencoded")];
    visitor.send(Method::POST, AUTH, "/api/auth/signout", &foreign, "csrfToken=x").await;
    let mut copied = programs.visitor();
    copied.jar = visitor.jar.clone();
    visitor.post_form(AUTH, "/api/auth/signout", &[]).await;
    copied.fetch(AUTH, "/api/auth/session").await;
    let metrics = programs.auth.ask_admin("/metrics").await.body;
    for (sample, expected) in [
        ("hallpass_sign_ins_total{outcome=\"ok\"}", 1.0),
        ("hallpass_sign_ins_total{outcome=\"denied\"}", 2.0),
        ("hallpass_sign_ins_total{outcome=\"unavailable\"}", 1.0),
        ("hallpass_sign_ins_total{outcome=\"throttled\"}", 1.0),
        ("hallpass_refreshes_total{outcome=\"ok\"}", 1.0),
        ("hallpass_sign_outs_total", 1.0),
        ("hallpass_sessions_refused_total{cause=\"revoked\"}", 1.0),
    ] {
        assert!((value(&metrics, sample) - expected).abs() < 0.1, "{sample}\n{metrics}");
    }
    assert!(value(&metrics, "hallpass_http_request_duration_seconds_count{status=\"2xx\"}") >= 5.0);
    assert!(value(&metrics, "hallpass_http_requests_total{status=\"4xx\"}") >= 2.0);
}

#[tokio::test]
async fn a_satellites_metrics_count_its_own_side() {
    let backend = ScriptedBackend::start(&[]).await;
    let mut programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    backend.answer_next(Reply::Text(200, "application/json", short_lived("ada", 20)));
    visitor.sign_in("ada", "password").await;
    let mut at_app = programs.at_app(&visitor);
    backend.answer_next(Reply::Text(200, "application/json", short_lived("ada", 2)));
    assert_eq!(at_app.fetch(APP, "/api/auth/session").await.status, 200);
    programs.auth.process.signal("KILL").await;
    programs.auth.process.end().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let session = at_app.fetch(APP, "/api/auth/session").await.json();
    assert_eq!(session["error"], "RefreshAccessTokenError", "{session}");
    let metrics = programs.app.ask_admin("/metrics").await.body;
    for sample in [
        "hallpass_refreshes_total{outcome=\"ok\"}",
        "hallpass_refreshes_total{outcome=\"unavailable\"}",
        "hallpass_sessions_unavailable_total{cause=\"the auth server\"}",
    ] {
        assert!((value(&metrics, sample) - 1.0).abs() < 0.1, "{sample}\n{metrics}");
    }
}

#[tokio::test]
async fn no_label_holds_what_a_visitor_sent() {
    // threat-model D8
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    let canary = "c4n4ry";
    for (server, host) in [(&programs.auth, AUTH), (&programs.app, APP)] {
        let mut visitor = Visitor::new(server.port);
        visitor.fetch(host, &format!("/{canary}?{canary}={canary}")).await;
        visitor.sign_in(canary, canary).await;
        let headers = [
            ("user-agent", canary),
            ("origin", "https://c4n4ry.example"),
            ("cookie", "next-auth.session-token=c4n4ry"),
            ("traceparent", canary),
        ];
        visitor.send(Method::from_bytes(b"C4N4RY").unwrap(), host, "/c4n4ry", &headers, canary).await;
        visitor.send(Method::POST, host, "/api/auth/c4n4ry", &headers, canary).await;
        visitor.send(Method::GET, "c4n4ry.example.localhost", "/c4n4ry", &headers, "").await;
        let metrics = server.ask_admin("/metrics").await.body;
        assert!(metrics.contains("hallpass_http_requests_total"), "{metrics}");
        assert!(!metrics.to_lowercase().contains(canary), "{metrics}");
    }
}
