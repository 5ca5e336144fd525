//! [`require`]: a route only for those whose claims fulfil a rule.
//!
//! Why: an app should not write the check, the page and the redirect for each admin route again. The decision is
//! taken before the handler runs, on the sealed claims.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use hallpass_shared::rejection::Rejection;
use http::request::Parts;

use crate::{
    extract::{ask_to_sign_in, asked},
    guard::{Guard, GuardLayer},
    layer::{Core, SignedIn, Visitor},
    rules::Rule,
};

/// Lets only those through who fulfil `rule`; for `Router::route_layer`, inside [`Satellite::layer`].
///
/// [`Satellite::layer`]: crate::Satellite::layer
pub fn require(rule: Rule) -> GuardLayer {
    GuardLayer::new(Guard::Claims(Arc::new(rule)))
}

/// What a request gets that may not pass.
pub(crate) fn refusal(rule: &Rule, parts: &Parts) -> Option<Response> {
    match parts.extensions.get::<Visitor>() {
        // What a role is worth is known for one access token's life, no longer (threat-model T15).
        Some(Visitor::SignedIn(signed_in)) if signed_in.outage.is_some() => {
            signed_in.outage.map(|outage| Rejection::Unconfirmed(outage).into_response())
        }
        Some(Visitor::SignedIn(signed_in)) if rule.admits(&signed_in.claims) => None,
        Some(Visitor::SignedIn(signed_in)) => Some(deny(parts, signed_in, rule)),
        Some(_) => Some(ask_to_sign_in(parts)),
        None => Some(Rejection::Internal("Satellite::layer is missing around this route").into_response()),
    }
}

fn deny(parts: &Parts, signed_in: &SignedIn, rule: &Rule) -> Response {
    let core = parts.extensions.get::<Arc<Core>>();
    core.map_or_else(
        || Rejection::AccessDenied.into_response(),
        |core| core.answers.forbid(asked(core, parts), signed_in, rule),
    )
}
