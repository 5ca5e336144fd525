#![doc = include_str!("../README.md")]

use std::sync::Arc;

use axum::Router;
use futures_util::future::BoxFuture;
use hallpass_shared::{
    admin::{Finding, Readiness},
    authenticator::Authenticator,
    backend::HttpBackend,
    callbacks::{Callbacks, DefaultCallbacks, Exposure},
    clock::{Clock, SystemClock},
    cookie::SessionCookie,
    csrf::CsrfGuard,
    dialect::Scheme,
    endpoints::{self, Endpoints, Pages},
    pages::{BrandError, PageKit},
    refresh::Refresher,
    renewal::{Keeping, Renewal},
    server::{Hsts, Stack},
    settings::SharedSettings,
    store::Memory,
    token::{Codec, SealError},
};
use tokio::runtime::Handle;
use url::Url;

mod auth_server;
#[cfg(feature = "bin")]
pub mod cli;
mod extract;
mod follower;
mod layer;
mod line;
mod null_provider;
mod overview;
mod require;
mod rules;
mod settings;

pub use auth_server::{Agreement, AuthServer, AuthServerError};
pub use extract::{CurrentSession, NotSignedIn};
use follower::Follower;
pub use hallpass_shared::{
    session::Session,
    settings::{SettingsError, Sources, Texts},
};
use layer::Core;
pub use layer::{SessionLayer, SessionService, SignedIn, Visitor};
pub use null_provider::NullProvider;
pub use require::{RequireLayer, RequireService, require};
pub use rules::{Claim, Rule, claim};
pub use settings::Settings;

/// A satellite, wired and ready to protect routes.
#[derive(Clone, Debug)]
pub struct Satellite {
    core: Arc<Core>,
    endpoints: Arc<Endpoints>,
    auth_server: Arc<AuthServer>,
    siblings: Arc<[(String, String)]>,
    stack: Stack,
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
    /// The auth server cannot be asked.
    #[error(transparent)]
    AuthServer(#[from] AuthServerError),
    /// There is no Tokio runtime to listen for sign-outs in.
    #[error("a satellite is to be built within a Tokio runtime, such as an async main")]
    NoRuntime,
}

impl Satellite {
    /// Wires the parts.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        Self::build_with(settings, Arc::new(SystemClock), |callbacks| Arc::new(callbacks))
    }

    /// Wires the parts with a clock and callbacks of one's own, made from the default ones.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_with(
        settings: Settings,
        clock: Arc<dyn Clock>,
        callbacks: impl FnOnce(DefaultCallbacks) -> Arc<dyn Callbacks>,
    ) -> Result<Self, BuildError> {
        let Settings { shared, url, backend, siblings } = settings;
        let codec = Codec::for_session(shared.dialect, &shared.ring, &shared.cookie.name)?;
        let auth_server = Arc::new(AuthServer::new(&shared, codec.clone(), Arc::clone(&clock))?);
        let callbacks = callbacks(DefaultCallbacks {
            refresher: refresher(backend, &auth_server, &shared, &clock),
            clock: Arc::clone(&clock),
            skew: shared.skew,
            stale: shared.stale,
            access_token: if shared.expose_access_token { Exposure::Shown } else { Exposure::Hidden },
        });
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let revocations = Arc::new(shared.when_unreachable.list(clock.now()));
        let follower = Follower::start(&runtime, auth_server.line(), &revocations);
        let cookie = SessionCookie::new(shared.cookie.clone());
        let authenticator = Arc::new(Authenticator {
            codec,
            cookie: cookie.clone(),
            callbacks,
            revocations,
            lifetime: shared.lifetime,
            clock,
        });
        let at_auth_server = |path: &str| {
            let mut page = shared.auth_url.clone();
            page.set_path(path);
            page
        };
        let addresses = Pages {
            sign_in: at_auth_server("/login"),
            sign_out: at_auth_server("/logout"),
            error: at_auth_server("/error"),
        };
        let pages = PageKit::load(&shared)?;
        let endpoints = Endpoints {
            authenticator: Arc::clone(&authenticator),
            provider: Arc::new(NullProvider::new(Arc::clone(&auth_server))),
            csrf: CsrfGuard::new(shared.ring.clone(), &shared.cookie, &url),
            returns: shared.return_policy(&url),
            dialect: shared.dialect,
            pages: addresses.clone(),
            trusted_proxies: shared.server.trusted_proxies.clone(),
        };
        let hsts = if shared.cookie.scheme == Scheme::Https { Hsts::Sent } else { Hsts::Absent };
        Ok(Self {
            stack: Stack { pages: pages.clone(), cookie, hsts },
            core: Arc::new(Core { authenticator, url, addresses, pages, _follower: follower }),
            endpoints: Arc::new(endpoints),
            auth_server,
            siblings: siblings.into(),
        })
    }

    /// Authenticates each request of the routes it is put around.
    pub fn layer(&self) -> SessionLayer {
        SessionLayer::new(Arc::clone(&self.core))
    }

    /// `app` with the session layer around it and NextAuth's endpoints beside it: all that an app needs.
    pub fn protect(&self, app: Router) -> Router {
        app.layer(self.layer())
            .merge(endpoints::router(Arc::clone(&self.endpoints)))
            .merge(self.core.pages.assets())
    }

    /// The built-in site of the program: every page shows the session. To be put behind [`Satellite::protect`].
    pub fn built_in_site(&self) -> Router {
        overview::router(self)
    }

    /// The limits, time-outs and error pages that the program has around every route.
    pub fn hardened(&self, app: Router) -> Router {
        self.stack.clone().wrap(app)
    }

    /// Whether this satellite and the auth server can read each other's sessions.
    pub async fn agreement(&self) -> Agreement {
        self.auth_server.agreement().await
    }

    /// This satellite's public address.
    pub fn url(&self) -> &Url {
        &self.core.url
    }
}

/// Who renews: the auth server, or this process at the backend.
fn refresher(
    backend: Option<Arc<HttpBackend>>,
    auth_server: &Arc<AuthServer>,
    shared: &SharedSettings,
    clock: &Arc<dyn Clock>,
) -> Arc<dyn Refresher> {
    let Some(backend) = backend else { return Arc::clone(auth_server) as Arc<dyn Refresher> };
    let keeping = Keeping { dialect: shared.dialect, ring: shared.ring.clone(), grace: shared.grace };
    let store = Arc::new(Memory::new(Arc::clone(clock)));
    Arc::new(Renewal::new(backend, store, keeping, Arc::clone(clock)))
}

impl Readiness for Satellite {
    fn findings(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(async move {
            const NAME: &str = "auth server";
            let mut findings = match self.agreement().await {
                Agreement::Agreed => vec![Finding::good(NAME, "reached; secret, cookie and dialect agree")],
                Agreement::Differs(differences) => {
                    differences.into_iter().map(|difference| Finding::bad(NAME, difference)).collect()
                }
                // Sessions are still read without it.
                Agreement::Unreachable(problem) => vec![Finding::impaired(NAME, problem)],
            };
            let authenticator = &self.core.authenticator;
            let known = format!("{} sign-outs are known", authenticator.revocations.len());
            findings.push(Finding::revocations(
                &authenticator.revocations,
                authenticator.clock.now(),
                &known,
            ));
            findings
        })
    }
}
