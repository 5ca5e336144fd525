//! [`require`]: a route only for those whose claims fulfil a rule.
//!
//! Why: an app should not write the check, the page and the redirect for each admin route again. The decision is
//! taken before the handler runs, on the sealed claims.

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
use tower::{Layer, Service};

use crate::{
    extract::{ask_to_sign_in, asked},
    layer::{Core, SignedIn, Visitor},
    rules::Rule,
};

/// Lets only those through who fulfil `rule`; for `Router::route_layer`, inside [`Satellite::layer`].
///
/// [`Satellite::layer`]: crate::Satellite::layer
pub fn require(rule: Rule) -> RequireLayer {
    RequireLayer { rule: Arc::new(rule) }
}

/// The layer of [`require`].
#[derive(Clone, Debug)]
pub struct RequireLayer {
    rule: Arc<Rule>,
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, rule: Arc::clone(&self.rule) }
    }
}

/// The service of [`RequireLayer`].
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    rule: Arc<Rule>,
}

impl<S> Service<Request> for RequireService<S>
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
        let (parts, body) = request.into_parts();
        let refusal = match parts.extensions.get::<Visitor>() {
            // What a role is worth is known for one access token's life, no longer (threat-model T15).
            Some(Visitor::SignedIn(signed_in)) if signed_in.outage.is_some() => {
                signed_in.outage.map(|outage| Rejection::Unconfirmed(outage).into_response())
            }
            Some(Visitor::SignedIn(signed_in)) if self.rule.admits(&signed_in.claims) => None,
            Some(Visitor::SignedIn(signed_in)) => Some(deny(&parts, signed_in, &self.rule)),
            Some(_) => Some(ask_to_sign_in(&parts)),
            None => {
                Some(Rejection::Internal("Satellite::layer is missing around this route").into_response())
            }
        };
        if let Some(refusal) = refusal {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move { inner.call(Request::from_parts(parts, body)).await })
    }
}

fn deny(parts: &http::request::Parts, signed_in: &SignedIn, rule: &Rule) -> Response {
    let core = parts.extensions.get::<Arc<Core>>();
    core.map_or_else(
        || Rejection::AccessDenied.into_response(),
        |core| core.answers.forbid(asked(core, parts), signed_in, rule),
    )
}
