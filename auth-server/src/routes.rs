//! What satellites ask: a renewal, an end, the fingerprint; and the keys of access tokens we sign ourselves.
//!
//! Why: these paths hand out sessions to whoever has the secret, so without the bearer made of it they do not
//! exist.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, Query, Request, State, rejection::JsonRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hallpass_shared::{
    authenticator::Authenticator,
    internal::{
        FINGERPRINT, Fingerprint, KNOWN_REVOCATIONS, Known, REFRESH, REVOCATIONS, RefreshReply,
        SessionRequest, unpack,
    },
    provider::{Ended, SignOutReach},
    refresh::{Due, due},
    refusal::{NotAdmitted, Outage, Refusal},
    rejection::Rejection,
    token::{Claims, SealedToken},
};
use http::{HeaderValue, header};
use serde::Deserialize;

use crate::App;

/// A session in eight chunks, with room for JSON.
const MAX_BODY_BYTES: usize = 64 * 1024;

pub(crate) fn router(app: &App) -> Router {
    let internal = Router::new()
        .route(REFRESH, post(refresh))
        .route(REVOCATIONS, get(feed).post(revoke))
        .route(KNOWN_REVOCATIONS, post(known))
        .route(FINGERPRINT, get(fingerprint))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), bearer_only));
    Router::new().route("/.well-known/jwks.json", get(jwks)).merge(internal).with_state(app.clone())
}

async fn bearer_only(State(app): State<App>, request: Request, next: Next) -> Response {
    if !app.bearers.admit(request.headers()) {
        return Rejection::NotFound.into_response();
    }
    let mut response = next.run(request).await;
    // It may hold a session (threat-model B7).
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What was sent, or a refusal that repeats nothing of it.
struct Asked(SessionRequest);

impl FromRequest<App> for Asked {
    type Rejection = Rejection;

    async fn from_request(request: Request, app: &App) -> Result<Self, Rejection> {
        let malformed = |_: JsonRejection| Rejection::Malformed("not a session request");
        Json::from_request(request, app).await.map(|Json(asked)| Self(asked)).map_err(malformed)
    }
}

/// A satellite's clock may be ahead by this much (threat-model R15).
const CLOCKS_APART: Duration = Duration::from_mins(1);

async fn refresh(State(app): State<App>, Asked(asked): Asked) -> Response {
    let outcome = match open(&app.endpoints.authenticator, asked.token) {
        Ok(claims) => renew(&app, &claims).await,
        Err(refused) => Err(refused),
    };
    match outcome {
        Ok(reply) => Json(reply).into_response(),
        Err(NotAdmitted::Refused(why)) => {
            Json(RefreshReply::Refused { why: why.code().into() }).into_response()
        }
        Err(NotAdmitted::Unavailable(outage)) => Rejection::Unavailable(outage).into_response(),
        Err(_) => Rejection::Internal("an unknown reason").into_response(),
    }
}

/// What a satellite sends was sealed with a secret of ours, or it is no session.
fn open(authenticator: &Authenticator, token: String) -> Result<Claims, NotAdmitted> {
    let token = SealedToken::from_wire(token).ok_or(Refusal::Expired)?;
    let claims = authenticator.open(&token)?.ok_or(Refusal::Expired)?;
    Ok(std::sync::Arc::unwrap_or_clone(claims))
}

async fn renew(app: &App, claims: &Claims) -> Result<RefreshReply, NotAdmitted> {
    let authenticator = &app.endpoints.authenticator;
    let renewed = match due(claims, authenticator.clock.now(), app.skew + CLOCKS_APART)? {
        Due::No => None,
        // The satellite's own visitors do not wait; this question does, for it carries the new session home.
        _ => Some(app.upkeep.refresher.refresh(claims, Due::Now).await?),
    };
    let claims = renewed.as_ref().unwrap_or(claims);
    // It may have been signed out while the backend was asked (threat-model R13).
    if authenticator.revocations.covers(claims) {
        return Err(Refusal::Revoked.into());
    }
    let sealed = authenticator.codec.seal(claims).map_err(|_| Outage::of("the session codec"))?;
    Ok(RefreshReply::Renewed { token: sealed.expose().to_owned() })
}

async fn revoke(State(app): State<App>, Asked(asked): Asked) -> Response {
    let reach = if asked.everywhere { SignOutReach::Everywhere } else { SignOutReach::Session };
    let token = SealedToken::from_wire(asked.token);
    if let Some(claims) = token.and_then(|token| app.endpoints.authenticator.open_to_end(&token)) {
        let revocation = app.endpoints.authenticator.revoke(&claims, reach);
        app.endpoints.provider.signed_out(Ended { claims: &claims, reach, revocation }).await;
    }
    http::StatusCode::NO_CONTENT.into_response()
}

/// Where a satellite was when it lost the feed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Position {
    node: Option<String>,
    after: Option<u64>,
}

async fn feed(State(app): State<App>, Query(position): Query<Position>) -> Response {
    let asked = position.node.as_deref().zip(position.after);
    let lines = Body::from_stream(Arc::clone(&app.upkeep.ledger.feed).stream(asked));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

async fn known(State(app): State<App>, body: Result<Json<Known>, JsonRejection>) -> Response {
    let Ok(Json(known)) = body else {
        return Rejection::Malformed("not a list of revocations").into_response();
    };
    app.upkeep.ledger.learn(&unpack(&known.revoked)).await;
    http::StatusCode::NO_CONTENT.into_response()
}

async fn fingerprint(State(app): State<App>) -> Json<Fingerprint> {
    Json(Fingerprint::clone(&app.fingerprint))
}

/// Public keys of the access tokens that `users-file` signs (RFC 7517); empty with a backend of its own.
async fn jwks(State(app): State<App>) -> Json<serde_json::Value> {
    Json(app.backend.jwks())
}
