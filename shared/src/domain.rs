//! The parent domain: which hosts are ours.
//!
//! Why: the session cookie goes to every host under this domain, and a sign-in may return to any of them.
//! A suffix test on text lets `evilexample.com` in, and a public suffix would give the cookie to strangers
//! (threat-model C9, O3). Matching follows RFC 6265 section 5.1.3, on whole labels.

use std::{fmt, net::IpAddr};

/// A domain under which all hosts of the deployment live, in lower-case ASCII without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentDomain(String);

/// Why a text is no parent domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// Not a host name in ASCII.
    #[error("is not a host name; write it in ASCII, without a scheme, port or leading dot")]
    NotAHostName,
    /// Browsers keep no domain cookie for an address.
    #[error("is an IP address; a cookie can only be shared under a domain name")]
    Address,
    /// Such as `localhost`.
    #[error("has a single label; browsers share no cookie there (for local work use example.localhost)")]
    SingleLabel,
    /// Such as `co.uk` or `github.io`.
    #[error("is a public suffix, under which strangers have their own domains; use a domain of your own")]
    PublicSuffix,
}

impl ParentDomain {
    /// Reads a domain name.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let name = text.to_ascii_lowercase();
        if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(DomainError::Address);
        }
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err(DomainError::NotAHostName);
        }
        if !name.contains('.') {
            return Err(DomainError::SingleLabel);
        }
        if psl::suffix_str(&name) == Some(name.as_str()) {
            return Err(DomainError::PublicSuffix);
        }
        Ok(Self(name))
    }

    /// The name, for the cookie's `Domain` attribute.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `host` is the domain or below it. The host must be ASCII, without a port.
    pub fn covers(&self, host: &str) -> bool {
        let Some(head) = host.len().checked_sub(self.0.len()) else { return false };
        let (Some(front), Some(tail)) = (host.get(..head), host.get(head..)) else { return false };
        if !tail.eq_ignore_ascii_case(&self.0) {
            return false;
        }
        match front.strip_suffix('.') {
            Some(labels) => labels.split('.').all(|label| !label.is_empty()),
            None => front.is_empty(),
        }
    }
}

impl fmt::Display for ParentDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(letters)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_domain_of_ones_own_is_taken() {
        // threat-model C9
        let error = |text| ParentDomain::parse(text).unwrap_err();
        assert_eq!(error("co.uk"), DomainError::PublicSuffix);
        assert_eq!(error("github.io"), DomainError::PublicSuffix);
        assert_eq!(error("up.railway.app"), DomainError::PublicSuffix);
        assert_eq!(error("localhost"), DomainError::SingleLabel);
        assert_eq!(error("com"), DomainError::SingleLabel);
        assert_eq!(error("192.168.0.1"), DomainError::Address);
        assert_eq!(error("[::1]"), DomainError::Address);
        for text in
            ["", ".example.com", "example..com", "https://example.com", "example.com:8080", "exämple.com"]
        {
            assert_eq!(error(text), DomainError::NotAHostName, "{text}");
        }
        assert_eq!(ParentDomain::parse("Example.COM").unwrap().as_str(), "example.com");
        assert!(ParentDomain::parse("example.localhost").is_ok());
    }

    #[test]
    fn hosts_are_matched_on_whole_labels() {
        // threat-model O3
        let domain = ParentDomain::parse("example.com").unwrap();
        for host in ["example.com", "app.example.com", "A.B.Example.Com"] {
            assert!(domain.covers(host), "{host}");
        }
        for host in ["evilexample.com", "example.com.evil.com", ".example.com", "a..example.com", "com", ""] {
            assert!(!domain.covers(host), "{host}");
        }
    }
}
