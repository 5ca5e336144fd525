//! `GET /providers`: what one can sign in with.
//!
//! Why: the official client looks here before it signs in, and takes another way if the provider is missing.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{PROVIDER, Shared};

pub(super) async fn list(State(endpoints): Shared) -> Json<Value> {
    Json(json!({
        PROVIDER: {
            "id": PROVIDER,
            "name": "Credentials",
            "type": PROVIDER,
            "signinUrl": endpoints.address("/signin/credentials"),
            "callbackUrl": endpoints.address("/callback/credentials"),
        }
    }))
}
