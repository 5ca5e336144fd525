//! How long a socket or a stream may stay open: as long as the session it was opened with.
//!
//! Why: it is judged once, at its start, and a sign-out would not reach it (threat-model B6).

use std::{future::Future, sync::Arc};

use hallpass_shared::authenticator::Authenticator;

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
