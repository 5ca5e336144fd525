//! Authenticates each request once, and adds the renewed cookie on the way out.
//!
//! Why: handlers ask for the session as often as they like; the cookie is opened once. What the layer found is a
//! [`Visitor`] in the request's extensions, which the extractors and [`require`](crate::require) read.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{extract::Request, response::Response};
use hallpass_shared::{
    authenticator::{Admission, Authentication, Authenticator, Freshness, STALE},
    cookie::{RequestCookies, SetCookies},
    refusal::{Outage, Refusal},
    session::Session,
    token::Claims,
};
use http::{HeaderMap, HeaderValue, header};
use tower::{Layer, Service};
use url::Url;

use crate::{answers::Answers, follower::Follower, identity::Identity, proxy::Site};

/// What a satellite knows; shared by all requests.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) url: Url,
    pub(crate) site: Site,
    pub(crate) answers: Answers,
    pub(crate) identity: Identity,
    /// Listens as long as any router that asks for sessions lives.
    pub(crate) _follower: Follower,
}

/// Who makes a request, as far as the cookie tells.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// Somebody signed in. With an outage, somebody whose session could not be confirmed just now.
    SignedIn(Arc<SignedIn>),
    /// Nobody.
    Anonymous,
    /// Somebody whose session is over.
    Refused(Refusal),
}

/// Somebody signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// What an app may see.
    pub session: Session,
    /// What was sealed.
    pub claims: Arc<Claims>,
    /// What is missing to confirm the session; its access token is over.
    pub outage: Option<Outage>,
    /// Whether it passes though its access token is over, as `refresh.stale` allows.
    pub freshness: Freshness,
}

/// Adds a [`Visitor`] to each request.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    core: Arc<Core>,
}

impl SessionLayer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, core: Arc::clone(&self.core) }
    }
}

/// The service of [`SessionLayer`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    core: Arc<Core>,
}

impl<S> Service<Request> for SessionService<S>
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

    fn call(&mut self, mut request: Request) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let core = Arc::clone(&self.core);
        Box::pin(async move {
            let (visitor, set) = core.visitor(request.headers()).await;
            // Who it is is in the extensions; no handler is to read it from a header by mistake (threat-model H1).
            core.identity.strip_names(request.headers_mut());
            let stale = matches!(&visitor, Visitor::SignedIn(it) if it.freshness == Freshness::Stale);
            request.extensions_mut().insert(visitor);
            request.extensions_mut().insert(core);
            let mut response = inner.call(request).await?;
            mark_private(response.headers_mut());
            set.add_to(response.headers_mut());
            if stale {
                response.headers_mut().insert(STALE, HeaderValue::from_static("1"));
            }
            Ok(response)
        })
    }
}

impl Visitor {
    /// Whether somebody was signed in, and should hear that it is over.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::Refused(why) if *why != Refusal::MixedSubjects)
    }
}

impl Core {
    pub(crate) async fn visitor(&self, headers: &HeaderMap) -> (Visitor, SetCookies) {
        let signed_in = |session, claims: Arc<Claims>, outage, freshness| {
            Visitor::SignedIn(Arc::new(SignedIn { session, claims, outage, freshness }))
        };
        match self.authenticator.authenticate(RequestCookies::new(headers)).await {
            Authentication::Admitted(Admission { session, claims, set, freshness }) => {
                (signed_in(session, claims, None, freshness), set)
            }
            Authentication::Unavailable { outage, session, claims } => {
                (signed_in(session, claims, Some(outage), Freshness::Fresh), SetCookies::none())
            }
            Authentication::Anonymous => (Visitor::Anonymous, SetCookies::none()),
            Authentication::Refused { why, set } => (Visitor::Refused(why), set),
        }
    }
}

/// What was made for one person is kept by no shared cache, unless the app says otherwise (threat-model B7).
fn mark_private(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
}
