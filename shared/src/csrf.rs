//! The proof that a form was sent from our own page.
//!
//! Why: `SameSite` cookies are no defence between sibling hosts (threat-model law 6), and NextAuth's token is
//! bound to nobody, so a sibling could plant one where the cookie has no `__Host-` prefix. Two checks
//! together hold (B1 to B3): NextAuth's double-submitted token, and the browser's own word on where the
//! request comes from. Only [`CsrfGuard::verify`] makes a [`CsrfVerified`], which signing in and out demand.
//!
//! The cookie's value is `token|hash`: 64 hexadecimal digits, and SHA-256 of token and secret joined, as the
//! clients of NextAuth have it.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, Method, header};
use openssl::{error::ErrorStack, rand::rand_bytes, sha::sha256};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;
use url::{Origin, Url};
use zeroize::Zeroizing;

use crate::{
    cookie::{CookiePolicy, RequestCookies},
    secret::{Secret, SecretRing},
};

/// The request came from our own page. Only [`CsrfGuard::verify`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct CsrfVerified(());

/// Why the request may not change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// A page of another origin sent it.
    #[error("the request came from another origin")]
    ForeignOrigin,
    /// The token is missing, or is not the cookie's.
    #[error("the form's token is missing or does not fit the cookie")]
    Token,
}

/// Issues and checks the tokens of one origin.
#[derive(Clone, Debug)]
pub struct CsrfGuard {
    ring: SecretRing,
    cookie: String,
    origin: String,
    /// Other origins under which this server is reached through an app's proxy.
    others: Vec<String>,
}

/// A token to put into a form.
#[derive(Debug)]
pub struct IssuedToken {
    /// The form's value.
    pub token: String,
    /// The cookie's value, where the browser has no good one yet.
    pub cookie: Option<String>,
}

impl CsrfGuard {
    /// For the pages on `public_url`'s origin.
    pub fn new(ring: SecretRing, policy: &CookiePolicy, public_url: &Url) -> Self {
        let origin = public_url.origin().ascii_serialization();
        Self { ring, cookie: policy.csrf_name.clone(), origin, others: Vec::new() }
    }

    /// Also for requests that an app passes on under its own origin, `Host` and all.
    #[must_use]
    pub fn reached_at(mut self, origins: &[Origin]) -> Self {
        self.others = origins.iter().map(Origin::ascii_serialization).collect();
        self
    }

    /// The origin that a page must have to post to this very request (threat-model B1).
    fn expected(&self, headers: &HeaderMap) -> &str {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let of_host = |origin: &&String| {
            origin.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host))
        };
        self.others.iter().find(of_host).unwrap_or(&self.origin)
    }

    /// The token of the browser's cookie, or a new one.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers.
    pub fn issue(&self, cookies: RequestCookies<'_>) -> Result<IssuedToken, ErrorStack> {
        if let Some(token) = self.trusted(cookies).next() {
            return Ok(IssuedToken { token, cookie: None });
        }
        let mut random = Zeroizing::new([0; 32]);
        rand_bytes(random.as_mut())?;
        let token = hex(random.as_ref());
        let cookie = format!("{token}%7C{}", token_hash(&token, self.ring.newest()));
        Ok(IssuedToken { token, cookie: Some(cookie) })
    }

    /// Checks method, origin and token of a request.
    ///
    /// # Errors
    /// [`CsrfError`].
    pub fn verify(
        &self,
        method: &Method,
        headers: &HeaderMap,
        form_token: Option<&str>,
    ) -> Result<CsrfVerified, CsrfError> {
        if method != Method::POST {
            return Err(CsrfError::Token);
        }
        self.check_origin(headers)?;
        let form_token = form_token.ok_or(CsrfError::Token)?;
        let fits = self.trusted(RequestCookies::new(headers)).any(|token| same(&token, form_token));
        if fits { Ok(CsrfVerified(())) } else { Err(CsrfError::Token) }
    }

    /// `Origin` must be this very origin; without it the browser must say `same-origin`; with neither (no
    /// browser of today) the token alone has to hold.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), CsrfError> {
        let single = |name: &str| -> Result<Option<&HeaderValue>, CsrfError> {
            let mut values = headers.get_all(name).iter();
            let first = values.next();
            if values.next().is_some() { Err(CsrfError::ForeignOrigin) } else { Ok(first) }
        };
        let origin = single(header::ORIGIN.as_str())?;
        let site = single("sec-fetch-site")?;
        let ours = match (origin, site) {
            (Some(origin), _) => origin.as_bytes() == self.expected(headers).as_bytes(),
            (None, Some(site)) => site.as_bytes() == b"same-origin",
            (None, None) => true,
        };
        if ours { Ok(()) } else { Err(CsrfError::ForeignOrigin) }
    }

    /// Tokens of the request's cookies that we have signed, with any secret of the ring. A sibling may have
    /// tossed others beside them, so all are looked at.
    fn trusted<'c>(&'c self, cookies: RequestCookies<'c>) -> impl Iterator<Item = String> + 'c {
        cookies.values(&self.cookie).filter_map(|value| {
            let value = percent_decode_str(value).decode_utf8().ok()?;
            let mut parts = value.split('|');
            let (token, hash) = (parts.next()?, parts.next()?);
            let signed = |secret| same(&token_hash(token, secret), hash);
            (!token.is_empty() && self.ring.iter().any(signed)).then(|| token.to_owned())
        })
    }
}

