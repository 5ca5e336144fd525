#![doc = include_str!("../README.md")]

use std::{sync::Arc, time::Duration};

use axum::Router;
use futures_util::future::BoxFuture;
use hallpass_shared::{
    admin::{Finding, Readiness},
    authenticator::{Authenticator, Unreadable},
    callbacks::{Callbacks, DefaultCallbacks, Exposure},
    clock::{Clock, SystemClock},
    cookie::SessionCookie,
    csrf::CsrfGuard,
    dialect::Scheme,
    endpoints::{self, Endpoints, Pages},
    pages::{BrandError, PageKit},
    server::{Hsts, Stack, timed},
    token::{Codec, SealError},
};
use tokio::runtime::Handle;
use url::Url;

mod access;
mod agreement;
mod answers;
mod assertion;
mod auth_server;
mod canonical;
#[cfg(feature = "bin")]
pub mod cli;
mod enforce;
#[cfg(feature = "bin")]
mod explain;
mod extract;
mod follower;
mod forward_auth;
mod guard;
mod identity;
mod layer;
mod lease;
mod line;
mod null_provider;
mod overview;
mod proxy;
mod require;
mod rules;
mod settings;
mod wiring;

pub use access::{Access, AccessRule, AccessRules, Decision, Request as AccessRequest};
pub use agreement::Agreement;
use answers::Answers;
pub use assertion::JWKS;
pub use auth_server::{AuthServer, AuthServerError};
pub use canonical::{CanonicalPath, PathError};
pub use extract::{CurrentSession, NotSignedIn};
use follower::Follower;
use forward_auth::ForwardAuth;
use guard::Guard;
pub use guard::{GuardLayer, GuardService};
pub use hallpass_shared::{
    session::Session,
    settings::{SettingsError, Sources, Texts},
};
use layer::Core;
pub use layer::{SessionLayer, SessionService, SignedIn, Visitor};
pub use null_provider::NullProvider;
use proxy::{Proxy, Site};
pub use require::require;
pub use rules::{Claim, Rule, claim};
pub use settings::Settings;
use wiring::{Gate, at_auth_server, identity_of, refresher};

