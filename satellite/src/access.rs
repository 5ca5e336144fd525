//! Who may make a request: the rules of `[[satellite.rules]]`, compiled at start.
//!
//! Why: the reverse proxy, forward-auth and the library must give one answer to one request. The first rule that fits
//! decides; where none does, somebody must be signed in (threat-model P7). A rule that opens fits exactly; one that
//! protects fits whatever an app could take for its path (P3, P4).

use std::{fmt, sync::Arc};

use hallpass_shared::refusal::{Doubt, Outage};
use http::{HeaderMap, Method, header};

use crate::{
    canonical::{CanonicalPath, PathPattern},
    layer::{SignedIn, Visitor},
    rules::Rule,
};

mod text;

pub(crate) use text::{RuleText, canonical, compile, pointer};

/// Whom a rule lets through.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whose claims fulfil this.
    Require(Rule),
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessRule {
    host: Option<HostPattern>,
    path: PathPattern,
    methods: Option<Vec<Method>>,
    access: Access,
    bearer: Bearer,
    preflight: Preflight,
}

/// Whether the app is given the backend's access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    Sent,
    Kept,
}

/// Whether a CORS preflight, which has no cookies, passes unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preflight {
    Passes,
    IsJudged,
}

/// One host, or all below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Exact(String),
    Below(String),
}

impl HostPattern {
    /// `host` is in small letters and without port.
    pub(crate) fn fits(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => host == exact,
            Self::Below(domain) => {
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (name, below) = text.strip_prefix("*.").map_or((text.as_str(), false), |rest| (rest, true));
        let is_name = !name.is_empty()
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            });
        is_name.then(|| if below { Self::Below(name.into()) } else { Self::Exact(name.into()) })
    }

    /// Whether requests to `host`, or some below it, fit.
    pub(crate) fn covers(&self, host: &str) -> bool {
        self.fits(host) || matches!(self, Self::Below(domain) if host == domain)
    }

    /// The domain that is named.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Exact(name) | Self::Below(name) => name,
        }
    }
}

/// All rules of a satellite, in order.
#[derive(Clone, Debug)]
pub struct AccessRules {
    rules: Arc<[AccessRule]>,
    otherwise: Arc<AccessRule>,
}

/// What is asked of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// In small letters, without port.
    pub host: &'r str,
    /// What is wanted.
    pub path: &'r CanonicalPath<'r>,
    /// How.
    pub method: &'r Method,
}

/// The rule that decides.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'r> {
    /// Its number, from 1; nothing if no rule fits.
    pub number: Option<usize>,
    /// The rule.
    pub rule: &'r AccessRule,
}

/// Whether a method is one in capitals, as all are (RFC 9110 section 9.1): to some apps `delete` is `DELETE`, and to a rule
/// it is not.
pub(crate) fn is_plain(method: &Method) -> bool {
    method.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It goes on, for this user, as far as one is known.
    Pass(Option<Arc<SignedIn>>),
    /// Somebody must sign in.
    SignIn,
    /// The user may not.
    Forbidden(Arc<SignedIn>),
    /// What the rule needs to know cannot be told just now.
    Unconfirmed(Outage),
}

impl AccessRules {
    /// The rule that decides about a request.
    pub fn decide(&self, request: Request<'_>) -> Decision<'_> {
        let found = self.rules.iter().position(|rule| rule.fits(&request));
        match found.and_then(|index| Some((index + 1, self.rules.get(index)?))) {
            Some((number, rule)) => Decision { number: Some(number), rule },
            None => Decision { number: None, rule: &self.otherwise },
        }
    }

    /// The hosts that rules name.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.rules.iter().filter_map(|rule| rule.host.as_ref())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl AccessRule {
    fn fits(&self, request: &Request<'_>) -> bool {
        let path = match self.access {
            Access::Public => self.path.is_exactly(request.path),
            Access::SignedIn | Access::Require(_) => self.path.could_be(request.path),
        };
        path && self.host.as_ref().is_none_or(|host| host.fits(request.host))
            && self.methods.as_ref().is_none_or(|methods| {
                // HEAD is GET without a body (RFC 9110 section 9.3.2).
                methods.contains(request.method)
                    || (request.method == Method::HEAD && methods.contains(&Method::GET))
            })
    }

    /// Whom it lets through.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether the app gets the access token.
    pub(crate) fn sends_bearer(&self) -> bool {
        self.bearer == Bearer::Sent
    }

    /// What becomes of a request by `visitor`.
    pub(crate) fn judge(&self, visitor: &Visitor) -> Verdict {
        let signed_in = match visitor {
            Visitor::SignedIn(signed_in) => signed_in,
            Visitor::Anonymous | Visitor::Refused(_) if self.access == Access::Public => {
                return Verdict::Pass(None);
            }
            Visitor::Anonymous | Visitor::Refused(_) => return Verdict::SignIn,
        };
        let known = Verdict::Pass(Some(Arc::clone(signed_in)));
        let stands = signed_in.outage.is_none_or(|outage| outage.doubt != Doubt::Standing);
        match (&self.access, signed_in.outage) {
            (Access::Public, _) => {
                if stands {
                    known
                } else {
                    Verdict::Pass(None)
                }
            }
            (_, Some(outage)) if !stands => Verdict::Unconfirmed(outage),
            // What a role is worth is known for one access token's life, no longer (threat-model T15).
            (Access::Require(_), Some(outage)) => Verdict::Unconfirmed(outage),
            (Access::Require(rule), None) if !rule.admits(&signed_in.claims) => {
                Verdict::Forbidden(Arc::clone(signed_in))
            }
            _ if self.sends_bearer() && !signed_in.is_fresh() => {
                Verdict::Unconfirmed(signed_in.outage.unwrap_or(Outage::of("the backend")))
            }
            _ => known,
        }
    }

    /// Whether preflights pass.
    #[cfg(feature = "bin")]
    pub(crate) fn lets_preflights_pass(&self) -> bool {
        self.preflight == Preflight::Passes
    }

    /// Whether this is a CORS preflight that passes unasked: browsers send it without cookies.
    pub(crate) fn passes_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        self.preflight == Preflight::Passes
            && method == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("everybody"),
            Self::SignedIn => f.write_str("whoever is signed in"),
            Self::Require(rule) => write!(f, "whoever has {rule}"),
        }
    }
}

/// As `check --explain` says it.
impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(methods) = &self.methods {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            write!(f, "{} ", names.join(", "))?;
        }
        match &self.host {
            Some(HostPattern::Exact(host)) => f.write_str(host)?,
            Some(HostPattern::Below(domain)) => write!(f, "*.{domain}")?,
            None => {}
        }
        write!(f, "{}", self.path)?;
        write!(f, ": {}", self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_below_a_domain_has_a_label_of_its_own() {
        let below = HostPattern::parse("*.Example.com").unwrap();
        assert!(below.fits("app.example.com") && below.fits("a.b.example.com"));
        for other in ["example.com", ".example.com", "badexample.com", "example.com.evil.test"] {
            assert!(!below.fits(other), "{other}");
        }
        for bad in ["", "*", "*.", "a..b", "a/b", "a:80", "https://a"] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }
}
