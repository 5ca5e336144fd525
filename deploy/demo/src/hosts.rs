//! Sends a request to the site that its `Host` names.
//!
//! Why: the three sites share one port, as they would behind an edge.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{Html, IntoResponse, Response},
};
use http::{StatusCode, header};
use tower::ServiceExt as _;

type Sites = Arc<BTreeMap<String, Router>>;

/// Sites by host name, without port.
pub fn by_name(sites: BTreeMap<String, Router>) -> Router {
    Router::new().fallback(dispatch).with_state(Arc::new(sites))
}

async fn dispatch(State(sites): State<Sites>, request: Request) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = named.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let authority = authority.unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match sites.get(&host) {
        Some(site) => match site.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => (StatusCode::NOT_FOUND, Html(directions(&sites, authority))).into_response(),
    }
}

fn directions(sites: &Sites, authority: &str) -> String {
    let port = authority.split(':').nth(1).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let hosts: Vec<_> =
        sites.keys().map(|host| format!("<li><a href='http://{host}{port}/'>{host}</a>")).collect();
    format!("<!doctype html><title>Hallpass demo</title><p>The demo's sites are:<ul>{}</ul>", hosts.concat())
}
