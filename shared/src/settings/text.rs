//! The shared sections as they are written, and their way to domain types.
//!
//! Why: nothing but checked values leaves this module.

use std::{path::PathBuf, time::Duration};

use cookie::SameSite;
use serde::{Deserialize, de::IgnoredAny};
use url::{Origin, Url};

use super::{BrandSettings, LogSettings, ServerSettings, SettingsError, Span, Texts, Via, WhenUnreachable};
use crate::{
    cookie::CookiePolicy,
    dialect::{Dialect, Scheme},
    domain::ParentDomain,
    session::Lifetime,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SharedText {
    pub(super) secret: Option<String>,
    pub(super) secrets: Option<Vec<String>>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) insecure_short_secret: bool,
    pub(super) insecure_http: bool,
    pub(super) parent_domain: Option<String>,
    pub(super) auth_url: Option<String>,
    pub(super) cookie: CookieText,
    pub(super) session: SessionText,
    pub(super) refresh: RefreshText,
    pub(super) return_to: ReturnToText,
    pub(super) revocation: RevocationText,
    pub(super) server: ServerSettings,
    pub(super) log: LogSettings,
    pub(super) brand: BrandSettings,
    #[serde(rename = "NEXTAUTH_SECRET")]
    pub(super) nextauth_secret: Option<String>,
    // Read by the server they concern.
    #[serde(rename = "NEXTAUTH_URL")]
    _nextauth_url: Option<String>,
    #[serde(rename = "pages")]
    _pages: Option<IgnoredAny>,
    #[serde(rename = "backend")]
    _backend: Option<IgnoredAny>,
    #[serde(rename = "throttle")]
    _throttle: Option<IgnoredAny>,
    #[serde(rename = "store")]
    _store: Option<IgnoredAny>,
    #[serde(rename = "admin")]
    _admin: Option<IgnoredAny>,
    #[serde(rename = "satellite")]
    _satellite: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CookieText {
    pub(super) dialect: String,
    same_site: String,
    name: Option<String>,
}

impl Default for CookieText {
    fn default() -> Self {
        Self { dialect: Dialect::NEXT_AUTH_V4.name.into(), same_site: "lax".into(), name: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SessionText {
    max_age: Option<Span>,
    update_age: Option<Span>,
    absolute_max_age: Option<Span>,
    pub(super) expose_access_token: bool,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RefreshText {
    pub(super) via: Via,
    auth_server: OneOrMany,
    pub(super) skew: Span,
    pub(super) grace: Span,
    pub(super) stale: Span,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RevocationText {
    pub(super) when_unreachable: WhenUnreachable,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be an address such as http://auth-server:3000, or a list of them")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for RefreshText {
    fn default() -> Self {
        Self {
            via: Via::AuthServer,
            auth_server: OneOrMany::Many(Vec::new()),
            skew: Span(Duration::from_secs(30)),
            grace: Span(Duration::from_mins(1)),
            stale: Span(Duration::ZERO),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReturnToText {
    pub(super) allow: Vec<String>,
    pub(super) only: Vec<String>,
}

impl SharedText {
    pub(super) fn cookie_policy(
        &self,
        texts: &Texts,
        dialect: Dialect,
        domain: &ParentDomain,
        scheme: Scheme,
    ) -> Result<CookiePolicy, SettingsError> {
        let mut policy = CookiePolicy::new(dialect, domain.clone(), scheme);
        policy.same_site = match (self.cookie.same_site.as_str(), scheme) {
            ("lax", _) => SameSite::Lax,
            ("strict", _) => SameSite::Strict,
            ("none", Scheme::Https) => SameSite::None,
            ("none", Scheme::Http) => {
                let problem = "browsers take `none` only over https; use lax, or https in auth_url";
                return Err(texts.invalid("cookie.same_site", problem));
            }
            (other, _) => {
                return Err(
                    texts.invalid("cookie.same_site", format!("`{other}` is not lax, strict or none"))
                );
            }
        };
        if let Some(name) = &self.cookie.name {
            policy.name = cookie_name(texts, name, scheme)?;
        }
        Ok(policy)
    }

    pub(super) fn lifetime(&self, texts: &Texts) -> Result<Lifetime, SettingsError> {
        let default = Lifetime::default();
        let or = |span: &Option<Span>, default| span.map_or(default, |span| span.0);
        let lifetime = Lifetime {
            max_age: or(&self.session.max_age, default.max_age),
            update_age: or(&self.session.update_age, default.update_age),
            absolute_max_age: or(&self.session.absolute_max_age, default.absolute_max_age),
        };
        let said = |key: &str, span: Duration| {
            let default = if texts.has(key) { "" } else { " unless set" };
            format!("`{key}` ({}{default})", Span(span))
        };
        let (max, update, absolute) = ("session.max_age", "session.update_age", "session.absolute_max_age");
        // Whichever was given is the one to look at.
        let given = |key, other| if texts.has(key) { key } else { other };
        if lifetime.max_age < Duration::from_mins(1) {
            return Err(texts.invalid(max, "must be at least 1m"));
        }
        if lifetime.absolute_max_age < lifetime.max_age {
            let (absolute_said, max_said) =
                (said(absolute, lifetime.absolute_max_age), said(max, lifetime.max_age));
            let problem =
                format!("{absolute_said} must be at least as long as {max_said}; change one of them");
            return Err(texts.invalid(given(absolute, max), problem));
        }
        if lifetime.update_age >= lifetime.max_age {
            let (update_said, max_said) = (said(update, lifetime.update_age), said(max, lifetime.max_age));
            let problem =
                format!("{update_said} must be shorter than {max_said}, or sessions in use would end");
            return Err(texts.invalid(given(update, max), problem));
        }
        Ok(lifetime)
    }

    pub(super) fn auth_servers(&self, texts: &Texts, auth_url: &Url) -> Result<Vec<Url>, SettingsError> {
        let given = match &self.refresh.auth_server {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        };
        let key = "refresh.auth_server";
        let parse = |text: &String| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let problem = || format!("`{text}` is not an address such as http://auth-server:3000");
            let url = url.ok_or_else(|| texts.invalid(key, problem()))?;
            if url.username().is_empty() && url.password().is_none() {
                Ok(url)
            } else {
                // Not repeated: it may hold a password.
                Err(texts.invalid(key, "must not have a user; the secret is what opens the auth server"))
            }
        };
        let urls = given.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(if urls.is_empty() { vec![auth_url.clone()] } else { urls })
    }
}

fn cookie_name(texts: &Texts, name: &str, scheme: Scheme) -> Result<String, SettingsError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let prefix =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    let problem = if name.is_empty() || name.len() > 160 || !name.bytes().all(token) {
        "is no cookie name: letters, digits, `.`, `-`, `_`, at most 160"
    } else if prefix("__Host-") {
        "starts with __Host-, which browsers refuse for a cookie with a Domain"
    } else if prefix("__Secure-") && scheme == Scheme::Http {
        "starts with __Secure-, which browsers refuse without https"
    } else {
        return Ok(name.to_owned());
    };
    Err(texts.invalid("cookie.name", format!("`{name}` {problem}")))
}

/// Exact origins, such as `https://partner.example.net`.
pub(super) fn origins(texts: &Texts, key: &str, given: &[String]) -> Result<Vec<Origin>, SettingsError> {
    let parse = |text: &String| {
        let url = Url::parse(text).ok().filter(|url| url.path() == "/" && url.query().is_none());
        let origin = url.map(|url| url.origin()).filter(Origin::is_tuple);
        origin.ok_or_else(|| {
            texts.invalid(key, format!("`{text}` is not an origin such as https://app.example.com"))
        })
    };
    given.iter().map(parse).collect()
}
