//! What a request gets that may not pass: a way to sign in, a page that says why not, or a status.
//!
//! Why: a page load is helped by a redirect or a page, and anything else wants a status (threat-model O10). The library,
//! the reverse proxy and forward-auth answer alike.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use hallpass_shared::{
    client::{SIGN_IN_ADDRESS, is_navigation, wants_page},
    pages::{Denied, PageKit},
    refusal::Outage,
    rejection::Rejection,
    return_to::ReturnPolicy,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::{Origin, Url};

use crate::{
    access::{Access, AccessRule, Verdict},
    layer::{SignedIn, Visitor},
    rules::Rule,
};

/// What all answers of a satellite need.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(crate) sign_in: Url,
    pub(crate) pages: PageKit,
    pub(crate) returns: ReturnPolicy,
    /// Origins whose scripts may read a 401, and open sockets.
    pub(crate) origins: Vec<Origin>,
}

/// The request that is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    pub(crate) headers: &'r HeaderMap,
    /// Its site, such as `https://app.example.com`.
    pub(crate) origin: &'r str,
    /// Path and query as the browser wrote them.
    pub(crate) target: &'r str,
}

impl Answers {
    /// To the sign-in page and back, or 401. `error` is a code for the page.
    pub(crate) fn ask_to_sign_in(&self, asked: Asked<'_>, error: Option<&str>) -> Response {
        let address = self.sign_in_address(&self.way_back(asked), error);
        if is_navigation(asked.method, asked.headers) {
            return (
                StatusCode::SEE_OTHER,
                [(header::LOCATION, address), (header::CACHE_CONTROL, "no-store".into())],
            )
                .into_response();
        }
        let mut response = Rejection::SignInRequired.into_response();
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        if let Ok(address) = HeaderValue::try_from(address) {
            headers.insert(SIGN_IN_ADDRESS, address);
        }
        self.let_read(asked, headers);
        response
    }

    /// The page asked for; for what cannot be asked for again with GET, the page it was sent from.
    fn way_back(&self, asked: Asked<'_>) -> String {
        let repeatable = asked.method == Method::GET || asked.method == Method::HEAD;
        if repeatable && is_navigation(asked.method, asked.headers) {
            return format!("{}{}", asked.origin, asked.target);
        }
        let from = asked.headers.get(header::REFERER).and_then(|referer| referer.to_str().ok());
        let from = from.and_then(|referer| self.returns.parse(referer).ok());
        from.map_or_else(|| format!("{}/", asked.origin), |page| page.to_string())
    }

    /// The sign-in page, with the way back.
    pub(crate) fn sign_in_address(&self, back: &str, error: Option<&str>) -> String {
        let mut page = self.sign_in.clone();
        page.query_pairs_mut().append_pair("callbackUrl", back);
        if let Some(code) = error {
            page.query_pairs_mut().append_pair("error", code);
        }
        page.into()
    }

    /// Lets a script of a listed origin read the answer (threat-model B8: exactly those).
    fn let_read(&self, asked: Asked<'_>, headers: &mut HeaderMap) {
        let Some(origin) = asked.headers.get(header::ORIGIN) else { return };
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if self.is_listed(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("x-hallpass-location"),
            );
        }
    }

    /// Something cannot be confirmed just now: nobody is signed out.
    fn wait(&self, asked: Asked<'_>, outage: Outage) -> Response {
        let mut response = Rejection::Unconfirmed(outage).into_response();
        self.let_read(asked, response.headers_mut());
        response
    }

    fn is_listed(&self, origin: &HeaderValue) -> bool {
        let text = origin.to_str().unwrap_or_default();
        self.origins.iter().any(|listed| listed.ascii_serialization() == text)
    }

    /// Whether a page of this origin may open a socket here: the site's own, or a listed one (threat-model B6).
    pub(crate) fn may_open_socket(&self, asked: Asked<'_>) -> bool {
        let mut origins = asked.headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
        origin.as_bytes() == asked.origin.as_bytes() || self.is_listed(origin)
    }

    /// Says who is signed in, what is asked for, and the ways on.
    pub(crate) fn forbid(&self, asked: Asked<'_>, signed_in: &SignedIn, rule: &Rule) -> Response {
        metrics::counter!("hallpass_access_denied_total").increment(1);
        let pages = wants_page(asked.headers).then(|| self.pages.for_browser(asked.headers)).flatten();
        let Some(pages) = pages else {
            let mut response = Rejection::AccessDenied.into_response();
            self.let_read(asked, response.headers_mut());
            return response;
        };
        let mut switch = self.sign_in_address(&self.way_back(asked), None);
        switch.push_str("&switch=1");
        let name = signed_in.session.display_name();
        let email = signed_in.session.user.get("email").and_then(serde_json::Value::as_str);
        pages.denied(Denied {
            user_name: name,
            user_email: email.filter(|email| *email != name),
            reason: &rule.to_string(),
            switch_url: &switch,
            home_url: "/",
        })
    }

    /// The user a request goes on for, or what it gets instead.
    pub(crate) fn settle(
        &self,
        rule: &AccessRule,
        visitor: &Visitor,
        asked: Asked<'_>,
    ) -> Result<Option<Arc<SignedIn>>, Box<Response>> {
        Err(Box::new(match rule.judge(visitor) {
            Verdict::Pass(user) => return Ok(user),
            Verdict::SignIn => {
                self.ask_to_sign_in(asked, visitor.has_ended().then_some("RefreshTokenExpired"))
            }
            Verdict::Forbidden(signed_in) => self.forbid_by(asked, &signed_in, rule.access()),
            Verdict::Unconfirmed(outage) => self.wait(asked, outage),
        }))
    }

    /// As [`Answers::forbid`], for a rule of the settings.
    fn forbid_by(&self, asked: Asked<'_>, signed_in: &SignedIn, access: &Access) -> Response {
        match access {
            Access::Require(rule) => self.forbid(asked, signed_in, rule),
            Access::Public | Access::SignedIn => Rejection::AccessDenied.into_response(),
        }
    }
}
