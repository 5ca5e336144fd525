//! What an app is told about its user: headers, set once.
//!
//! Why: an app that believes `Remote-User` believes whoever can send it. Whatever a client sends under such a name, in
//! any spelling that some server would fold to it, goes first; then each name is set exactly once (threat-model H1 to
//! H3, H7, H10, H11).

use hallpass_shared::authenticator::Freshness;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{assertion::Assertion, layer::SignedIn};

mod cookie;
mod value;

pub(crate) use cookie::reduced_cookie;
use value::{in_ascii, text_of};

/// Families that are ours or an edge's, whatever the settings say.
const FAMILIES: [&str; 7] = [
    "remote-",
    "x-auth-request-",
    "x-forwarded-",
    "x-hallpass-",
    "hallpass-",
    "x-original-",
    "x-http-method",
];
/// Families that some edge cannot take away, folded: a check that carries one is refused.
const CLAIMED: [&str; 2] = ["remote_", "x_hallpass_"];
/// What an edge itself says in a check.
const EDGE_SECRET: &str = "x_hallpass_proxy_secret";
/// Headers that tell an app another client, path or method than the one that was judged.
const MISLEADING: [&str; 8] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-rewrite-url",
    "x-method-override",
    "x-cluster-client-ip",
    // Taken for a proxy's address by CGI programs.
    "proxy",
];
/// Fields that say who somebody is; any other may say what they may.
const WHO: [&str; 6] = ["/sub", "/id", "/email", "/name", "/username", "/preferred_username"];

/// The names an app reads, and where their values are.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    fields: Vec<Field>,
    assertion: Option<Assertion>,
}

/// One header.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: HeaderName,
    /// A JSON pointer.
    pub(crate) pointer: String,
}

impl Identity {
    pub(crate) fn new(fields: Vec<Field>, assertion: Option<Assertion>) -> Self {
        Self { fields, assertion }
    }

    /// The public keys for the signed assertion, where there is one.
    pub(crate) fn assertion(&self) -> Option<&Assertion> {
        self.assertion.as_ref()
    }

    /// Names that only we set.
    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields.iter().map(|field| &field.name).chain(self.assertion.iter().map(Assertion::header))
    }

    /// Takes away what a client has no business to say.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let odd: Vec<HeaderName> =
            headers.keys().filter(|name| self.is_stripped(name.as_str())).cloned().collect();
        for name in odd {
            headers.remove(name);
        }
    }

    /// Takes away the names that an app would read a user from, and nothing else.
    pub(crate) fn strip_names(&self, headers: &mut HeaderMap) {
        let forged: Vec<HeaderName> =
            headers.keys().filter(|name| self.is_managed(name.as_str())).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }

    fn is_managed(&self, name: &str) -> bool {
        self.names().any(|own| folds_to(name, own.as_str()))
    }

    fn is_stripped(&self, name: &str) -> bool {
        // `X_User` and `X.User` are `X-User` to some servers: no app can rely on such a name.
        let odd = name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-');
        odd || is_of_a_family(name) || self.is_managed(name)
    }

    /// Whether a check carries a name that only we set, or one of a family that apps believe: an edge that keeps such headers
    /// would send it on (threat-model H6).
    pub(crate) fn forged<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderName> {
        let begins =
            |name: &str, family: &str| name.get(..family.len()).is_some_and(|begin| folds_to(begin, family));
        let of_a_family =
            |name: &str| CLAIMED.iter().any(|family| begins(name, family)) && !folds_to(name, EDGE_SECRET);
        headers.keys().find(|name| self.is_managed(name.as_str()) || of_a_family(name.as_str()))
    }

    /// Sets what is known of the user; a value that is not known is not set.
    pub(crate) fn set(&self, headers: &mut HeaderMap, signed_in: &SignedIn, host: &str) {
        for field in &self.fields {
            if let Some(value) = field.value(signed_in) {
                headers.insert(field.name.clone(), value);
            }
        }
        self.assert(headers, signed_in, host);
    }

    /// Sets every name, an empty one where nothing is known: an edge may keep the client's own otherwise.
    pub(crate) fn set_all(&self, headers: &mut HeaderMap, signed_in: Option<&SignedIn>, host: &str) {
        let empty = HeaderValue::from_static("");
        for field in &self.fields {
            let value = signed_in.and_then(|user| field.value(user));
            headers.insert(field.name.clone(), value.unwrap_or_else(|| empty.clone()));
        }
        if let Some(assertion) = &self.assertion {
            headers.insert(assertion.header().clone(), empty);
        }
        if let Some(user) = signed_in {
            self.assert(headers, user, host);
        }
    }

    fn assert(&self, headers: &mut HeaderMap, signed_in: &SignedIn, host: &str) {
        let Some(assertion) = &self.assertion else { return };
        // As with the other headers: during an outage it says who somebody is, and no more.
        let tells = |name: &str| {
            signed_in.outage.is_none() || WHO.iter().any(|who| who.trim_start_matches('/') == name)
        };
        if let Some(value) = assertion.sign(&signed_in.claims, host, tells) {
            headers.insert(assertion.header().clone(), value);
        }
    }
}

impl Field {
    fn value(&self, signed_in: &SignedIn) -> Option<HeaderValue> {
        // What somebody may is known for one access token's life, no longer (threat-model T15).
        if signed_in.outage.is_some() && !WHO.contains(&self.pointer.as_str()) {
            return None;
        }
        let text = text_of(&signed_in.claims, &self.pointer)?;
        HeaderValue::try_from(in_ascii(text)).ok()
    }
}

impl SignedIn {
    /// Whether the access token is worth showing to an app.
    pub(crate) fn is_fresh(&self) -> bool {
        self.outage.is_none() && self.freshness == Freshness::Fresh
    }

    /// `Authorization` for the app.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let token = self.claims.access_token.as_ref().filter(|_| self.is_fresh())?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Whether some server takes `name` for `own`: small letters, and `_` for all but letters and digits.
fn folds_to(name: &str, own: &str) -> bool {
    name.len() == own.len() && name.bytes().map(fold).eq(own.bytes().map(fold))
}

/// Whether no client's word counts for this header, whatever the settings say.
pub(crate) fn is_of_a_family(name: &str) -> bool {
    MISLEADING.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_managed_name_goes() {
        // threat-model H1, H2, H7, H10
        let name = HeaderName::from_static("x-auth-user");
        let identity = Identity::new(vec![Field { name, pointer: "/sub".into() }], None);
        for name in [
            "x-auth-user",
            "x_auth_user",
            "x.auth.user",
            "x~auth~user",
            "x-auth_user",
            "remote-user",
            "x-forwarded-for",
            "x_forwarded_for",
            "forwarded",
            "x-real-ip",
            "x-original-url",
            "x-http-method-override",
            "x-hallpass-sub",
            "proxy",
        ] {
            assert!(identity.is_stripped(name), "{name}");
        }
        for name in ["x-auth-users", "accept", "x-request-id", "authorization", "cookie", "sec-fetch-mode"] {
            assert!(!identity.is_stripped(name), "{name}");
        }
    }
}
