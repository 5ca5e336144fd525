//! `POST /api/admin/revoke`, on the admin listener: ends a session or all sessions of a user.
//!
//! Why: an account is closed, a password changed, a laptop lost: the backend or its operator says so, and every session
//! ends within a second (threat-model T15). It takes a bearer secret of its own even there, and without one in the
//! settings it does not exist.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State, rejection::JsonRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use hallpass_shared::{
    clock::Clock,
    key::log_id,
    rejection::Rejection,
    revocation::{Revocation, RevocationKey},
    secret::Secret,
    session::Lifetime,
};
use http::{StatusCode, header};
use serde::Deserialize;

use crate::ledger::Ledger;

const MAX_BODY_BYTES: usize = 4096;

/// What the routes need.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) secret: Option<Secret>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) lifetime: Lifetime,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Whose sessions end: exactly one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Target {
    /// The session of this id.
    Sid(String),
    /// All sessions so far of this user: the `id` that apps see, which some backends count.
    Sub(Subject),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Subject {
    Text(String),
    Number(u64),
}

impl Admin {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/api/admin/revoke", post(revoke))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(middleware::from_fn_with_state(self.clone(), bearer_only))
            .with_state(self)
    }
}

async fn bearer_only(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let Some(secret) = &admin.secret else { return Rejection::NotFound.into_response() };
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sent.and_then(|sent| sent.strip_prefix("Bearer ")).is_some_and(|sent| secret.matches(sent)) {
        return next.run(request).await;
    }
    metrics::counter!("hallpass_admin_refusals_total").increment(1);
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "a bearer is needed: the setting admin.secret\n").into_response()
}

async fn revoke(State(admin): State<Admin>, target: Result<Json<Target>, JsonRejection>) -> Response {
    let (key, session) = match target {
        Ok(Json(Target::Sid(sid))) if !sid.is_empty() => {
            (RevocationKey::of_session(&sid), Some(log_id(&sid)))
        }
        Ok(Json(Target::Sub(Subject::Text(sub)))) if !sub.is_empty() => {
            (RevocationKey::of_subject(&sub), None)
        }
        Ok(Json(Target::Sub(Subject::Number(sub)))) => (RevocationKey::of_subject(&sub.to_string()), None),
        _ => {
            let expected = "expected JSON such as {\"sub\": \"42\"} or {\"sid\": \"…\"}\n";
            return (StatusCode::BAD_REQUEST, expected).into_response();
        }
    };
    let now = admin.clock.now();
    let revocation = Revocation { key, at: now, until: now.plus(admin.lifetime.absolute_max_age) };
    admin.ledger.publish(&[revocation]).await;
    metrics::counter!("hallpass_admin_revocations_total").increment(1);
    let whole_user = session.is_none();
    tracing::info!(event = "admin_revoke", session, whole_user, "an administrator ended sessions");
    StatusCode::NO_CONTENT.into_response()
}
