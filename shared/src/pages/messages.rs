//! Error codes and the texts for them.
//!
//! Why: what an address or a failure says is a code; what a person reads is a fixed text in their language, so
//! nothing that an attacker writes into an address is shown (threat-model B11, O5).

use super::Texts;

/// Heading and text.
pub(super) struct Message<'t> {
    pub(super) title: &'t str,
    pub(super) text: &'t str,
    /// Whether the user's input was wrong.
    pub(super) about_input: bool,
}

impl<'t> Message<'t> {
    /// For a code of NextAuth or ours; a default for any other.
    pub(super) fn of_code(t: &'t Texts, code: &str) -> Self {
        let (title, text) = match code {
            "CredentialsSignin" => (&t.error_title_credentials_signin, &t.error_credentials_signin),
            "RateLimited" => (&t.error_title_rate_limited, &t.error_rate_limited),
            "Unavailable" => (&t.error_title_unavailable, &t.error_unavailable),
            "Outage" => (&t.error_title_outage, &t.error_outage),
            "SessionRequired" => (&t.error_title_session_required, &t.error_session_required),
            "MissingCSRF" => (&t.error_title_csrf, &t.error_csrf),
            "SessionTooLarge" => (&t.error_title_session_too_large, &t.error_session_too_large),
            "Configuration" => (&t.error_title_configuration, &t.error_configuration),
            "AccessDenied" => (&t.error_title_access_denied, &t.error_access_denied),
            "RefreshTokenExpired" => (&t.error_title_refresh_expired, &t.error_refresh_expired),
            "HeadersTooLarge" => (&t.error_title_too_many_headers, &t.error_too_many_headers),
            "UpstreamUnavailable" => (&t.error_title_upstream, &t.error_upstream),
            "LoopCookie" => (&t.error_title_loop, &t.error_loop_cookie),
            "Loop" => (&t.error_title_loop, &t.error_loop),
            "NotFound" => (&t.error_title_not_found, &t.error_not_found),
            _ => (&t.error_title_default, &t.error_default),
        };
        Self { title, text, about_input: code == "CredentialsSignin" }
    }
}