/// A satellite, wired and ready to protect routes.
#[derive(Clone, Debug)]
pub struct Satellite {
    core: Arc<Core>,
    endpoints: Arc<Endpoints>,
    auth_server: Arc<AuthServer>,
    siblings: Arc<[(String, String)]>,
    stack: Stack,
    rules: AccessRules,
    proxy: Option<Arc<Proxy>>,
    forward_auth: Option<Arc<ForwardAuth>>,
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
    /// The keys of the identity assertion could not be made.
    #[error("the keys of the identity assertion could not be made")]
    Assertion(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The app behind cannot be spoken to.
    #[error("the app behind cannot be spoken to")]
    Upstream(#[source] Box<dyn std::error::Error + Send + Sync>),
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
        let Settings { shared, url, backend, siblings, rules, origins, identity, proxy, forward_auth } =
            settings;
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
        let identity = identity_of(identity, &shared, Arc::clone(&clock))?;
        let authenticator = Arc::new(Authenticator {
            codec,
            cookie: cookie.clone(),
            callbacks,
            revocations,
            unreadable: Unreadable::default(),
            lifetime: shared.lifetime,
            clock,
        });
        let pages = PageKit::load(&shared)?;
        let answers = Answers {
            sign_in: at_auth_server(&shared, "/login"),
            pages: pages.clone(),
            returns: shared.return_policy(&url),
            origins,
        };
        let endpoints = Endpoints {
            authenticator: Arc::clone(&authenticator),
            provider: Arc::new(NullProvider::new(Arc::clone(&auth_server))),
            csrf: CsrfGuard::new(shared.ring.clone(), &shared.cookie, &url),
            returns: shared.return_policy(&url),
            dialect: shared.dialect,
            pages: Pages {
                sign_in: answers.sign_in.clone(),
                sign_out: at_auth_server(&shared, "/logout"),
                error: at_auth_server(&shared, "/error"),
            },
            trusted_proxies: shared.server.trusted_proxies.clone(),
        };
        let hsts = if shared.cookie.scheme == Scheme::Https { Hsts::Sent } else { Hsts::Absent };
        let site = Site::of(&url);
        let core = Arc::new(Core { authenticator, url, site, answers, identity, _follower: follower });
        let gate = Gate { core: &core, shared: &shared, rules: &rules };
        Ok(Self {
            stack: Stack { pages, cookie, hsts },
            proxy: proxy.map(|proxy| gate.proxy(proxy)).transpose()?,
            forward_auth: forward_auth.map(|edges| gate.forward_auth(edges)).transpose()?,
            core: Arc::clone(&core),
            endpoints: Arc::new(endpoints),
            auth_server,
            siblings: siblings.into(),
            rules,
        })
    }

    /// Authenticates each request of the routes it is put around.
    pub fn layer(&self) -> SessionLayer {
        SessionLayer::new(Arc::clone(&self.core))
    }

    /// `app` with the session layer around it and NextAuth's endpoints beside it: all that an app needs.
    pub fn protect(&self, app: Router) -> Router {
        app.layer(self.layer()).merge(self.own_routes())
    }

    /// The built-in site of the program: every page shows the session. To be put behind [`Satellite::protect`].
    pub fn built_in_site(&self) -> Router {
        overview::router(self)
    }

    /// Judges requests by the rules of the settings; inside [`Satellite::protect`].
    pub fn enforce(&self) -> GuardLayer {
        GuardLayer::new(Guard::Rules(self.rules.clone()))
    }

    /// The reverse proxy before the app of the settings, with everything around it; nothing if no app is set.
    pub fn proxied_site(&self) -> Option<Router> {
        let proxy = self.proxy.clone()?;
        Some(self.stack.clone().wrap_untimed(timed(self.own_routes()).merge(proxy::router(proxy))))
    }

    /// What edges ask, for a listener of its own; nothing if the settings have none. Never to be served in public.
    pub fn forward_auth_site(&self) -> Option<Router> {
        let forward_auth = self.forward_auth.clone()?;
        let stack =
            Stack { hsts: Hsts::Absent, pages: forward_auth.answers.pages.clone(), ..self.stack.clone() };
        Some(stack.wrap_untimed(forward_auth::router(forward_auth)))
    }

    /// NextAuth's endpoints, the files of the pages, and the keys of the assertion.
    fn own_routes(&self) -> Router {
        let own = endpoints::router(Arc::clone(&self.endpoints)).merge(self.core.answers.pages.assets());
        match self.core.identity.assertion() {
            Some(assertion) => own.merge(assertion.router()),
            None => own,
        }
    }

    /// The limits, time-outs and error pages that the program has around every route.
    pub fn hardened(&self, app: Router) -> Router {
        self.stack.clone().wrap(app)
    }

    /// Whether this satellite and the auth servers can read each other's sessions; it takes 3 seconds at most.
    pub async fn agreement(&self) -> Agreement {
        self.auth_server.agreement(Duration::from_secs(3)).await
    }

    /// This satellite's public address.
    pub fn url(&self) -> &Url {
        &self.core.url
    }
}

impl Readiness for Satellite {
    fn findings(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(async move {
            const NAME: &str = "auth server";
            // Whoever asks has little patience: a probe of Kubernetes a second.
            const PATIENCE: Duration = Duration::from_millis(800);
            let agreement = self.auth_server.agreement(PATIENCE).await;
            // Where one agrees, sessions are renewed; and they are still read without any.
            let differs = if agreement.is_denied() { Finding::bad } else { Finding::impaired };
            let mut findings: Vec<_> = if agreement.holds() {
                vec![Finding::good(NAME, agreement.sentence())]
            } else {
                let differences =
                    agreement.differences.into_iter().map(|difference| differs(NAME, difference));
                let away = agreement.unreachable.into_iter().map(|problem| Finding::impaired(NAME, problem));
                differences.chain(away).collect()
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
