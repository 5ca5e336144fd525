//! [`Satellite::enforce`]: the rules of the settings, within an axum app.
//!
//! Why: an app in Rust needs no sidecar to have its paths judged as a proxied one's are. As with an edge, the app's router
//! reads the path as it came, so one that is not canonical is refused (threat-model P1).
//!
//! [`Satellite::enforce`]: crate::Satellite::enforce

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use hallpass_shared::rejection::Rejection;
use http::request::Parts;
use tower::{Layer, Service};

use crate::{
    access::{self, AccessRules, Verdict},
    canonical::CanonicalPath,
    extract::{ask_to_sign_in, asked, target},
    layer::{Core, Visitor},
};

/// The layer of [`Satellite::enforce`](crate::Satellite::enforce).
#[derive(Clone, Debug)]
pub struct EnforceLayer {
    rules: AccessRules,
}

impl EnforceLayer {
    pub(crate) fn new(rules: AccessRules) -> Self {
        Self { rules }
    }
}

impl<S> Layer<S> for EnforceLayer {
    type Service = EnforceService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EnforceService { inner, rules: self.rules.clone() }
    }
}

/// The service of [`EnforceLayer`].
#[derive(Clone, Debug)]
pub struct EnforceService<S> {
    inner: S,
    rules: AccessRules,
}

impl<S> Service<Request> for EnforceService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Taken apart, since a body is not `Sync`.
        let (parts, body) = request.into_parts();
        if let Some(refusal) = refusal(&self.rules, &parts) {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move { inner.call(Request::from_parts(parts, body)).await })
    }
}

fn refusal(rules: &AccessRules, parts: &Parts) -> Option<Response> {
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
    match rule.judge(visitor) {
        Verdict::Pass(_) => None,
        Verdict::SignIn => Some(ask_to_sign_in(parts)),
        Verdict::Forbidden(signed_in) => {
            Some(core.answers.forbid_by(asked(core, parts), &signed_in, rule.access()))
        }
        Verdict::Unconfirmed(outage) => Some(Rejection::Unconfirmed(outage).into_response()),
    }
}
