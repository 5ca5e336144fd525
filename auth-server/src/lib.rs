//! The auth server: owns the real authorize step of a deployment.
//!
//! `auth.example.com` runs it. It shows the sign-in page, asks the backend, seals what comes back into the
//! domain-wide cookie, renews tokens for the satellites and ends sessions. [`Settings`] (text) → [`App::build`]
//! (parts wired) → [`App::router`].

use std::{sync::Arc, time::Duration};

use axum::Router;
use hallpass_shared::{
    admin::{Finding, Readiness},
    authenticator::{Authenticator, Unreadable},
    callbacks::{DefaultCallbacks, Exposure},
    clock::{Clock, SystemClock},
    cookie::SessionCookie,
    csrf::CsrfGuard,
    dialect::Scheme,
    endpoints::{self, Endpoints, Pages},
    internal::{Bearers, Fingerprint},
    pages::{BrandError, PageKit},
    server::{Hsts, Stack},
    store::StoreError,
    token::{Codec, SealError},
};
use url::Url;

mod admin;
pub mod authorize;
pub mod backend;
pub mod cli;
mod feed;
mod ledger;
mod pages;
mod renewal;
mod routes;
mod settings;
pub mod store;
pub mod throttle;
mod upkeep;

use admin::Admin;
use authorize::BackendProvider;
use backend::Backend;
pub use settings::{Settings, ThrottleSettings};
use store::FileError;
use throttle::Throttle;
use upkeep::Upkeep;

/// An auth server, wired and ready to serve.
#[derive(Clone, Debug)]
pub struct App {
    /// NextAuth's endpoints and what they need.
    pub endpoints: Arc<Endpoints>,
    pages: PageKit,
    bearers: Bearers,
    fingerprint: Arc<Fingerprint>,
    backend: Arc<Backend>,
    upkeep: Arc<Upkeep>,
    admin: Admin,
    skew: Duration,
    stack: Stack,
    sign_ins: SignIns,
}

/// Where browsers post their passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignIns {
    /// On this host only.
    Here,
    /// Also on apps that pass them on.
    Elsewhere,
}

/// The parts could not be wired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Keys could not be made.
    #[error(transparent)]
    Keys(#[from] SealError),
    /// The brand could not be loaded.
    #[error(transparent)]
    Brand(#[from] BrandError),
    /// The store's file could not be opened.
    #[error(transparent)]
    Store(#[from] FileError),
    /// What the store holds could not be read.
    #[error("the store could not be read")]
    Revocations(#[from] StoreError),
    /// There is no Tokio runtime to run tasks in.
    #[error("an auth server is to be built within a Tokio runtime")]
    NoRuntime,
}

impl App {
    /// Wires the parts.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        Self::build_with_clock(settings, Arc::new(SystemClock))
    }

    /// Wires the parts with a clock of one's own.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_with_clock(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let Settings { shared, backend, store, throttle, admin_secret, sign_in_page, proxied_by } = settings;
        let backend = Arc::new(backend.with_clock(Arc::clone(&clock)));
        let upkeep = Upkeep::start(store, &shared, &backend, &clock)?;
        let callbacks = DefaultCallbacks {
            refresher: Arc::clone(&upkeep.refresher),
            clock: Arc::clone(&clock),
            skew: shared.skew,
            stale: shared.stale,
            access_token: if shared.expose_access_token { Exposure::Shown } else { Exposure::Hidden },
        };
        let cookie = SessionCookie::new(shared.cookie.clone());
        let authenticator = Authenticator {
            codec: Codec::for_session(shared.dialect, &shared.ring, &shared.cookie.name)?,
            cookie: cookie.clone(),
            callbacks: Arc::new(callbacks),
            revocations: Arc::clone(&upkeep.revocations),
            unreadable: Unreadable::default(),
            lifetime: shared.lifetime,
            clock: Arc::clone(&clock),
        };
        let endpoints = Endpoints {
            authenticator: Arc::new(authenticator),
            provider: Arc::new(BackendProvider {
                backend: Arc::clone(&backend),
                throttle: Throttle::new(throttle, Arc::clone(&upkeep.store)),
                ledger: Arc::clone(&upkeep.ledger),
            }),
            csrf: CsrfGuard::new(shared.ring.clone(), &shared.cookie, &shared.auth_url)
                .reached_at(&proxied_by),
            returns: shared.return_policy(&shared.auth_url),
            dialect: shared.dialect,
            pages: Pages {
                sign_in: sign_in_page,
                sign_out: page(&shared.auth_url, "/logout"),
                error: page(&shared.auth_url, "/error"),
            },
            trusted_proxies: shared.server.trusted_proxies.clone(),
        };
        let pages = PageKit::load(&shared)?;
        let hsts = if shared.cookie.scheme == Scheme::Https { Hsts::Sent } else { Hsts::Absent };
        Ok(Self {
            endpoints: Arc::new(endpoints),
            bearers: Bearers::derive(&shared.ring)?,
            fingerprint: Arc::new(Fingerprint::of(&shared.ring, &shared.cookie, shared.dialect)?),
            stack: Stack { pages: pages.clone(), cookie, hsts },
            pages,
            backend,
            admin: Admin {
                secret: admin_secret,
                ledger: Arc::clone(&upkeep.ledger),
                lifetime: shared.lifetime,
                clock,
            },
            upkeep: Arc::new(upkeep),
            skew: shared.skew,
            sign_ins: if proxied_by.is_empty() { SignIns::Here } else { SignIns::Elsewhere },
        })
    }

    /// Everything the public side answers, with all layers.
    pub fn router(&self) -> Router {
        let routes = endpoints::router(Arc::clone(&self.endpoints))
            .merge(pages::router(self))
            .merge(routes::router(self))
            .merge(self.pages.assets());
        self.stack.clone().wrap(routes)
    }

    /// What the admin listener answers beside health and metrics.
    pub fn admin_router(&self) -> Router {
        self.admin.clone().router()
    }

    /// How often the backend was asked for a renewal, since the start.
    pub fn renewals_asked(&self) -> u64 {
        self.upkeep.renewal.asked()
    }

    /// Lets go of those who listen for sign-outs, so that the process can end.
    pub fn close(&self) {
        self.upkeep.ledger.feed.close();
    }
}

impl Readiness for App {
    fn findings(&self) -> futures_util::future::BoxFuture<'_, Vec<Finding>> {
        Box::pin(async move {
            let secrets = self.fingerprint.secrets.join(", ");
            let mut findings = vec![Finding::good("settings", format!("secret fingerprints: {secrets}"))];
            findings.extend(self.upkeep.findings());
            findings
        })
    }
}

fn page(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url
}
