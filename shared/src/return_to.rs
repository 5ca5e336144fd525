//! Where to go after sign-in or sign-out.
//!
//! Why: every product in this field has had open redirects, most of them several times, because a check and
//! a browser read one text in two ways (threat-model O1, O2). A [`ReturnTo`] can only be made by
//! [`ReturnPolicy::parse`], by a grammar of what is allowed, and what leaves us is the serialised URL that
//! was judged, never the input.
//!
//! Allowed are a root-relative path on our own origin, an absolute URL on the parent domain or below it with
//! the scheme and port of the deployment, and the origins that the settings list exactly.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::{Host, Origin, Url};

use crate::domain::ParentDomain;

/// A URL known to be ours, in serialised form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(Url);

/// The text is not an address to return to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of this deployment")]
pub struct NotOurs;

/// Decides which addresses are ours.
#[derive(Clone, Debug)]
pub struct ReturnPolicy {
    base: Url,
    domain: ParentDomain,
    scheme: String,
    port: Option<u16>,
    allow: Vec<Origin>,
    only: Vec<Origin>,
}

/// Longest address taken, in bytes.
const MAX_BYTES: usize = 2048;

impl ReturnTo {
    /// The address as text, for a `Location` header.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, for showing where one is going.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether it leads to the same origin as `base`.
    pub fn is_on(&self, base: &Url) -> bool {
        self.0.origin() == base.origin()
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ReturnPolicy {
    /// `base` is the public address of this server, against which a path is read; `auth_url` gives the
    /// scheme and port that every host of the domain must have.
    pub fn new(base: &Url, domain: ParentDomain, auth_url: &Url) -> Self {
        Self {
            base: base.clone(),
            domain,
            scheme: auth_url.scheme().to_owned(),
            port: auth_url.port(),
            allow: Vec::new(),
            only: Vec::new(),
        }
    }

    /// Lets these exact origins in as well, wherever they are.
    #[must_use]
    pub fn allow(mut self, origins: Vec<Origin>) -> Self {
        self.allow = origins;
        self
    }

    /// Keeps every other origin of the domain out, this server's own excepted. Empty: no narrowing.
    #[must_use]
    pub fn only(mut self, origins: Vec<Origin>) -> Self {
        self.only = origins;
        self
    }

    /// This server's public address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The default page: this server's root.
    pub fn home(&self) -> ReturnTo {
        let mut home = self.base.clone();
        home.set_path("/");
        home.set_query(None);
        home.set_fragment(None);
        ReturnTo(home)
    }

    /// The address in `text`, percent-decoded once already.
    ///
    /// # Errors
    /// [`NotOurs`] for anything outside the grammar; use [`ReturnPolicy::home`] then.
    pub fn parse(&self, text: &str) -> Result<ReturnTo, NotOurs> {
        let visible = |byte: u8| (0x21..=0x7e).contains(&byte);
        // Browsers take a backslash for a slash, but not after the path: `?file=C:\x` is a query like any other.
        let up_to_query = text.split(['?', '#']).next().unwrap_or_default();
        let readable = text.bytes().all(visible) && !up_to_query.contains('\\');
        if text.is_empty() || text.len() > MAX_BYTES || !readable {
            return Err(NotOurs);
        }
        if text.starts_with('/') { self.parse_path(text) } else { self.parse_absolute(text) }
    }

    fn parse_path(&self, text: &str) -> Result<ReturnTo, NotOurs> {
        let url = self.base.join(text).map_err(|_| NotOurs)?;
        let typed = text.split(['?', '#']).next().unwrap_or_default();
        let stays = url.origin() == self.base.origin() && is_plain_path(typed) && is_plain_path(url.path());
        if stays { Ok(ReturnTo(url)) } else { Err(NotOurs) }
    }

    fn parse_absolute(&self, text: &str) -> Result<ReturnTo, NotOurs> {
        let (scheme, rest) = text.split_once("://").ok_or(NotOurs)?;
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (authority, None),
        };
        let host_chars = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https")
            || !host.bytes().all(host_chars)
            || host.split('.').any(str::is_empty)
        {
            return Err(NotOurs);
        }
        let url = Url::parse(text).map_err(|_| NotOurs)?;
        // Both readings, ours and the parser's, must see the same host and port.
        let same_host = matches!(url.host(), Some(Host::Domain(seen)) if seen.eq_ignore_ascii_case(host));
        let same_port = port.is_none_or(|port| url.port_or_known_default() == Some(port));
        if same_host && same_port && !has_controls(url.path()) && self.is_ours(&url) {
            Ok(ReturnTo(url))
        } else {
            Err(NotOurs)
        }
    }

    fn is_ours(&self, url: &Url) -> bool {
        let origin = url.origin();
        if origin == self.base.origin() || self.allow.contains(&origin) {
            return true;
        }
        let on_domain = url.scheme() == self.scheme
            && url.port() == self.port
            && url.host_str().is_some_and(|host| self.domain.covers(host));
        on_domain && (self.only.is_empty() || self.only.contains(&origin))
    }
}

fn parse_port(text: &str) -> Result<u16, NotOurs> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| NotOurs) } else { Err(NotOurs) }
}

