//! W3C Trace Context: a trace that comes in goes on to the backend, by whatever way.

use hallpass_tests::{
    programs::{APP, AUTH, Programs},
    scripted::{Received, Reply, ScriptedBackend},
};
use http::Method;

use super::short_lived;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What the backend was sent as `traceparent`.
fn parent(received: &Received) -> &str {
    received.headers["traceparent"].to_str().unwrap()
}

fn goes_on(received: &[Received]) {
    let [only] = received else { panic!("one request: {received:?}") };
    let sent = parent(only);
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-01"), "{sent}");
    assert_ne!(sent, PARENT, "with a span of its own");
}

#[tokio::test]
async fn a_trace_reaches_the_backend() {
    let backend = ScriptedBackend::start(&[("ada", "password")]).await;
    let programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    let token = visitor.csrf_token(AUTH).await;
    let origin = format!("http://{AUTH}:{}", programs.auth.port);
    let form = format!("csrfToken={token}&username=ada&password=password");
    let headers = [
        ("traceparent", PARENT),
        ("tracestate", "vendor=c4n4ry"),
        ("origin", origin.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    backend.answer_next(Reply::Text(200, "application/json", short_lived("ada", 20)));
    let target = "/api/auth/callback/credentials";
    let answer = visitor.send(Method::POST, AUTH, target, &headers, form).await;
    assert_eq!(answer.status, 303);
    goes_on(&backend.take_received());
    let line = programs.auth.logged("request", |line| line["path"] == target).await;
    assert_eq!(line["spans"][0]["trace_id"], TRACE);
    // A renewal runs in a task of its own, which others may join.
    backend.answer_next(Reply::Text(200, "application/json", short_lived("ada", 20)));
    visitor.send(Method::GET, AUTH, "/api/auth/session", &headers[..1], "").await;
    goes_on(&backend.take_received());
    let line = programs.auth.logged("refresh", |_| true).await;
    assert_eq!(line["spans"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn a_trace_goes_through_the_satellite_to_the_backend() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    backend.answer_next(Reply::Text(200, "application/json", short_lived("ada", 20)));
    visitor.sign_in("ada", "password").await;
    backend.take_received();
    let mut at_app = programs.at_app(&visitor);
    at_app.send(Method::GET, APP, "/api/auth/session", &[("traceparent", PARENT)], "").await;
    goes_on(&backend.take_received());
    let line = programs.auth.logged("request", |line| line["path"] == "/api/auth/refresh").await;
    assert_eq!(line["spans"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn what_is_no_trace_starts_one() {
    let backend = ScriptedBackend::start(&[("ada", "password")]).await;
    let programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    visitor.sign_in("ada", "password").await;
    let received = backend.take_received();
    let sent = parent(&received[0]);
    assert!(sent.len() == 55 && sent.ends_with("-00"), "not sampled: {sent}");
    for junk in ["", "00-0-0-0", "c4n4ry", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
        let answer = visitor.send(Method::GET, AUTH, "/junk", &[("traceparent", junk)], "").await;
        assert_eq!(answer.status, 404, "{junk}");
    }
    let lines = programs.auth.events("request");
    assert!(lines.iter().all(|line| line["spans"][0]["trace_id"].as_str().unwrap().len() == 32));
    assert!(!programs.auth.process.output().contains("c4n4ry"));
}
