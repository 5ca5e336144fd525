//! How the parts of a satellite are put together.
//!
//! Why: each part is handed what it needs, once; nothing looks for another part later.

use std::sync::Arc;

use hallpass_shared::{
    backend::HttpBackend,
    clock::Clock,
    dialect::Scheme,
    pages::PageKit,
    refresh::Refresher,
    renewal::{Keeping, Renewal},
    settings::SharedSettings,
    store::Memory,
};
use url::Url;

use crate::{
    BuildError,
    access::AccessRules,
    answers::Answers,
    assertion::Assertion,
    auth_server::AuthServer,
    forward_auth::{self, ForwardAuth},
    identity::Identity,
    layer::Core,
    proxy::{Proxy, Upstreams},
    settings,
};

/// A page of the auth server.
pub(crate) fn at_auth_server(shared: &SharedSettings, path: &str) -> Url {
    let mut page = shared.auth_url.clone();
    page.set_path(path);
    page
}

pub(crate) fn identity_of(
    settings: settings::IdentitySettings,
    shared: &SharedSettings,
    clock: Arc<dyn Clock>,
) -> Result<Identity, BuildError> {
    let assertion = settings
        .assertion
        .map(|assertion| Assertion::new(&assertion, &shared.ring, shared.auth_url.as_str(), clock))
        .transpose()
        .map_err(|error| BuildError::Assertion(Box::new(error)))?;
    Ok(Identity::new(settings.fields, assertion))
}

/// What both ways of protecting an app are made of.
pub(crate) struct Gate<'g> {
    pub(crate) core: &'g Arc<Core>,
    pub(crate) shared: &'g SharedSettings,
    pub(crate) rules: &'g AccessRules,
}

impl Gate<'_> {
    pub(crate) fn proxy(&self, settings: settings::ProxySettings) -> Result<Arc<Proxy>, BuildError> {
        let upstreams = Upstreams::new(settings.upstreams, settings.times);
        Ok(Arc::new(Proxy {
            core: Arc::clone(self.core),
            rules: self.rules.clone(),
            upstreams: upstreams.map_err(|error| BuildError::Upstream(Box::new(error)))?,
            times: settings.times,
            trusted_proxies: self.shared.server.trusted_proxies.clone(),
            session_cookie: settings.session_cookie,
        }))
    }

    pub(crate) fn forward_auth(
        &self,
        settings: settings::ForwardAuthSettings,
    ) -> Result<Arc<ForwardAuth>, BuildError> {
        let pages = PageKit::load_elsewhere(self.shared)?;
        Ok(Arc::new(ForwardAuth {
            core: Arc::clone(self.core),
            rules: self.rules.clone(),
            trust: settings.trust,
            hosts: settings.hosts,
            scheme: if self.shared.cookie.scheme == Scheme::Https { "https" } else { "http" },
            answers: Answers { pages, ..self.core.answers.clone() },
            counts: forward_auth::Counts::new(),
        }))
    }
}

/// Who renews: the auth server, or this process at the backend.
pub(crate) fn refresher(
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
