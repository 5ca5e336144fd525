//! What the backend's answer means: granted, definitely denied, or not to be told.
//!
//! Why: a reply that is read too kindly signs somebody in, one that is read too harshly signs everybody out
//! (threat-model R4, K4). Denied is what the settings call so, granted is exactly the expected shape, and all else
//! is an outage. Its log line names the status and the setting to look at, never what the backend said (K5).

use std::time::Duration;

use crate::{http_client::Reply, refusal::Outage};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::{BACKEND, BackendError, call::Step};

/// Deepest nesting read (threat-model K3).
const MAX_DEPTH: usize = 16;
const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

/// What a reply must say to be a definite no.
#[derive(Default)]
pub(super) struct Definite {
    /// The setting that lists it.
    pub(super) setting: &'static str,
    pub(super) statuses: Vec<StatusCode>,
    pub(super) pages: Pages,
    /// Codes and messages of GraphQL errors.
    pub(super) codes: Vec<String>,
    pub(super) messages: Vec<String>,
    /// Values of a successful reply.
    pub(super) members: Vec<(String, Value)>,
}

/// Whether an HTML page with a listed status is a definite no. An API's denial is none, but those of firewalls,
/// of CSRF checks and of wrong addresses are; 401 counts in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pages {
    #[default]
    Doubted,
    /// Somebody listed the statuses.
    Trusted,
}

/// How a backend is spoken to, and how it tells of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Paths, and JSON or forms; errors by status.
    Rest,
    /// Queries; errors in `errors` (GraphQL specification, section 7.1).
    GraphQl,
}

/// The reply as JSON, if the backend has done what it was asked.
pub(super) fn judge(
    protocol: Protocol,
    step: Step,
    definite: &Definite,
    reply: &Reply,
) -> Result<Value, BackendError> {
    let status = reply.status;
    let address = address_of(protocol, step);
    let doubt = |problem: &str| unusable(step, Some(status), &address, problem);
    if status == StatusCode::TOO_MANY_REQUESTS {
        let pause = retry_after(&reply.headers).unwrap_or(DEFAULT_PAUSE);
        tracing::warn!(
            event = "backend_throttled",
            step = step.key(),
            pause = pause.as_secs(),
            "the backend asks for a pause"
        );
        return Err(BackendError::Throttled(pause));
    }
    if definite.covers_status(status, &reply.headers) {
        return Err(BackendError::Denied);
    }
    let is_graphql = protocol == Protocol::GraphQl;
    if !(status.is_success() || (is_graphql && status.is_client_error())) {
        return Err(not_ok(step, definite, reply, &address));
    }
    let document = match parse(&reply.body) {
        Ok(document) => document,
        Err(_) if !status.is_success() => return Err(not_ok(step, definite, reply, &address)),
        Err(_) if is_page(&reply.headers) => return Err(doubt("the reply is a page, not JSON")),
        Err(problem) => return Err(doubt(problem)),
    };
    if is_graphql && let Some(errors) = document.get("errors").filter(|errors| !errors.is_null()) {
        return Err(definite.judge_errors(step, status, errors));
    }
    if !status.is_success() {
        return Err(not_ok(step, definite, reply, &address));
    }
    if definite.covers_members(&document) { Err(BackendError::Denied) } else { Ok(document) }
}

/// Logs a reply that is of no use, with the setting to look at, and makes an outage of it.
pub(super) fn unusable(step: Step, status: Option<StatusCode>, setting: &str, problem: &str) -> BackendError {
    let status = status.map(|status| status.as_u16());
    tracing::warn!(event = "backend_reply", step = step.key(), status, setting, "{problem}");
    BackendError::Unavailable(Outage::of(BACKEND))
}

