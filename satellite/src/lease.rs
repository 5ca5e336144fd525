//! How long a socket or a stream may stay open: as long as the session it was opened with.
//!
//! Why: it is judged once, at its start, and a sign-out would not reach it (threat-model B6).

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hallpass_shared::authenticator::Authenticator;
use tokio::time::Instant;

use crate::layer::SignedIn;

/// The session behind something that stays open.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    authenticator: Arc<Authenticator>,
    signed_in: Arc<SignedIn>,
}

impl Lease {
    pub(crate) fn new(authenticator: &Arc<Authenticator>, signed_in: &Arc<SignedIn>) -> Self {
        Self { authenticator: Arc::clone(authenticator), signed_in: Arc::clone(signed_in) }
    }

    /// Returns when the session is over: signed out, ended by an administrator, or at its end.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let Self { authenticator, signed_in } = self.clone();
        async move {
            let claims = &signed_in.claims;
            let ends =
                [claims.expires, authenticator.lifetime.absolute_end(claims)].into_iter().flatten().min();
            let watch = authenticator.revocations.watch(claims);
            let left = ends.map(|end| end.since(authenticator.clock.now()));
            let at_its_end = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = watch.revoked(claims) => {}
                () = at_its_end => {}
            }
        }
    }
}

/// Most requests are over before their session could be.
const SHORT: Duration = Duration::from_secs(1);

/// Whose request it is; its session is watched once it takes longer than most.
pub(crate) enum Session {
    Nobodys,
    Unwatched(Lease, Instant),
    Watched(BoxFuture<'static, ()>),
}

impl Session {
    /// Of a request that begins now.
    pub(crate) fn of(lease: Option<&Lease>) -> Self {
        lease.map_or(Self::Nobodys, |lease| Self::Unwatched(lease.clone(), Instant::now() + SHORT))
    }

    /// When it is to be looked at, if it is not watched yet.
    pub(crate) fn watched_from(&self) -> Option<Instant> {
        match self {
            Self::Unwatched(_, from) => Some(*from),
            Self::Nobodys | Self::Watched(_) => None,
        }
    }

    /// Ready when the session is over.
    pub(crate) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Unwatched(lease, from) = self
            && Instant::now() >= *from
        {
            *self = Self::Watched(Box::pin(lease.over()));
        }
        match self {
            Self::Watched(over) => over.as_mut().poll(context),
            Self::Nobodys | Self::Unwatched(..) => Poll::Pending,
        }
    }
}
