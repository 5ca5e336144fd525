//! No secret, password, token or cookie in anything that the processes print, at any level.
//!
//! Why: logs are copied, kept and read by many (threat-model A10, S6, X1). Both programs run at `trace`, with
//! everything their libraries say, through every kind of sign-in, renewal and failure; then all that was printed, the
//! bodies, the addresses and the metrics are searched for what must not be there.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    key::internal_bearers,
    secret::{Secret, SecretRing},
};
use hallpass_tests::{
    Answer, SECRET, Visitor,
    programs::{APP, AUTH, Programs},
    scripted::{Reply, ScriptedBackend},
};
use http::Method;
use serde_json::json;

const USER: &str = "alice@example.com";
const PASSWORD: &str = "canary-Passw0rd-Žluť";
const WRONG: &str = "canary-wr0ng-guess";
const AUTHORIZATION: &str = "canary-client-authorization";
const QUERY: &str = "canary-query-value";

/// What was said, and what must not be in it.
#[derive(Default)]
struct Search {
    said: String,
    canaries: Vec<String>,
}

impl Search {
    fn canary(&mut self, value: &str) {
        let encoded: String = value.bytes().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "%{byte:02X}");
            all
        });
        let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        self.canaries.extend([value.to_owned(), URL_SAFE_NO_PAD.encode(value), encoded, form]);
    }

    /// A token: whole, and each part that is long enough to be told from chance.
    fn token(&mut self, token: &str) {
        self.canary(token);
        let parts = token.split(['.', '|']).filter(|part| part.len() >= 16 && !part.starts_with("eyJhbGci"));
        self.canaries.extend(parts.map(str::to_owned));
    }

    fn hear(&mut self, what: &str) {
        self.said.push_str(what);
        self.said.push('\n');
    }

    fn hear_answer(&mut self, answer: &Answer) {
        let location = answer.location().to_owned();
        self.hear(&location);
        // The form's token belongs into a page and into `/csrf`.
        if !answer.body.contains("csrfToken") {
            self.hear(&answer.body);
        }
    }

    fn assert_nothing_found(&self) {
        assert!(self.said.len() > 10_000, "there is something to search: {}", self.said.len());
        for canary in &self.canaries {
            if let Some(at) = self.said.find(canary.as_str()) {
                let from = self.said[..at].rfind('\n').map_or(0, |line| line + 1);
                let line: String = self.said[from..].lines().next().unwrap().chars().take(600).collect();
                panic!("`{canary}` is in:\n{line}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_printed_as_json() {
    nothing_secret_is_printed("json").await;
}

#[tokio::test]
async fn nothing_secret_is_printed_for_the_eye() {
    nothing_secret_is_printed("pretty").await;
}

async fn nothing_secret_is_printed(format: &str) {
    let backend = ScriptedBackend::start(&[(USER, PASSWORD)]).await;
    let log = format!("log.format = \"{format}\"\nlog.level = \"trace\"\nthrottle.per_account = \"4/5m\"\n");
    let programs = Programs::start(&format!("{log}{}", backend.settings())).await;
    let mut search = Search::default();
    for canary in [SECRET, PASSWORD, WRONG, AUTHORIZATION, QUERY] {
        search.canary(canary);
    }
    let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
    internal_bearers(&ring).unwrap().iter().for_each(|bearer| search.canary(bearer.expose()));

    let mut alice = programs.visitor();
    sign_ins_that_fail(&programs, &backend, &mut search).await;
    a_session_that_is_renewed(&programs, &backend, &mut alice, &mut search).await;
    odd_requests(&mut alice, &mut search).await;
    let out = alice.post_form(AUTH, "/api/auth/signout", &[]).await;
    search.hear_answer(&out);

    for server in [&programs.auth, &programs.app] {
        search.hear(&server.process.output());
        search.hear(&server.ask_admin("/metrics").await.body);
        search.hear(&server.ask_admin("/readyz").await.body);
    }
    search.assert_nothing_found();
}

/// Denied, unavailable, nonsense, throttled.
async fn sign_ins_that_fail(programs: &Programs, backend: &ScriptedBackend, search: &mut Search) {
    let mut guesser = programs.visitor();
    backend.answer_next(Reply::Text(500, "text/plain", "canary of the backend".into()));
    backend.answer_next(Reply::Text(200, "text/html", "<html>".into()));
    backend.answer_next(Reply::Close);
    search.canary("canary of the backend");
    for _ in 0..8 {
        search.hear_answer(&guesser.sign_in(USER, WRONG).await);
    }
    let limited = guesser.sign_in(USER, WRONG).await;
    assert_eq!(limited.status, 429);
    keep_cookies(&guesser, search);
}

/// Signed in with an access token that is nearly over, seen by a satellite, renewed.
async fn a_session_that_is_renewed(
    programs: &Programs,
    backend: &ScriptedBackend,
    alice: &mut Visitor,
    search: &mut Search,
) {
    let soon = url_safe_jwt(&json!({"exp": seconds_from_now(20), "user_id": "1"}));
    let granted = json!({"access": soon, "refresh": "refresh-canary-of-the-first-kind", "user": {"id": "1", "email": USER}});
    backend.answer_next(Reply::Text(200, "application/json", granted.to_string()));
    search.token(&soon);
    search.canary("refresh-canary-of-the-first-kind");
    // Another spelling of the address of the account, since this one was guessed too often.
    let signed_in = alice.sign_in("alice.other@example.com", PASSWORD).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.body);
    search.hear_answer(&signed_in);
    keep_cookies(alice, search);
    let mut at_app = programs.at_app(alice);
    for target in ["/", "/api/auth/session", "/nowhere"] {
        search.hear_answer(&at_app.visit(APP, target).await);
    }
    let refreshed = backend.take_received().iter().filter(|received| received.target == "/refresh").count();
    assert_eq!(refreshed, 1, "the access token was renewed through the satellite");
    keep_cookies(&at_app, search);
}

async fn odd_requests(alice: &mut Visitor, search: &mut Search) {
    let bearer = format!("Bearer {AUTHORIZATION}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let target = format!("/login?error=x&password={QUERY}&callbackUrl=https://{QUERY}.example/");
    for (method, target, body) in [
        (Method::GET, target.as_str(), String::new()),
        (Method::POST, "/api/auth/refresh", format!("{{\"token\":\"{QUERY}\"}}")),
        (Method::POST, "/api/auth/callback/credentials", format!("{{\"password\":\"{PASSWORD}\",")),
        (Method::PUT, "/api/auth/callback/credentials", format!("password={PASSWORD}")),
        (Method::POST, "/api/auth/_log", format!("{{\"message\":\"{PASSWORD}\"}}")),
        (Method::GET, "/api/auth/fingerprint", String::new()),
    ] {
        search.hear_answer(&alice.send(method, AUTH, target, &headers, body).await);
    }
}

fn keep_cookies(visitor: &Visitor, search: &mut Search) {
    for ((name, _), value) in &visitor.jar {
        search.token(&value.replace("%7C", "|"));
        assert!(name.contains("token") || name.contains("binding"), "{name}");
    }
}

fn url_safe_jwt(payload: &serde_json::Value) -> String {
    format!("e30.{}.canary-signature-of-a-token", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

fn seconds_from_now(seconds: i64) -> i64 {
    use hallpass_shared::clock::{Clock as _, SystemClock};
    SystemClock.now().as_seconds() + seconds
}
