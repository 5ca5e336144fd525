//! Name, prefix and attributes of the cookies: applied here and nowhere else.
//!
//! Why: one attribute that differs between setting and deleting a cookie leaves the user signed in for good
//! (RFC 6265 section 5.3); one that is forgotten gives the session to scripts or to the network
//! (threat-model C1).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite};
use http::HeaderValue;

use super::RequestCookies;
use crate::{
    dialect::{Dialect, Scheme},
    domain::ParentDomain,
    key::digest,
};

/// Ties a host to a session; after the prefix.
const BINDING: &str = "hallpass.session-binding";

/// What all session cookies of a deployment share.
#[derive(Clone, Debug, PartialEq)]
pub struct CookiePolicy {
    /// The session cookie's name, prefix included.
    pub name: String,
    /// The CSRF cookie's name; it stays on one host.
    pub csrf_name: String,
    /// Its hosts.
    pub domain: ParentDomain,
    /// Decides `Secure`.
    pub scheme: Scheme,
    /// `Lax`, `Strict` or `None`.
    pub same_site: SameSite,
    /// Longest value of one cookie, in characters.
    pub chunk_chars: usize,
}

/// Where a cookie is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// For every host of the parent domain.
    Domain,
    /// For this host only: a leftover that shadows the domain's (threat-model C2).
    HostOnly,
}

impl CookiePolicy {
    /// The dialect's own names and limits.
    pub fn new(dialect: Dialect, domain: ParentDomain, scheme: Scheme) -> Self {
        Self {
            name: dialect.session_cookie_name(scheme),
            csrf_name: dialect.csrf_cookie_name(scheme),
            domain,
            scheme,
            same_site: SameSite::Lax,
            chunk_chars: dialect.chunk_chars,
        }
    }

    /// A `Set-Cookie` line of the session, kept for `max_age`.
    pub(super) fn keep(&self, name: &str, value: &str, max_age: Duration) -> HeaderValue {
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        self.line(self.session(name, value, Scope::Domain).max_age(cookie::time::Duration::seconds(seconds)))
    }

    /// A `Set-Cookie` line that deletes a session cookie.
    pub(super) fn expire(&self, name: &str, scope: Scope) -> HeaderValue {
        self.line(self.session(name, "", scope).max_age(cookie::time::Duration::ZERO))
    }

    /// A `Set-Cookie` line of the CSRF token: this host, this browser session.
    pub fn csrf(&self, value: &str) -> HeaderValue {
        self.line(self.bare(&self.csrf_name, value))
    }

    /// A `Set-Cookie` line that ties this host to the session `sid`, so that one put in its place by a sibling is
    /// noticed here (threat-model C3).
    /// `note` is kept beside it: letters, digits and `-`.
    pub fn bind(&self, sid: &str, note: &str) -> HeaderValue {
        self.line(self.bare(&self.binding_name(), &format!("{}.{note}", binding(sid))))
    }

    /// The note of [`CookiePolicy::bind`]. Anybody may have written it.
    pub fn note_of_binding<'h>(&self, cookies: RequestCookies<'h>) -> Option<&'h str> {
        cookies.values(&self.binding_name()).find_map(|value| value.split_once('.')).map(|(_, note)| note)
    }

    /// A `Set-Cookie` line that undoes [`CookiePolicy::bind`].
    pub fn unbind(&self) -> HeaderValue {
        self.line(self.bare(&self.binding_name(), "").max_age(cookie::time::Duration::ZERO))
    }

    /// Whether a cookie of this name is ours: no app is to see or to set it (threat-model C10, H18).
    pub fn is_ours(&self, name: &str) -> bool {
        let chunk = |rest: &str| rest.strip_prefix('.').and_then(super::chunk::number).is_some();
        name.strip_prefix(self.name.as_str()).is_some_and(|rest| rest.is_empty() || chunk(rest))
            || name == self.csrf_name
            || name.strip_prefix(self.scheme.host_prefix()) == Some(BINDING)
    }

    /// Whether this host is tied to another session than `sid`.
    pub fn is_bound_elsewhere(&self, cookies: RequestCookies<'_>, sid: &str) -> bool {
        let name = self.binding_name();
        let mut bound = cookies.values(&name).peekable();
        bound.peek().is_some()
            && !bound.any(|value| value.split('.').next().is_some_and(|bound| bound == binding(sid)))
    }

    fn binding_name(&self) -> String {
        format!("{}{BINDING}", self.scheme.host_prefix())
    }

    fn session<'c>(&'c self, name: &'c str, value: &'c str, scope: Scope) -> cookie::CookieBuilder<'c> {
        let bare = self.bare(name, value);
        match scope {
            Scope::Domain => bare.domain(self.domain.as_str()),
            Scope::HostOnly => bare,
        }
    }

    fn bare<'c>(&self, name: &'c str, value: &'c str) -> cookie::CookieBuilder<'c> {
        Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .secure(self.scheme == Scheme::Https)
            .same_site(self.same_site)
    }

    fn line(&self, cookie: cookie::CookieBuilder<'_>) -> HeaderValue {
        let mut line = HeaderValue::try_from(cookie.build().to_string()).unwrap_or_else(|_| {
            tracing::error!(name = %self.name, "a cookie could not be written");
            HeaderValue::from_static("")
        });
        line.set_sensitive(true);
        line
    }
}

/// Says nothing about the session's id.
fn binding(sid: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest("hallpass session binding", sid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_attributes_that_protect_it() {
        // threat-model C1
        let domain = ParentDomain::parse("example.com").unwrap();
        let policy = CookiePolicy::new(Dialect::NEXT_AUTH_V4, domain.clone(), Scheme::Https);
        let line = |value: HeaderValue| value.to_str().unwrap().to_owned();
        assert_eq!(
            line(policy.keep(&policy.name, "v", Duration::from_mins(1))),
            "__Secure-next-auth.session-token=v; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=60"
        );
        assert_eq!(
            line(policy.expire(&policy.name, Scope::HostOnly)),
            "__Secure-next-auth.session-token=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
        );
        assert_eq!(
            line(policy.csrf("t%7Ch")),
            "__Host-next-auth.csrf-token=t%7Ch; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        let plain = CookiePolicy::new(Dialect::AUTHJS_V5, domain, Scheme::Http);
        assert_eq!(line(plain.csrf("t")), "authjs.csrf-token=t; HttpOnly; SameSite=Lax; Path=/");
    }
}
