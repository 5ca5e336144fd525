//! The settings that every process of a deployment shares: text in, domain types out.
//!
//! Why: the auth server and the satellites must agree on secret, domain, cookie and lifetimes, or users are
//! signed out without a word. They read the same file through the same code; each server adds its sections.
//! Whatever weakens a promise has `insecure` in its name.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use url::{Origin, Url};

use crate::{
    cookie::CookiePolicy,
    dialect::{Dialect, Scheme},
    domain::ParentDomain,
    http_client::is_protected,
    return_to::ReturnPolicy,
    secret::SecretRing,
    session::Lifetime,
    telemetry::{LogFormat, TelemetryError, is_level},
};

mod environment;
mod forms;
mod secrets;
mod source;
mod text;
mod wording;

pub use forms::{Rate, Span, WhenUnreachable};
pub use secrets::from_file as secrets_from_file;
pub use source::{SettingsError, Sources, Texts};

/// What every process needs.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// Secrets, newest first.
    pub ring: SecretRing,
    /// The cookie's domain.
    pub domain: ParentDomain,
    /// The auth server's public address.
    pub auth_url: Url,
    /// Which NextAuth the tokens are for.
    pub dialect: Dialect,
    /// Names and attributes of the cookies.
    pub cookie: CookiePolicy,
    /// How long sessions live.
    pub lifetime: Lifetime,
    /// Whether `/session` shows the access token.
    pub expose_access_token: bool,
    /// How long before its end an access token is renewed.
    pub skew: Duration,
    /// How long a renewal stays available to requests with the old cookie.
    pub grace: Duration,
    /// How long after the access token's end a session passes all the same, if nothing can be renewed.
    pub stale: Duration,
    /// Whom a satellite asks for a renewal.
    pub via: Via,
    /// How long a node that hears of no sign-outs goes on admitting sessions.
    pub when_unreachable: WhenUnreachable,
    /// Where satellites reach the auth server: internal addresses.
    pub auth_server: Vec<Url>,
    /// Origins outside the domain that one may return to.
    pub return_allow: Vec<Origin>,
    /// Origins of the domain that one may return to; empty: all.
    pub return_only: Vec<Origin>,
    /// Listeners and trust.
    pub server: ServerSettings,
    /// How logs are written, and which.
    pub log: LogSettings,
    /// How pages look.
    pub brand: BrandSettings,
}

/// Whom a satellite asks for a renewal.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The auth server.
    #[default]
    AuthServer,
    /// The backend itself.
    Backend,
}

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Where the public side listens.
    #[serde(deserialize_with = "forms::listener")]
    pub listen: SocketAddr,
    /// Where health and metrics are: never the public side.
    #[serde(deserialize_with = "forms::listener")]
    pub admin_listen: SocketAddr,
    /// Peers whose `X-Forwarded-For` counts. Nobody, unless said.
    #[serde(deserialize_with = "forms::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Allows to trust everybody, who may then claim any address.
    pub insecure_trust_all_proxies: bool,
    /// Most connections at a time.
    pub max_connections: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9300)),
            trusted_proxies: Vec::new(),
            insecure_trust_all_proxies: false,
            max_connections: 20_000,
        }
    }
}

impl ServerSettings {
    /// Of a process that needs nothing else, such as a health check, whatever the other settings are.
    ///
    /// # Errors
    /// [`SettingsError`] for the first key of this section that is wrong.
    pub fn read(texts: &Texts) -> Result<Self, SettingsError> {
        if texts.has("server") { server(texts, &texts.get(Some("server"))?) } else { Ok(Self::default()) }
    }
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `json` or `pretty`.
    pub format: LogFormat,
    /// A directive such as `info` or `hallpass_shared=debug,info`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into() }
    }
}

/// `[brand]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandSettings {
    /// Shown on every page.
    pub name: String,
    /// An SVG, PNG, JPEG or WebP file shown above the form.
    pub logo_file: Option<PathBuf>,
    /// Colours by name, as CSS colours: `brand`, `brand-ink`, `page`, …
    pub colors: std::collections::BTreeMap<String, String>,
    /// A style sheet added after ours.
    pub css_file: Option<PathBuf>,
}

impl Default for BrandSettings {
    fn default() -> Self {
        Self {
            name: "Hallpass".into(),
            logo_file: None,
            colors: std::collections::BTreeMap::new(),
            css_file: None,
        }
    }
}