/// Compares in a time that does not depend on where the texts differ.
fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn token_hash(token: &str, secret: &Secret) -> String {
    let joined = Zeroizing::new(format!("{token}{}", secret.expose()));
    hex(&sha256(joined.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::{
        dialect::{Dialect, Scheme},
        domain::ParentDomain,
    };

    fn guard() -> CsrfGuard {
        let policy = CookiePolicy::new(
            Dialect::NEXT_AUTH_V4,
            ParentDomain::parse("example.com").unwrap(),
            Scheme::Https,
        );
        let ring = SecretRing::new(vec![Secret::new("s")]).unwrap();
        CsrfGuard::new(ring, &policy, &Url::parse("https://auth.example.com").unwrap())
    }

    fn verify(guard: &CsrfGuard, pairs: &[(&'static str, &str)]) -> Result<(), CsrfError> {
        let issued = guard.issue(RequestCookies::new(&HeaderMap::new())).unwrap();
        let cookie = format!("__Host-next-auth.csrf-token={}", issued.cookie.unwrap());
        let mut headers = HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        guard.verify(&Method::POST, &headers, Some(&issued.token)).map(|_| ())
    }

    #[test]
    fn only_a_page_of_the_very_origin_may_post() {
        // threat-model B1
        let guard = guard();
        assert_eq!(verify(&guard, &[("origin", "https://auth.example.com")]), Ok(()));
        assert_eq!(verify(&guard, &[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(verify(&guard, &[]), Ok(()), "no browser of today: the token alone holds");
        for headers in [
            &[("origin", "https://app.example.com")][..],
            &[("origin", "http://auth.example.com")],
            &[("origin", "null")],
            &[("origin", "https://auth.example.com.evil.com")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://auth.example.com"), ("origin", "https://evil.com")],
        ] {
            assert_eq!(verify(&guard, headers), Err(CsrfError::ForeignOrigin), "{headers:?}");
        }
    }

    #[test]
    fn an_app_that_passes_requests_on_posts_under_its_own_origin_only() {
        let guard = guard().reached_at(&[Url::parse("https://app.example.com").unwrap().origin()]);
        let post = |origin, host| verify(&guard, &[("origin", origin), ("host", host)]);
        assert_eq!(post("https://app.example.com", "app.example.com"), Ok(()));
        assert_eq!(post("https://auth.example.com", "auth.example.com"), Ok(()));
        assert!(post("https://app.example.com", "auth.example.com").is_err(), "a sibling's page");
        assert!(post("https://auth.example.com", "app.example.com").is_err());
        assert!(post("https://evil.com", "evil.com").is_err());
    }

    #[test]
    fn a_made_up_cookie_is_worthless() {
        // threat-model B3
        let cookie = HeaderValue::from_static(
            "__Host-next-auth.csrf-token=aaaa; __Host-next-auth.csrf-token=aaaa%7Caaaa",
        );
        let headers = HeaderMap::from_iter([(header::COOKIE, cookie)]);
        let verified = guard().verify(&Method::POST, &headers, Some("aaaa"));
        assert_eq!(verified.map(|_| ()), Err(CsrfError::Token));
    }
}
