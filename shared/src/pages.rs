//! The pages people see, of both servers: one look, the browser's language.
//!
//! Why: sign-in, sign-out and errors must work without JavaScript, for everybody, and must give nothing to an
//! attacker: texts are fixed, values are escaped by the templates, and a policy forbids scripts, frames and
//! addresses that are not ours (threat-model B4, B5, B11).

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{rejection::Rejection, settings::SharedSettings};

mod brand;
mod messages;
mod texts;
mod views;

pub use brand::BrandError;
use brand::{ASSETS, Assets, Brand};
use messages::Message;
use texts::{Languages, Texts};
pub use views::{Denied, Login, Logout, Overview, SignedIn};
use views::{ErrorPage, framed};

/// All languages, the brand, and the policy.
#[derive(Clone, Debug)]
pub struct PageKit(Arc<Kit>);

#[derive(Debug)]
struct Kit {
    languages: Languages,
    brand: Brand,
    assets: Assets,
    policy: HeaderValue,
    /// Where browsers find the files of the pages.
    assets_at: String,
}

/// The kit for one browser: its language.
#[derive(Clone, Copy, Debug)]
pub struct Pages<'k> {
    kit: &'k Kit,
    lang: &'static str,
    t: &'k Texts,
}

impl PageKit {
    /// Loads brand and texts.
    ///
    /// # Errors
    /// [`BrandError`].
    pub fn load(settings: &SharedSettings) -> Result<Self, BrandError> {
        Self::load_at(settings, "")
    }

    /// As [`PageKit::load`], for pages shown on hosts that do not serve their files: those come from the auth server.
    ///
    /// # Errors
    /// [`BrandError`].
    pub fn load_elsewhere(settings: &SharedSettings) -> Result<Self, BrandError> {
        Self::load_at(settings, &settings.auth_url.origin().ascii_serialization())
    }

    fn load_at(settings: &SharedSettings, origin: &str) -> Result<Self, BrandError> {
        let assets_at = format!("{origin}{ASSETS}");
        let (brand, assets) = Assets::load(&settings.brand, &assets_at)?;
        let policy = HeaderValue::try_from(policy(settings, origin));
        let policy = policy.unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        Ok(Self(Arc::new(Kit { languages: Languages::read()?, brand, assets, policy, assets_at })))
    }

    /// Serves style sheets, script and images under `/api/auth/assets`.
    pub fn assets(&self) -> Router {
        self.0.assets.router()
    }

    /// The pages in the language the browser asks for.
    pub fn for_browser(&self, headers: &HeaderMap) -> Option<Pages<'_>> {
        let (lang, t) = self.0.languages.best(headers)?;
        Some(Pages { kit: &self.0, lang, t })
    }
}

/// Nothing but our own style, script and images; no frames; forms to ourselves, and through the redirect after
/// them to the hosts of the domain (browsers apply `form-action` to it as well).
fn policy(settings: &SharedSettings, assets: &str) -> String {
    let files = if assets.is_empty() { "'self'" } else { assets };
    let (scheme, domain) = (settings.auth_url.scheme(), &settings.domain);
    let port = settings.auth_url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let allowed = settings
        .return_allow
        .iter()
        .fold(String::new(), |all, origin| all + " " + &origin.ascii_serialization());
    format!(
        "default-src 'none'; style-src {files}; script-src {files}; img-src {files}; connect-src 'self'; \
         form-action 'self' {scheme}://{domain}{port} {scheme}://*.{domain}{port}{allowed}; \
         frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    )
}

impl Pages<'_> {
    /// The text for an error code of an address, if there is one to show.
    fn message(&self, code: &str) -> Message<'_> {
        Message::of_code(self.t, code)
    }

    /// The page for a failure.
    pub fn rejection(
        &self,
        rejection: &Rejection,
        request_id: Option<&str>,
        retry: Option<&str>,
    ) -> Response {
        let (status, code, _) = rejection.verdict();
        self.error(status, code, request_id, retry)
    }

    /// The page for an error code, such as one that came in an address.
    pub fn error(
        &self,
        status: StatusCode,
        code: &str,
        request_id: Option<&str>,
        retry: Option<&str>,
    ) -> Response {
        let message = self.message(code);
        let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let page = views::ErrorView {
            title: message.title,
            message: message.text,
            request_id,
            retry_url: retry,
            retry_label: if again { &self.t.retry } else { &self.t.home },
            status: status.as_u16(),
        };
        self.respond(status, &framed!(self, ErrorPage { page: page }))
    }

    fn respond(&self, status: StatusCode, page: &impl Template) -> Response {
        let Ok(html) = page.render() else {
            return Rejection::Internal("a page could not be rendered").into_response();
        };
        let fixed = HeaderValue::from_static;
        let headers = [
            (header::CONTENT_TYPE, fixed("text/html; charset=utf-8")),
            (header::CACHE_CONTROL, fixed("no-store")),
            (header::CONTENT_SECURITY_POLICY, self.kit.policy.clone()),
            (header::X_FRAME_OPTIONS, fixed("DENY")),
            (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (header::REFERRER_POLICY, fixed("same-origin")),
            (header::VARY, fixed("Accept-Language, Cookie")),
        ];
        let mut response = (status, headers, html).into_response();
        let isolated = HeaderValue::from_static("same-origin");
        response.headers_mut().insert("cross-origin-opener-policy", isolated);
        response
    }
}
