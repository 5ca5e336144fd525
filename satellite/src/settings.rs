//! The satellite's section.
//!
//! Why: everything that must agree with the auth server is shared; a satellite's own is little: where it is
//! reached.

use std::sync::Arc;

use hallpass_shared::{
    backend::{HttpBackend, Protocol},
    clock::SystemClock,
    settings::{SettingsError, SharedSettings, Texts, Via},
};
use serde::Deserialize;
use url::Url;

use crate::{access::AccessRules, proxy::Site};

mod forward_auth;
mod identity;
mod proxy;

pub(crate) use forward_auth::ForwardAuthSettings;
pub(crate) use identity::IdentitySettings;
pub(crate) use proxy::ProxySettings;

/// Everything a satellite needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the auth server shares.
    pub shared: SharedSettings,
    /// This satellite's public address.
    pub url: Url,
    /// The backend, where this satellite renews by itself.
    pub backend: Option<Arc<HttpBackend>>,
    /// Other sites to link to from the built-in page: names and addresses.
    pub siblings: Vec<(String, String)>,
    /// Who may make which request.
    pub rules: AccessRules,
    /// Origins whose scripts may read a 401, and open sockets.
    pub origins: Vec<url::Origin>,
    /// What an app is told about its user.
    pub(crate) identity: IdentitySettings,
    /// The app behind, where there is one.
    pub(crate) proxy: Option<ProxySettings>,
    /// Where edges ask, if they do.
    pub(crate) forward_auth: Option<ForwardAuthSettings>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SatelliteText {
    url: Option<String>,
    siblings: Vec<String>,
    bearer: bool,
    origins: Vec<String>,
    rules: Vec<crate::access::RuleText>,
    identity: Option<identity::IdentityText>,
    assertion: Option<identity::AssertionText>,
    upstream: Option<String>,
    upstreams: Vec<proxy::UpstreamText>,
    proxy: proxy::ProxyText,
    insecure_pass_session_cookie: bool,
    forward_auth: Option<forward_auth::ForwardAuthText>,
}

#[derive(Debug, Default, Deserialize)]
struct Nextauth {
    #[serde(rename = "NEXTAUTH_URL")]
    nextauth_url: Option<String>,
}

impl Settings {
    /// Reads and checks all settings of a satellite.
    ///
    /// # Errors
    /// The first [`SettingsError`].
    pub fn read(texts: &Texts) -> Result<Self, SettingsError> {
        let shared = SharedSettings::read(texts)?;
        let text: SatelliteText =
            if texts.has("satellite") { texts.get(Some("satellite"))? } else { SatelliteText::default() };
        let nextauth: Nextauth = texts.get(None)?;
        let (key, url) = match (text.url.clone(), nextauth.nextauth_url) {
            (Some(url), _) => ("satellite.url", url),
            (None, Some(url)) => ("NEXTAUTH_URL", url),
            (None, None) => {
                let domain = &shared.domain;
                let example = format!("set it to this site's public address, such as https://app.{domain}");
                return Err(texts.missing("satellite.url", example));
            }
        };
        let url = shared.public_url(texts, key, &url)?;
        let returns = shared.return_policy(&url);
        let sibling = |address: &String| {
            let known = returns.parse(address).map_err(|_| {
                let domain = &shared.domain;
                let problem = format!("`{address}` is not an address such as https://admin.{domain}/");
                texts.invalid("satellite.siblings", problem)
            })?;
            let path = Url::parse(known.as_str()).map(|url| url.path().trim_end_matches('/').to_owned());
            Ok((known.host().to_owned() + &path.unwrap_or_default(), known.to_string()))
        };
        let siblings = text.siblings.iter().map(sibling).collect::<Result<_, _>>()?;
        let backend = match shared.via {
            Via::AuthServer => None,
            Via::Backend => Some(Arc::new(backend(texts)?)),
        };
        let bearer = if text.bearer { crate::access::Bearer::Sent } else { crate::access::Bearer::Kept };
        let forward_auth = text.forward_auth.as_ref().map(|text| text.read(texts, &shared)).transpose()?;
        let settings = Self {
            rules: crate::access::compile(texts, &text.rules, bearer)?,
            origins: origins(texts, &text.origins)?,
            identity: identity::read(texts, text.identity.as_ref(), text.assertion.as_ref())?,
            proxy: text.proxy(texts)?,
            forward_auth,
            shared,
            url,
            backend,
            siblings,
        };
        settings.check_rule_hosts(texts)?;
        Ok(settings)
    }

    /// A rule for a host that never asks here would never fit (threat-model P8).
    fn check_rule_hosts(&self, texts: &Texts) -> Result<(), SettingsError> {
        let own = Site::of(&self.url).host;
        let served = |host: &str| {
            host == own
                || self
                    .forward_auth
                    .as_ref()
                    .is_some_and(|edges| edges.hosts.iter().any(|served| served.covers(host)))
        };
        match self.rules.hosts().find(|host| !host.fits(&own) && !served(host.name())) {
            Some(host) => {
                let problem = format!(
                    "a rule is for `{}`, which is neither satellite.url nor in satellite.forward_auth.hosts",
                    host.name()
                );
                Err(texts.invalid("satellite.rules", problem))
            }
            None => Ok(()),
        }
    }
}

fn origins(texts: &Texts, listed: &[String]) -> Result<Vec<url::Origin>, SettingsError> {
    let origin = |text: &String| {
        let url = Url::parse(text).ok().filter(|url| url.path() == "/" && url.query().is_none());
        let origin = url.map(|url| url.origin()).filter(url::Origin::is_tuple);
        origin.ok_or_else(|| {
            let problem = format!("`{text}` is not an origin such as https://admin.example.com");
            texts.invalid("satellite.origins", problem)
        })
    };
    listed.iter().map(origin).collect()
}

/// How the backend is spoken to.
#[derive(Deserialize)]
struct KindText {
    kind: String,
}

fn backend(texts: &Texts) -> Result<HttpBackend, SettingsError> {
    const KEY: &str = "backend.kind";
    if !texts.has(KEY) {
        let problem = "say how the backend is spoken to (rest or graphql), since refresh.via is \"backend\"";
        return Err(texts.missing(KEY, problem));
    }
    let text: KindText = texts.get(Some("backend"))?;
    let protocol = match text.kind.as_str() {
        "rest" => Protocol::Rest,
        "graphql" => Protocol::GraphQl,
        other => {
            let problem =
                format!("`{other}` is not rest or graphql; with it, refresh.via must be \"auth-server\"");
            return Err(texts.invalid(KEY, problem));
        }
    };
    HttpBackend::read(protocol, texts, Arc::new(SystemClock))
}