fn not_ok(step: Step, definite: &Definite, reply: &Reply, address: &str) -> BackendError {
    let status = reply.status;
    let (setting, problem) = if status.is_redirection() {
        (address, "the backend redirects, which is never followed (a missing slash at the end?)")
    } else if status.is_server_error() {
        ("", "the backend failed; its own log says why")
    } else if status.is_client_error() && definite.statuses.contains(&status) {
        (
            definite.setting,
            "a page came with a status that is listed by default; listing it makes it a definite no",
        )
    } else if status.is_client_error() && !definite.setting.is_empty() {
        (definite.setting, "the backend refused the request in a way that is not listed as a definite no")
    } else {
        (address, "the backend did not accept the request")
    };
    match (unusable(step, Some(status), setting, problem), retry_after(&reply.headers)) {
        (BackendError::Unavailable(outage), Some(pause)) => {
            BackendError::Unavailable(Outage { retry_after: pause.min(Duration::from_mins(1)), ..outage })
        }
        (error, _) => error,
    }
}

/// The setting that holds the address.
pub(super) fn address_of(protocol: Protocol, step: Step) -> String {
    match protocol {
        Protocol::Rest => format!("{}.url", step.key()),
        Protocol::GraphQl => "backend.url".into(),
    }
}

impl Definite {
    fn covers_status(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let believed =
            self.pages == Pages::Trusted || status == StatusCode::UNAUTHORIZED || !is_page(headers);
        self.statuses.contains(&status) && believed
    }

    fn covers_members(&self, document: &Value) -> bool {
        let covers = |(pointer, value): &(String, Value)| document.pointer(pointer) == Some(value);
        !self.members.is_empty() && self.members.iter().all(covers)
    }

    /// Denied only if every error is listed: one that is not may be an outage.
    fn judge_errors(&self, step: Step, status: StatusCode, errors: &Value) -> BackendError {
        let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
        let lists =
            |list: &[String], text: Option<&str>| text.is_some_and(|text| list.iter().any(|one| one == text));
        let covers = |error: &Value| lists(&self.codes, code(error)) || lists(&self.messages, message(error));
        if !errors.is_empty() && errors.iter().all(covers) {
            return BackendError::Denied;
        }
        // Codes are words of the schema; everything else the backend says stays out of the log.
        let codes: Vec<&str> = errors.iter().filter_map(code).filter(|code| is_word(code)).take(5).collect();
        let setting = if self.setting.is_empty() { step.key() } else { self.setting };
        let problem =
            format!("the backend reports errors that are not listed as a definite no (codes: {codes:?})");
        unusable(step, Some(status), setting, &problem)
    }
}

fn code(error: &Value) -> Option<&str> {
    error.pointer("/extensions/code").and_then(Value::as_str)
}

fn message(error: &Value) -> Option<&str> {
    error.get("message").and_then(Value::as_str)
}

fn is_word(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.to_ascii_lowercase().contains("html")
}

/// Seconds only (RFC 9110 section 10.2.3 also has a date); an hour at most.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(1, 3600)))
}

fn parse(body: &[u8]) -> Result<Value, &'static str> {
    if depth(body) > MAX_DEPTH {
        return Err("the reply is nested too deeply");
    }
    serde_json::from_slice(body).map_err(|_| "the reply is not JSON")
}

