//! The log: one JSON object a line, with the ids of its request, and nothing in it that a terminal would obey.

use hallpass_tests::{
    Visitor,
    programs::{APP, AUTH, Programs},
    scripted::{Reply, ScriptedBackend},
};
use http::Method;
use serde_json::Value;

/// Names that would write lines of their own, or move a cursor.
const HOSTILE: [&str; 4] = [
    "ada\r\n{\"level\":\"INFO\",\"message\":\"forged\"}",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{9b}31m\u{85}\u{2028}\u{202e}",
    "\0\u{8}\u{7f}",
];

#[tokio::test]
async fn every_line_is_json_and_no_control_character_gets_through() {
    // threat-model X2
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&format!("log.level = \"debug\"\n{}", backend.settings())).await;
    for (server, host) in [(&programs.auth, AUTH), (&programs.app, APP)] {
        let mut visitor = Visitor::new(server.port);
        for hostile in HOSTILE {
            visitor.sign_in(hostile, hostile).await;
            let encoded: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
            visitor.fetch(host, &format!("/{encoded}?{encoded}")).await;
            visitor.fetch(host, &format!("/api/auth/error?error={encoded}")).await;
        }
        let lines = server.log();
        assert!(lines.iter().filter(|line| line["event"] == "request").count() >= 12);
        assert!(lines.iter().all(|line| line["message"] != "forged"));
        let control = |text: char| text.is_control() && text != '\n';
        assert!(!server.process.output().contains(control), "{:?}", server.process.output());
    }
}

#[tokio::test]
async fn the_eye_reads_no_control_characters_either() {
    // threat-model X2
    let backend = ScriptedBackend::start(&[]).await;
    let settings = format!("log = {{ format = \"pretty\", level = \"debug\" }}\n{}", backend.settings());
    let programs = Programs::start(&settings).await;
    let mut visitor = programs.visitor();
    for hostile in HOSTILE {
        visitor.sign_in(hostile, hostile).await;
        let encoded: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        visitor.fetch(AUTH, &format!("/{encoded}")).await;
    }
    let output = programs.auth.process.output();
    assert!(output.lines().filter(|line| line.contains("served")).count() >= 8, "{output}");
    assert!(output.lines().all(|line| line.starts_with("20")), "each line has its time: {output}");
    assert!(!output.contains(|text: char| text.is_control() && text != '\n'), "{output:?}");
}

/// The ids that a line of the log belongs to.
fn request_id(line: &Value) -> &str {
    line["spans"][0]["request_id"].as_str().unwrap_or_else(|| panic!("no id: {line}"))
}

#[tokio::test]
async fn an_answer_and_its_lines_carry_one_id() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    for (server, host) in [(&programs.auth, AUTH), (&programs.app, APP)] {
        let mut visitor = Visitor::new(server.port);
        let own = [("x-request-id", "mine"), ("accept", "application/json")];
        let answer = visitor.send(Method::GET, host, "/no/such/page", &own, "").await;
        let id = answer.headers["x-request-id"].to_str().unwrap();
        assert_ne!(id, "mine", "ids are ours to give");
        assert_eq!(answer.json()["requestId"], id, "and the answer itself says it");
        let line = server.logged("request", |line| line["path"] == "/no/such/page").await;
        assert_eq!(request_id(&line), id);
        assert_eq!(line["method"], "GET");
    }
    // What happens on the way is found by the same id.
    backend.answer_next(Reply::Text(200, "text/html", "<h1>Maintenance</h1>".into()));
    let answer = visitor.sign_in("ada", "password").await;
    let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    let line = programs.auth.logged("backend_reply", |_| true).await;
    assert_eq!(request_id(&line), id);
    assert!(!line.to_string().contains("Maintenance"), "{line}");
}

#[tokio::test]
async fn where_only_warnings_are_logged_they_have_their_ids() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&format!("log.level = \"warn\"\n{}", backend.settings())).await;
    let mut visitor = programs.visitor();
    backend.answer_next(Reply::Close);
    let answer = visitor.sign_in("ada", "password").await;
    assert_eq!(answer.status, 503);
    let line = programs.auth.logged("neighbour_unavailable", |_| true).await;
    assert_eq!(request_id(&line), answer.headers["x-request-id"].to_str().unwrap());
    assert!(line["error"].as_str().unwrap().contains(": "), "with its causes: {line}");
    assert!(programs.auth.log().iter().all(|line| line["level"] != "INFO"));
}

#[tokio::test]
async fn a_fresh_access_token_that_is_refused_is_not_blamed_on_the_refresh_token() {
    let backend = ScriptedBackend::start(&[]).await;
    let user = format!("user = {{ url = \"http://{}/me\" }}", backend.address);
    let programs = Programs::start(&(backend.settings() + user.as_str())).await;
    let mut visitor = programs.visitor();
    let me = || Reply::Text(200, "application/json", r#"{"user": {"id": "ada", "email": "ada"}}"#.into());
    backend.answer_next(Reply::Text(200, "application/json", super::short_lived("ada", 20)));
    backend.answer_next(me());
    visitor.sign_in("ada", "password").await;
    backend.answer_next(Reply::Text(200, "application/json", super::short_lived("ada", 20)));
    backend.answer_next(Reply::Text(401, "application/json", "{}".into()));
    visitor.fetch(AUTH, "/api/auth/session").await;
    let line = programs.auth.logged("refresh", |line| line["outcome"] == "refused").await;
    assert_eq!(line["step"], "backend.user");
    assert_eq!(line["message"], "the backend does not take the access token that it has just granted");
    let blamed = |line: &Value| {
        line["message"].as_str().is_some_and(|said| said.contains("refused the refresh token"))
    };
    assert!(!programs.auth.log().iter().any(blamed), "{:?}", programs.auth.log());
}