/// A path that stays a path even if somebody decodes it up to three times more.
fn is_plain_path(path: &str) -> bool {
    let mut path = path.to_owned();
    for _ in 0..=3 {
        if path.starts_with("//")
            || path.starts_with("/\\")
            || path.bytes().any(|byte| byte.is_ascii_control())
        {
            return false;
        }
        let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == path {
            break;
        }
        path = decoded;
    }
    true
}

fn has_controls(path: &str) -> bool {
    percent_decode_str(path).any(|byte| byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> ReturnPolicy {
        let auth = Url::parse("https://auth.example.com").unwrap();
        ReturnPolicy::new(&auth, ParentDomain::parse("example.com").unwrap(), &auth)
    }

    #[test]
    fn listed_origins_are_let_in_and_only_narrows() {
        let origin = |text: &str| Url::parse(text).unwrap().origin();
        let wider = policy().allow(vec![origin("https://partner.example.net:8443")]);
        assert!(wider.parse("https://partner.example.net:8443/x").is_ok());
        assert!(wider.parse("https://partner.example.net/x").is_err());
        let narrower = policy().only(vec![origin("https://app.example.com")]);
        assert!(narrower.parse("https://app.example.com/x").is_ok());
        assert!(narrower.parse("/x").is_ok());
        assert!(narrower.parse("https://shop.example.com/x").is_err());
    }

    #[test]
    fn the_scheme_and_port_are_the_deployments() {
        let auth = Url::parse("http://auth.example.localhost:8080").unwrap();
        let policy = ReturnPolicy::new(&auth, ParentDomain::parse("example.localhost").unwrap(), &auth);
        assert!(policy.parse("http://app.example.localhost:8080/x").is_ok());
        assert!(policy.parse("http://app.example.localhost/x").is_err());
        assert!(policy.parse("https://app.example.localhost:8080/x").is_err());
    }

    #[test]
    fn a_query_comes_back_byte_for_byte() {
        let url =
            "https://app.example.com/deep/a%20b?q=%C4%8Daj+%26&x=1&&y=[z]&e=%2F%2Fevil.com&file=C:\\x#\\";
        assert_eq!(policy().parse(url).unwrap().as_str(), url);
        assert!(policy().parse("https://app.example.com/a\\b?x=1").is_err());
    }

    proptest! {
        #[test]
        fn no_return_to_leaves_the_domain(text in "[ -~]{0,40}") {
            check_stays(&text)?;
        }

        #[test]
        fn no_likely_attack_leaves_the_domain(
            text in "(https?:|//|/)[/\\\\@:.%#?]{0,4}(app\\.example\\.com|evil\\.com|2f|5c|\\.)[/\\\\@:.%#?]{0,3}(evil\\.com|example\\.com|x)?"
        ) {
            check_stays(&text)?;
        }
    }

    fn check_stays(text: &str) -> Result<(), TestCaseError> {
        if let Ok(accepted) = policy().parse(text) {
            // A browser resolves a Location against the page that sent it.
            let seen = Url::parse("https://auth.example.com/login").unwrap().join(accepted.as_str()).unwrap();
            prop_assert_eq!(seen.scheme(), "https");
            prop_assert!(ParentDomain::parse("example.com").unwrap().covers(seen.host_str().unwrap()));
            prop_assert_eq!(seen.as_str(), accepted.as_str());
        }
        Ok(())
    }
}