/// Nesting of objects and arrays, told before any of them is built.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn reply(status: u16, kind: &'static str, body: &str) -> Reply {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
    }

    fn rest(reply: &Reply, definite: &Definite) -> Result<Value, BackendError> {
        judge(Protocol::Rest, Step::SignIn, definite, reply)
    }

    fn listed() -> Definite {
        let statuses = vec![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        Definite { setting: "backend.sign_in.denied_status", statuses, ..Definite::default() }
    }

    #[test]
    fn only_a_listed_status_is_a_definite_no() {
        // threat-model R4
        let json = |status| rest(&reply(status, "application/json", "{}"), &listed());
        assert_eq!(json(401), Err(BackendError::Denied));
        assert_eq!(json(403), Err(BackendError::Denied));
        assert_eq!(json(200), Ok(json!({})));
        for status in [301, 307, 400, 404, 410, 418, 500, 502, 503] {
            assert!(matches!(json(status), Err(BackendError::Unavailable(_))), "{status}");
        }
    }

    #[test]
    fn a_page_is_no_denial_unless_its_status_was_listed_by_hand() {
        // threat-model K4
        let page = |status| reply(status, "text/html; charset=utf-8", "<!doctype html>Forbidden");
        assert!(matches!(rest(&page(403), &listed()), Err(BackendError::Unavailable(_))));
        assert_eq!(rest(&page(401), &listed()), Err(BackendError::Denied));
        assert_eq!(
            rest(&page(403), &Definite { pages: Pages::Trusted, ..listed() }),
            Err(BackendError::Denied)
        );
        assert!(matches!(rest(&page(200), &listed()), Err(BackendError::Unavailable(_))));
    }

    #[test]
    fn a_pause_is_passed_on_within_bounds() {
        let throttled = |after: &'static str| {
            let mut reply = reply(429, "text/plain", "");
            reply.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
            rest(&reply, &listed())
        };
        let pause = |seconds| Err(BackendError::Throttled(Duration::from_secs(seconds)));
        assert_eq!(throttled("7"), pause(7));
        assert_eq!(throttled("0"), pause(1));
        assert_eq!(throttled("999999"), pause(3600));
        assert_eq!(throttled("Wed, 21 Oct 2099 07:28:00 GMT"), pause(30));
    }

    #[test]
    fn every_error_must_be_listed_for_a_graphql_denial() {
        // threat-model R4
        let codes = vec!["INVALID_CREDENTIALS".to_owned()];
        let messages = vec!["Please enter valid credentials".to_owned()];
        let definite =
            Definite { setting: "backend.sign_in.denied_codes", codes, messages, ..Definite::default() };
        let error = |code: &str, message: &str| json!({"message": message, "extensions": {"code": code}});
        let ask = |status, body: Value| {
            let reply = reply(status, "application/json", &body.to_string());
            judge(Protocol::GraphQl, Step::SignIn, &definite, &reply)
        };
        let denied =
            json!([error("INVALID_CREDENTIALS", "no"), {"message": "Please enter valid credentials"}]);
        assert_eq!(ask(200, json!({"data": null, "errors": denied})), Err(BackendError::Denied));
        assert_eq!(
            ask(401, json!({"errors": [error("INVALID_CREDENTIALS", "no")]})),
            Err(BackendError::Denied)
        );
        let granted = json!({"data": {"signIn": {"access": "a"}}});
        assert_eq!(ask(200, granted.clone()), Ok(granted.clone()));
        for (status, body) in [
            (200, json!({"errors": [error("INVALID_CREDENTIALS", "no"), error("INTERNAL", "boom")]})),
            (200, json!({"data": {"signIn": {"access": "a"}}, "errors": [{"message": "partly"}]})),
            (200, json!({"errors": []})),
            (200, json!({"errors": "INVALID_CREDENTIALS"})),
            (400, granted),
            (500, json!({"errors": [error("INVALID_CREDENTIALS", "no")]})),
        ] {
            assert!(
                matches!(ask(status, body.clone()), Err(BackendError::Unavailable(_))),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_denial_may_be_a_member_of_a_successful_reply() {
        let members = vec![("/success".to_owned(), json!(false))];
        let definite = Definite { members, ..listed() };
        let ask = |body: &str| rest(&reply(200, "application/json", body), &definite);
        assert_eq!(ask(r#"{"success": false}"#), Err(BackendError::Denied));
        assert!(ask(r#"{"success": true}"#).is_ok() && ask("{}").is_ok());
    }

    #[test]
    fn deep_replies_are_not_built() {
        // threat-model K3
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(16).as_bytes()).is_ok());
        assert_eq!(parse(nested(17).as_bytes()), Err("the reply is nested too deeply"));
        assert_eq!(depth(br#"{"a":"[[[\"{{{","b":["\\"]}"#), 2);
        assert!(parse(b"<html>").is_err() && parse(b"").is_err() && parse(b"{} {}").is_err());
    }
}
