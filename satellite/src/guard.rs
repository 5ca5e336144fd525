//! The layer that keeps requests from handlers: of [`require`](crate::require) and of [`Satellite::enforce`].
//!
//! Why: both decide by a request's head, before the handler runs; only what they decide by differs.
//!
//! [`Satellite::enforce`]: crate::Satellite::enforce

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{extract::Request, response::Response};
use http::request::Parts;
use tower::{Layer, Service};

use crate::{access::AccessRules, enforce, require, rules::Rule};

/// What a request is judged by.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    /// Claims of the signed-in user.
    Claims(Arc<Rule>),
    /// The rules of the settings.
    Rules(AccessRules),
}

impl Guard {
    fn refusal(&self, parts: &Parts) -> Option<Response> {
        match self {
            Self::Claims(rule) => require::refusal(rule, parts),
            Self::Rules(rules) => enforce::refusal(rules, parts),
        }
    }
}

/// Lets a request through, or answers it.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: Guard,
}

impl GuardLayer {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, guard: self.guard.clone() }
    }
}

/// The service of [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request> for GuardService<S>
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
        if let Some(refusal) = self.guard.refusal(&parts) {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move { inner.call(Request::from_parts(parts, body)).await })
    }
}