impl SharedSettings {
    /// Reads and checks the shared settings.
    ///
    /// # Errors
    /// The first [`SettingsError`].
    pub fn read(texts: &Texts) -> Result<Self, SettingsError> {
        let text: text::SharedText = texts.get(None)?;
        let domain = parent_domain(texts, &text)?;
        let auth_url = auth_url(texts, &text, &domain)?;
        let scheme = if auth_url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let dialect = Dialect::named(&text.cookie.dialect).ok_or_else(|| {
            let known = "next-auth-v4 or authjs-v5";
            texts.invalid("cookie.dialect", format!("`{}` is not known; use {known}", text.cookie.dialect))
        })?;
        Ok(Self {
            ring: secrets::read(texts, &text)?,
            cookie: text.cookie_policy(texts, dialect, &domain, scheme)?,
            lifetime: text.lifetime(texts)?,
            auth_server: text.auth_servers(texts, &auth_url)?,
            return_allow: text::origins(texts, "return_to.allow", &text.return_to.allow)?,
            return_only: text::origins(texts, "return_to.only", &text.return_to.only)?,
            expose_access_token: text.session.expose_access_token,
            skew: text.refresh.skew.0,
            grace: text.refresh.grace.0,
            stale: text.refresh.stale.0,
            via: text.refresh.via,
            when_unreachable: text.revocation.when_unreachable,
            server: server(texts, &text.server)?,
            log: log(texts, &text.log)?,
            brand: text.brand.clone(),
            domain,
            auth_url,
            dialect,
        })
    }

    /// The rule for return addresses of a server that is reached at `base`.
    pub fn return_policy(&self, base: &Url) -> ReturnPolicy {
        ReturnPolicy::new(base, self.domain.clone(), &self.auth_url)
            .allow(self.return_allow.clone())
            .only(self.return_only.clone())
    }

    /// Reads the public address of another server of the deployment.
    ///
    /// # Errors
    /// If it is not below the parent domain, or not reached as the auth server is.
    pub fn public_url(&self, texts: &Texts, key: &str, text: &str) -> Result<Url, SettingsError> {
        let url = parse_public_url(texts, key, text, &self.domain)?;
        if url.scheme() != self.auth_url.scheme() {
            let scheme = self.auth_url.scheme();
            let problem = format!("`{text}` must be {scheme} as auth_url is, or they cannot share a cookie");
            return Err(texts.invalid(key, problem));
        }
        Ok(url)
    }
}

fn parent_domain(texts: &Texts, text: &text::SharedText) -> Result<ParentDomain, SettingsError> {
    let key = "parent_domain";
    let given = text.parent_domain.as_deref().ok_or_else(|| {
        texts.missing(key, "set it to the domain above all your hosts, such as example.com")
    })?;
    ParentDomain::parse(given).map_err(|error| texts.invalid(key, format!("`{given}` {error}")))
}

fn server(texts: &Texts, server: &ServerSettings) -> Result<ServerSettings, SettingsError> {
    if server.trusted_proxies.iter().any(|net| net.prefix_len() == 0) && !server.insecure_trust_all_proxies {
        let problem = "trusts everybody, who may then claim any address; list your proxies \
                       (or set server.insecure_trust_all_proxies = true)";
        return Err(texts.invalid("server.trusted_proxies", problem));
    }
    if !(1..=1_000_000).contains(&server.max_connections) {
        return Err(texts.invalid("server.max_connections", "must be between 1 and 1000000"));
    }
    Ok(server.clone())
}

fn log(texts: &Texts, log: &LogSettings) -> Result<LogSettings, SettingsError> {
    if is_level(&log.level) {
        return Ok(log.clone());
    }
    Err(texts.invalid("log.level", TelemetryError::Level(log.level.clone())))
}

fn auth_url(texts: &Texts, text: &text::SharedText, domain: &ParentDomain) -> Result<Url, SettingsError> {
    let given = text.auth_url.as_deref().ok_or_else(|| {
        let example = format!("set it to the auth server's public address, such as https://auth.{domain}");
        texts.missing("auth_url", example)
    })?;
    let url = parse_public_url(texts, "auth_url", given, domain)?;
    if !is_protected(&url) && !text.insecure_http {
        let problem = "is plain http, so passwords and sessions could be read on the way; use https \
                       (or set insecure_http = true)";
        return Err(texts.invalid("auth_url", problem));
    }
    Ok(url)
}

fn parse_public_url(
    texts: &Texts,
    key: &str,
    text: &str,
    domain: &ParentDomain,
) -> Result<Url, SettingsError> {
    let url =
        Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some());
    let Some(url) = url else {
        return Err(texts.invalid(key, format!("`{text}` is not an address such as https://auth.{domain}")));
    };
    if !matches!(url.path(), "" | "/")
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
    {
        // Not repeated: it may hold a password.
        let problem = format!("must be an origin such as https://auth.{domain}, without path, query or user");
        return Err(texts.invalid(key, problem));
    }
    if !url.host_str().is_some_and(|host| domain.covers(host)) {
        let problem = format!(
            "`{text}` is not below parent_domain `{domain}`, so it cannot share the cookie; correct one of the two"
        );
        return Err(texts.invalid(key, problem));
    }
    Ok(url)
}
