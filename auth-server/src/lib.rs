//! The auth server: owns the real authorize step of a deployment.
//!
//! `auth.example.com` runs it. It shows the sign-in page, asks the backend, seals what comes back into the
//! domain-wide cookie, renews tokens for the satellites and ends sessions. [`Settings`] (text) → [`App::build`]
//! (parts wired) → [`App::router`].

use std::{sync::Arc, time::Duration};

use axum::Router;
use futures_util::FutureExt as _;
use hallpass_shared::{
    admin::{Finding, Readiness},
    authenticator::Authenticator,
    callbacks::{DefaultCallbacks, Exposure},
    clock::{Clock, SystemClock},
    cookie::SessionCookie,
    csrf::CsrfGuard,
    dialect::Scheme,
    endpoints::{self, Endpoints, Pages},
    internal::{Bearers, Fingerprint},
    pages::{BrandError, PageKit},
    refresh::Refresher,
    renewal::{Keeping, Renewal, TokenSource},
    revocation::Revocations,
    server::{Hsts, Stack},
    store::{Reach, Store, StoreError},
    token::{Codec, SealError},
};
use tokio::{runtime::Handle, task::JoinHandle};
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

use admin::Admin;
use authorize::BackendProvider;
use backend::Backend;
use ledger::{Ledger, Reading};
use renewal::Guarded;
pub use settings::{Settings, ThrottleSettings};
use store::{FileError, Surroundings};
use throttle::Throttle;

/// An auth server, wired and ready to serve.
#[derive(Clone, Debug)]
pub struct App {
    /// NextAuth's endpoints and what they need.
    pub endpoints: Arc<Endpoints>,
    pages: PageKit,
    bearers: Bearers,
    fingerprint: Arc<Fingerprint>,
    backend: Arc<Backend>,
    refresher: Arc<dyn Refresher>,
    renewal: Arc<Renewal>,
    ledger: Arc<Ledger>,
    store: Arc<dyn Store>,
    _following: Arc<Following>,
    admin: Admin,
    skew: Duration,
    stack: Stack,
    sign_ins: SignIns,
}

/// The task that keeps list and store alike; it ends with this.
#[derive(Debug)]
struct Following(JoinHandle<()>);

impl Following {
    /// Reads what the store holds, so that nobody is admitted who was signed out before a restart.
    fn start(ledger: &Arc<Ledger>, store: &dyn Store) -> Result<Self, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        if store.reach() != Reach::Everybody {
            // What is in memory needs no waiting.
            let read = async { ledger.read(&mut Reading::default()).await };
            read.now_or_never().unwrap_or(Ok(()))?;
        }
        Ok(Self(runtime.spawn(Arc::clone(ledger).follow())))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
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
        let lifetime = shared.lifetime;
        let surroundings =
            Surroundings { clock: Arc::clone(&clock), ring: &shared.ring, longest: lifetime.absolute_max_age };
        let store = store.open(&surroundings)?;
        let revocations = Arc::new(match store.reach() {
            Reach::Everybody => Revocations::followed(shared.when_unreachable.oldest(), clock.now()),
            _ => Revocations::default(),
        });
        let ledger =
            Arc::new(Ledger::new(Arc::clone(&revocations), Arc::clone(&store), Arc::clone(&clock)));
        let keeping = Keeping { dialect: shared.dialect, ring: shared.ring.clone(), grace: shared.grace };
        let source = Arc::clone(&backend) as Arc<dyn TokenSource>;
        let renewal = Arc::new(Renewal::new(source, Arc::clone(&store), keeping, Arc::clone(&clock)));
        let refresher: Arc<dyn Refresher> = Arc::new(Guarded {
            renewal: Arc::clone(&renewal),
            ledger: Arc::clone(&ledger),
            lifetime,
            clock: Arc::clone(&clock),
        });
        let callbacks = DefaultCallbacks {
            refresher: Arc::clone(&refresher),
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
            revocations,
            lifetime,
            clock: Arc::clone(&clock),
        };
        let endpoints = Endpoints {
            authenticator: Arc::new(authenticator),
            provider: Arc::new(BackendProvider {
                backend: Arc::clone(&backend),
                throttle: Throttle::new(throttle, Arc::clone(&store)),
                ledger: Arc::clone(&ledger),
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
            refresher,
            renewal,
            _following: Arc::new(Following::start(&ledger, &*store)?),
            admin: Admin { secret: admin_secret, ledger: Arc::clone(&ledger), lifetime, clock },
            ledger,
            store,
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

    /// Lets go of those who listen for sign-outs, so that the process can end.
    pub fn close(&self) {
        self.ledger.feed.close();
    }
}

impl Readiness for App {
    fn findings(&self) -> futures_util::future::BoxFuture<'_, Vec<Finding>> {
        Box::pin(async move {
            let secrets = self.fingerprint.secrets.join(", ");
            let store = match self.store.health() {
                Ok(well) => Finding::good("store", well),
                // Requests are served all the same: taking every replica out would be the outage.
                Err(impaired) => Finding::impaired("store", impaired),
            };
            let backend = if self.renewal.is_shut() {
                Finding::impaired("backend", "it does not answer renewals; it is tried again every few seconds")
            } else {
                Finding::good("backend", "nothing is known against it")
            };
            vec![
                Finding::good("settings", format!("secret fingerprints: {secrets}")),
                store,
                backend,
                self.revocations(),
            ]
        })
    }
}

impl App {
    fn revocations(&self) -> Finding {
        let (known, unwritten) = self.ledger.counts();
        let list = &self.endpoints.authenticator.revocations;
        let now = self.endpoints.authenticator.clock.now();
        Finding::revocations(list, now, &format!("{known} sign-outs are known, {unwritten} wait for the store"))
    }
}

fn page(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url
}
