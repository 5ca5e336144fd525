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
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SatelliteText {
    url: Option<String>,
    siblings: Vec<String>,
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
        let (key, url) = match (text.url, nextauth.nextauth_url) {
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
        Ok(Self { shared, url, backend, siblings })
    }
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
