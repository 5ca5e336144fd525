//! `satellite.upstream`, `[[satellite.upstreams]]` and `[satellite.proxy]`.
//!
//! Why: most satellites have one app behind, and one line says where it is; the rest is for those with several.

use std::time::Duration;

use hallpass_shared::settings::{SettingsError, Span, Texts};
use serde::Deserialize;

use super::SatelliteText;
use crate::{
    access::canonical,
    canonical::PathPattern,
    proxy::{SessionCookieGoes, Times, Upstream},
};

/// An app below a path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamText {
    path: String,
    url: String,
    #[serde(default)]
    request_trailers: Vec<String>,
}

/// Limits of time.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are the settings'")]
pub(super) struct ProxyText {
    connect_timeout: Span,
    body_timeout: Span,
    response_timeout: Span,
    idle_timeout: Span,
    tunnel_timeout: Span,
}

impl Default for ProxyText {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            connect_timeout: seconds(5),
            body_timeout: seconds(30),
            response_timeout: seconds(60),
            idle_timeout: seconds(300),
            tunnel_timeout: seconds(3600),
        }
    }
}

/// The apps behind.
#[derive(Clone, Debug)]
pub(crate) struct ProxySettings {
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) times: Times,
    pub(crate) session_cookie: SessionCookieGoes,
}

impl SatelliteText {
    /// Nothing, if there is no app behind.
    pub(super) fn proxy(&self, texts: &Texts) -> Result<Option<ProxySettings>, SettingsError> {
        const KEY: &str = "satellite.upstreams";
        let times = self.proxy.times(texts)?;
        let mut upstreams = Vec::new();
        if let Some(url) = &self.upstream {
            let upstream = Upstream::new(PathPattern::everything(), url, Vec::new());
            upstreams.push(upstream.map_err(|error| texts.invalid("satellite.upstream", error))?);
        }
        for text in &self.upstreams {
            let path = canonical(&text.path).map_err(|problem| texts.invalid(KEY, problem))?;
            let trailer =
                |name: &String| super::identity::trailer(name).map_err(|problem| texts.invalid(KEY, problem));
            let trailers = text.request_trailers.iter().map(trailer).collect::<Result<_, _>>()?;
            if upstreams.iter().any(|known: &Upstream| {
                known.path().trim_end_matches('/') == path.as_str().trim_end_matches('/')
            }) {
                let problem = format!(
                    "there are two apps at `{}`; `satellite.upstream` is the one at `/`",
                    path.as_str()
                );
                return Err(texts.invalid(KEY, problem));
            }
            let upstream = Upstream::new(PathPattern::below(&path), &text.url, trailers);
            upstreams.push(upstream.map_err(|error| texts.invalid(KEY, error))?);
        }
        if upstreams.is_empty() {
            return Ok(None);
        }
        let goes = self.insecure_pass_session_cookie;
        let session_cookie = if goes { SessionCookieGoes::ToTheApp } else { SessionCookieGoes::Nowhere };
        Ok(Some(ProxySettings { upstreams, times, session_cookie }))
    }
}

impl ProxyText {
    fn times(&self, texts: &Texts) -> Result<Times, SettingsError> {
        for (name, span) in [
            ("connect_timeout", self.connect_timeout),
            ("body_timeout", self.body_timeout),
            ("response_timeout", self.response_timeout),
            ("idle_timeout", self.idle_timeout),
            ("tunnel_timeout", self.tunnel_timeout),
        ] {
            if span.0 < Duration::from_millis(100) {
                let problem = "is too short for anything to be answered; give at least 100ms";
                return Err(texts.invalid(&format!("satellite.proxy.{name}"), problem));
            }
        }
        Ok(Times {
            connect: self.connect_timeout.0,
            body: self.body_timeout.0,
            response: self.response_timeout.0,
            idle: self.idle_timeout.0,
            tunnel: self.tunnel_timeout.0,
        })
    }
}
