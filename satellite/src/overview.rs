//! The built-in page: shows the session of whoever looks.
//!
//! Why: after setting up a satellite there is something to visit, which says at a glance whether sign-in,
//! the shared cookie and the renewal of tokens work.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use hallpass_shared::{clock::UnixTime, endpoints::Endpoints, pages::Overview, rejection::Rejection};
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use crate::{CurrentSession, Satellite, layer::Core};

/// Answers the ends of the session and of its access token.
const LIFETIMES: &str = "/api/auth/lifetimes";
const SIGN_OUT: &str = "/api/auth/signout";
/// Fields shown before the others.
const FIRST: [&str; 3] = ["id", "name", "email"];

#[derive(Clone)]
struct Site {
    core: Arc<Core>,
    endpoints: Arc<Endpoints>,
    siblings: Arc<[(String, String)]>,
}

pub(crate) fn router(satellite: &Satellite) -> Router {
    let site = Site {
        core: Arc::clone(&satellite.core),
        endpoints: Arc::clone(&satellite.endpoints),
        siblings: Arc::clone(&satellite.siblings),
    };
    Router::new()
        .route(LIFETIMES, get(lifetimes))
        .route("/", get(show))
        .route("/{*path}", get(show))
        // Where edges ask, on another listener: nothing of it is here (threat-model H17).
        .route("/auth/{*dialect}", any(async || Rejection::NotFound))
        .method_not_allowed_fallback(async || Rejection::MethodNotAllowed)
        .with_state(site)
}

async fn lifetimes(CurrentSession(session): CurrentSession) -> impl IntoResponse {
    let ends = json!({
        "expires": session.expires.as_seconds(),
        "accessExpires": session.access_token_expires.map(UnixTime::as_seconds),
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(ends))
}

async fn show(
    State(site): State<Site>,
    CurrentSession(session): CurrentSession,
    headers: HeaderMap,
) -> Response {
    let Some(pages) = site.core.answers.pages.for_browser(&headers) else {
        return Rejection::Internal("there are no texts").into_response();
    };
    let (token, set) = match site.endpoints.csrf_token(&headers) {
        Ok(issued) => issued,
        Err(rejection) => return rejection.into_response(),
    };
    let fields = rows(&session.user);
    let mut home = site.core.answers.sign_in.clone();
    home.set_path("/");
    let mut response = pages.overview(Overview {
        user_name: session.display_name(),
        user_email: session.user.get("email").and_then(Value::as_str),
        fields: &fields,
        expires: &session.expires.to_rfc3339(),
        session_expires: session.expires.as_seconds(),
        access_expires: session.access_token_expires.map(UnixTime::as_seconds),
        refreshes_url: LIFETIMES,
        csrf_token: &token,
        signout_action: SIGN_OUT,
        callback_url: "/",
        auth_home: home.as_str(),
        siblings: &site.siblings,
    });
    set.add_to(response.headers_mut());
    response
}

/// The user's fields as names and texts, objects inside by path; first what everybody has.
fn rows(user: &Map<String, Value>) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for (name, value) in user {
        match value {
            Value::Object(inner) => {
                rows.extend(rows_below(name, inner));
            }
            other => rows.push((name.clone(), text(other))),
        }
    }
    rows.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    rows
}

fn rows_below<'f>(
    name: &'f str,
    inner: &'f Map<String, Value>,
) -> impl Iterator<Item = (String, String)> + 'f {
    inner.iter().map(move |(field, value)| (format!("{name}.{field}"), text(value)))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".into(),
        Value::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
