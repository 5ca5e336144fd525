//! All that differs between the two dialects of NextAuth.js on the wire, in one place.
//!
//! Why: tokens, cookie names and a handful of answers differ between `next-auth` 4 and Auth.js 5, and each
//! is unreadable to the other. A [`Dialect`] is a value that carries every difference, so that no other
//! module asks which one it speaks.
//!
//! Sources: `next-auth` 4.24.15 and `@auth/core` 0.41.3, observed; RFC 7518 section 5 for the ciphers.

use std::fmt;

/// A content encryption of RFC 7518 section 5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncryption {
    /// AES GCM with a 256-bit key (section 5.3).
    A256Gcm,
    /// AES-256 CBC with HMAC SHA-512 (section 5.2.5).
    A256CbcHs512,
}

impl ContentEncryption {
    /// The `enc` header value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A256Gcm => "A256GCM",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// Key length in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::A256Gcm => 32,
            Self::A256CbcHs512 => 64,
        }
    }

    /// Initialization vector length in bytes.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::A256Gcm => 12,
            Self::A256CbcHs512 => 16,
        }
    }

    /// Authentication tag length in bytes.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::A256Gcm => 16,
            Self::A256CbcHs512 => 32,
        }
    }
}

/// What NextAuth mixes into the key derivation of the session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionSalt {
    /// Nothing: one key for every cookie name.
    Empty,
    /// The session cookie's name, prefix included.
    CookieName,
}

/// One of the two dialects.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// As written in the settings.
    pub name: &'static str,
    /// Cookie names start with this, after any `__Secure-` or `__Host-`.
    pub cookie_stem: &'static str,
    /// HKDF info starts with this.
    pub library: &'static str,
    /// HKDF salt of the session token.
    pub session_salt: SessionSalt,
    /// What tokens are sealed with.
    pub seals_with: ContentEncryption,
    /// What tokens may be sealed with when they are opened.
    pub opens: &'static [ContentEncryption],
    /// Whether the header carries the key's thumbprint (RFC 7638) as `kid`, and is bound to it.
    pub key_ids: bool,
    /// Longest piece of a token in one cookie, in characters.
    pub chunk_chars: usize,
    /// Body of `GET /session` without a session.
    pub empty_session: &'static str,
    /// Status of the JSON answer to wrong credentials.
    pub denied_status: u16,
    /// Where wrong credentials lead, below the base path.
    pub denied_location: &'static str,
    /// Where a failed CSRF check of a sign-in leads, below the base path.
    pub csrf_sign_in_location: &'static str,
    /// Where a failed CSRF check of a sign-out leads, below the base path.
    pub csrf_sign_out_location: &'static str,
}

impl Dialect {
    /// `next-auth` 4: the default.
    pub const NEXT_AUTH_V4: Self = Self {
        name: "next-auth-v4",
        cookie_stem: "next-auth",
        library: "NextAuth.js",
        session_salt: SessionSalt::Empty,
        seals_with: ContentEncryption::A256Gcm,
        opens: &[ContentEncryption::A256Gcm],
        key_ids: false,
        chunk_chars: 3933,
        empty_session: "{}",
        denied_status: 401,
        denied_location: "/error?error=CredentialsSignin&provider=credentials",
        // The client of version 4 reports success unless `error` is there.
        csrf_sign_in_location: "/signin?csrf=true&error=MissingCSRF",
        csrf_sign_out_location: "/signout?csrf=true&error=MissingCSRF",
    };

    /// `next-auth` 5 and Auth.js.
    pub const AUTHJS_V5: Self = Self {
        name: "authjs-v5",
        cookie_stem: "authjs",
        library: "Auth.js",
        session_salt: SessionSalt::CookieName,
        seals_with: ContentEncryption::A256CbcHs512,
        opens: &[ContentEncryption::A256CbcHs512, ContentEncryption::A256Gcm],
        key_ids: true,
        chunk_chars: 3936,
        empty_session: "null",
        denied_status: 200,
        denied_location: "/signin?error=CredentialsSignin&code=credentials",
        csrf_sign_in_location: "/signin?error=MissingCSRF",
        csrf_sign_out_location: "/signin?error=MissingCSRF",
    };

    /// The dialect of that name in the settings.
    pub fn named(name: &str) -> Option<Self> {
        [Self::NEXT_AUTH_V4, Self::AUTHJS_V5].into_iter().find(|dialect| dialect.name == name)
    }

    /// The session cookie's name; `secure` is whether the site is on https.
    pub fn session_cookie_name(&self, secure: Scheme) -> String {
        format!("{}{}.session-token", secure.secure_prefix(), self.cookie_stem)
    }

    /// The CSRF cookie's name, which keeps it on one host (threat-model B3).
    pub fn csrf_cookie_name(&self, secure: Scheme) -> String {
        format!("{}{}.csrf-token", secure.host_prefix(), self.cookie_stem)
    }

    /// HKDF salt and info of the session token kept in the cookie `name`.
    pub fn session_derivation(&self, name: &str) -> (String, String) {
        match self.session_salt {
            SessionSalt::Empty => (String::new(), format!("{} Generated Encryption Key", self.library)),
            SessionSalt::CookieName => self.cookie_derivation(name),
        }
    }

    /// HKDF salt and info of a token for a cookie that is not the session's: `name` is its salt.
    pub fn cookie_derivation(&self, name: &str) -> (String, String) {
        (name.to_owned(), format!("{} Generated Encryption Key ({name})", self.library))
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// How the browser reaches the sites: decides cookie prefixes and the `Secure` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain http: local work only.
    Http,
    /// https.
    Https,
}

impl Scheme {
    const fn secure_prefix(self) -> &'static str {
        match self {
            Self::Http => "",
            Self::Https => "__Secure-",
        }
    }

    /// `__Host-` where browsers keep such a cookie to one host.
    pub const fn host_prefix(self) -> &'static str {
        match self {
            Self::Http => "",
            Self::Https => "__Host-",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_nextauths() {
        let (v4, v5) = (Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5);
        assert_eq!(v4.session_cookie_name(Scheme::Http), "next-auth.session-token");
        assert_eq!(v4.session_cookie_name(Scheme::Https), "__Secure-next-auth.session-token");
        assert_eq!(v5.csrf_cookie_name(Scheme::Https), "__Host-authjs.csrf-token");
        assert_eq!(Dialect::named("authjs-v5"), Some(v5));
        assert_eq!(Dialect::named("next-auth"), None);
    }
}
