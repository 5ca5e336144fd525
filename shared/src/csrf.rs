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
use url::Url;
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
        Self { ring, cookie: policy.csrf_name.clone(), origin: public_url.origin().ascii_serialization() }
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
            (Some(origin), _) => origin.as_bytes() == self.origin.as_bytes(),
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
