//! [`Satellite::enforce`]: the rules of the settings, within an axum app.
//!
//! Why: an app in Rust needs no sidecar to have its paths judged as a proxied one's are. As with an edge, the app's router
//! reads the path as it came, so one that is not canonical is refused (threat-model P1).
//!
//! [`Satellite::enforce`]: crate::Satellite::enforce

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use hallpass_shared::rejection::Rejection;
use http::request::Parts;

use crate::{
    access::{self, AccessRules},
    canonical::CanonicalPath,
    extract::{asked, target},
    layer::{Core, Visitor},
};

/// What a request gets that may not pass.
pub(crate) fn refusal(rules: &AccessRules, parts: &Parts) -> Option<Response> {
    let known = parts.extensions.get::<Arc<Core>>().zip(parts.extensions.get::<Visitor>());
    let Some((core, visitor)) = known else {
        return Some(Rejection::Internal("Satellite::layer is missing around this route").into_response());
    };
    if !access::is_plain(&parts.method) {
        return Some(Rejection::MethodNotAllowed.into_response());
    }
    let path = target(parts).split('?').next().unwrap_or_default();
    let path = match CanonicalPath::parse(path) {
        Ok(path) if path.is_as_sent() => path,
        _ => return Some(Rejection::Malformed("the path is read in different ways").into_response()),
    };
    let rule =
        rules.decide(access::Request { host: &core.site.host, path: &path, method: &parts.method }).rule;
    if rule.passes_preflight(&parts.method, &parts.headers) {
        return None;
    }
    core.answers.settle(rule, visitor, asked(core, parts)).err().map(|refusal| *refusal)
}
