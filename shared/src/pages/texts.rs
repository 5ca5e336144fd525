//! The texts of the pages, one file a language.
//!
//! Why: a language is added by adding a file; a text that is missing from one is found when the process starts
//! (and by the test below), never on a page.

use http::{HeaderMap, header};
use serde::Deserialize;

/// Texts of one language, by name. The files say where each stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) dir: String,
    pub(crate) footer: String,
    pub(crate) error_prefix: String,
    pub(crate) signed_in_as: String,
    pub(crate) login_title: String,
    pub(crate) login_continue_to: String,
    pub(crate) username_label: String,
    pub(crate) password_label: String,
    pub(crate) password_show: String,
    pub(crate) password_hide: String,
    pub(crate) password_show_label: String,
    pub(crate) password_hide_label: String,
    pub(crate) caps_lock: String,
    pub(crate) login_submit: String,
    pub(crate) login_busy: String,
    pub(crate) signed_in_title: String,
    pub(crate) signed_in_text: String,
    pub(crate) signed_in_continue: String,
    pub(crate) signed_in_continue_to: String,
    pub(crate) signed_in_came_back: String,
    pub(crate) switch_account: String,
    pub(crate) sign_out: String,
    pub(crate) logout_title: String,
    pub(crate) logout_text: String,
    pub(crate) logout_submit: String,
    pub(crate) logout_everywhere: String,
    pub(crate) logout_busy: String,
    pub(crate) logout_stay: String,
    pub(crate) logout_none_title: String,
    pub(crate) logout_none_text: String,
    pub(crate) signed_out_title: String,
    pub(crate) signed_out_text: String,
    pub(crate) sign_in: String,
    pub(crate) sign_in_again: String,
    pub(crate) session_title: String,
    pub(crate) session_live: String,
    pub(crate) session_access: String,
    pub(crate) session_access_expired: String,
    pub(crate) session_refreshed: String,
    pub(crate) session_ends: String,
    pub(crate) session_ended: String,
    pub(crate) session_offline: String,
    pub(crate) session_details: String,
    pub(crate) session_siblings: String,
    pub(crate) session_auth_home: String,
    pub(crate) denied_title: String,
    pub(crate) denied_text: String,
    pub(crate) denied_reason: String,
    pub(crate) denied_home: String,
    pub(crate) error_code_label: String,
    pub(crate) request_id_label: String,
    pub(crate) copy: String,
    pub(crate) copied: String,
    pub(crate) retry: String,
    pub(crate) home: String,
    pub(crate) error_title_credentials_signin: String,
    pub(crate) error_credentials_signin: String,
    pub(crate) error_title_rate_limited: String,
    pub(crate) error_rate_limited: String,
    pub(crate) error_title_unavailable: String,
    pub(crate) error_unavailable: String,
    pub(crate) error_title_outage: String,
    pub(crate) error_outage: String,
    pub(crate) error_title_session_required: String,
    pub(crate) error_session_required: String,
    pub(crate) error_title_csrf: String,
    pub(crate) error_csrf: String,
    pub(crate) error_title_session_too_large: String,
    pub(crate) error_session_too_large: String,
    pub(crate) error_title_configuration: String,
    pub(crate) error_configuration: String,
    pub(crate) error_title_access_denied: String,
    pub(crate) error_access_denied: String,
    pub(crate) error_title_refresh_expired: String,
    pub(crate) error_refresh_expired: String,
    pub(crate) error_title_too_many_headers: String,
    pub(crate) error_too_many_headers: String,
    pub(crate) error_title_loop: String,
    pub(crate) error_loop: String,
    pub(crate) error_loop_cookie: String,
    pub(crate) error_title_upstream: String,
    pub(crate) error_upstream: String,
    pub(crate) error_title_not_found: String,
    pub(crate) error_not_found: String,
    pub(crate) error_title_default: String,
    pub(crate) error_default: String,
}

/// The languages there are, the fallback first.
const FILES: [(&str, &str); 2] =
    [("en", include_str!("../../texts/en.toml")), ("cs", include_str!("../../texts/cs.toml"))];

/// All languages.
#[derive(Debug)]
pub(crate) struct Languages(Vec<(&'static str, Texts)>);

impl Languages {
    /// Reads the files, which are part of the program.
    pub(crate) fn read() -> Result<Self, toml::de::Error> {
        FILES
            .into_iter()
            .map(|(name, file)| Ok((name, toml::from_str(file)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The language that the browser likes best among ours (RFC 9110 section 12.5.4, lookup by primary tag).
    pub(crate) fn best(&self, headers: &HeaderMap) -> Option<(&'static str, &Texts)> {
        let accepted =
            headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best: Option<(f32, &(&'static str, Texts))> = None;
        for range in accepted.split(',').take(16) {
            let (tag, quality) = weigh(range);
            let primary = tag.split('-').next().unwrap_or_default();
            let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(primary));
            if let Some(found) = found.filter(|_| quality > best.map_or(0.0, |(best, _)| best)) {
                best = Some((quality, found));
            }
        }
        best.map(|(_, found)| found).or_else(|| self.0.first()).map(|(name, texts)| (*name, texts))
    }
}

fn weigh(range: &str) -> (&str, f32) {
    let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
    let quality = parameters.trim().strip_prefix("q=").and_then(|text| text.trim().parse().ok());
    (tag.trim(), quality.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_language_has_every_text() {
        assert_eq!(Languages::read().unwrap().0.len(), FILES.len());
    }

    #[test]
    fn the_browser_chooses_the_language() {
        let languages = Languages::read().unwrap();
        let chosen = |accepted: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted))]);
            languages.best(&headers).unwrap().0
        };
        assert_eq!(chosen("cs-CZ,cs;q=0.9,en;q=0.8"), "cs");
        assert_eq!(chosen("de,en;q=0.3,cs;q=0.5"), "cs");
        assert_eq!(chosen("fr"), "en");
        assert_eq!(chosen(";;;,q=x,"), "en");
    }
}
