//! The request that an edge asks about, in the edge's own way of telling it.
//!
//! Why: each edge has a path of its own, and only that edge's headers are read there: a client can add those of any other
//! (threat-model P5, P6). What is missing, doubled, misspelt or not canonical is refused, since the edge sends the path on
//! as the browser wrote it (P1).

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};

use crate::{
    access::is_plain,
    answers::Asked,
    canonical::{CanonicalPath, PathError},
};

const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The prefix to which Envoy adds the original path.
const ENVOY: &str = "/auth/envoy";
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// How an edge asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// nginx `auth_request`, ingress-nginx.
    Nginx,
    /// Traefik `forwardAuth`.
    Traefik,
    /// Caddy `forward_auth`.
    Caddy,
    /// HAProxy with a Lua module.
    HaProxy,
    /// Envoy `ext_authz` over HTTP, and what is built on it.
    Envoy,
}

impl Dialect {
    pub(super) const ALL: [Self; 5] = [Self::Nginx, Self::Traefik, Self::Caddy, Self::HaProxy, Self::Envoy];

    /// The edge whose path this is, and the rest of the path.
    pub(super) fn of(path: &str) -> Option<(Self, &str)> {
        let after = path.strip_prefix(ENVOY).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = after {
            return Some((Self::Envoy, if rest.is_empty() { "/" } else { rest }));
        }
        let dialect = match path {
            "/auth/nginx" => Self::Nginx,
            "/auth/traefik" => Self::Traefik,
            "/auth/caddy" => Self::Caddy,
            "/auth/haproxy" => Self::HaProxy,
            _ => return None,
        };
        Some((dialect, ""))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::HaProxy => "haproxy",
            Self::Envoy => "envoy",
        }
    }

    fn headers(self) -> &'static [HeaderName] {
        static OF_NGINX: [HeaderName; 2] = [ORIGINAL_URL, ORIGINAL_METHOD];
        static FORWARDED: [HeaderName; 4] = [METHOD, PROTO, HOST, URI];
        static OF_ENVOY: [HeaderName; 1] = [PROTO];
        match self {
            Self::Nginx => &OF_NGINX,
            Self::Traefik | Self::Caddy | Self::HaProxy => &FORWARDED,
            Self::Envoy => &OF_ENVOY,
        }
    }

    /// nginx takes no redirect from a check: it gets a 401 and the address beside it. The others get what edges are used
    /// to: 302 where nothing but the address is asked for again.
    pub(super) fn redirected(self, mut response: Response, method: &Method) -> Response {
        if response.status() == StatusCode::SEE_OTHER {
            let repeatable = method == Method::GET || method == Method::HEAD;
            *response.status_mut() = match self {
                Self::Nginx => {
                    // RFC 9110 section 15.5.2 wants one with each 401.
                    let bearer = HeaderValue::from_static("Bearer");
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
                    StatusCode::UNAUTHORIZED
                }
                _ if repeatable => StatusCode::FOUND,
                _ => StatusCode::SEE_OTHER,
            };
        }
        response
    }

    /// nginx hands no header of a refusal to the browser by itself, and joins lines of one name.
    pub(super) fn lifts_cookies_of_refusals(self) -> bool {
        self == Self::Nginx
    }
}

/// The request that the edge has.
#[derive(Debug)]
pub(super) struct OriginalRequest<'r> {
    pub(super) method: Method,
    /// `https://app.example.com`.
    pub(super) origin: String,
    /// In small letters, without port.
    pub(super) host: String,
    /// Canonical, and as the browser wrote it.
    pub(super) path: CanonicalPath<'r>,
    /// Path and query.
    pub(super) target: &'r str,
}

/// A check that does not say which request it is about; the text tells the operator what to mend.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error("the header {0} is missing; the edge must set it")]
    Missing(HeaderName),
    #[error(
        "the header {0} came twice, or holds more than one value; the edge must overwrite what clients send"
    )]
    Doubled(HeaderName),
    #[error("the header {0} came in another spelling, which the edge must remove")]
    Alias(HeaderName),
    #[error("the header {0} makes no sense")]
    Malformed(HeaderName),
    #[error("the request came over {0}, and the session's cookie is not for that")]
    Scheme(&'static str),
    #[error("the method is not in capitals")]
    Method,
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("the path is not in its canonical form, and the edge would send it on as it is")]
    NotCanonical,
}

impl<'r> OriginalRequest<'r> {
    /// Reads what the edge says; `scheme` is the deployment's.
    pub(super) fn read(
        dialect: Dialect,
        rest: &'r str,
        check: &'r Parts,
        scheme: &'static str,
    ) -> Result<Self, CheckError> {
        let headers = &check.headers;
        for name in dialect.headers() {
            refuse_aliases(headers, name)?;
        }
        let (method, proto, authority, target) = match dialect {
            Dialect::Nginx => {
                let url = one(headers, &ORIGINAL_URL)?;
                let (proto, rest) = url.split_once("://").ok_or(CheckError::Malformed(ORIGINAL_URL))?;
                let slash = rest.find('/').ok_or(CheckError::Malformed(ORIGINAL_URL))?;
                let (authority, target) = rest.split_at(slash);
                (method(headers, &ORIGINAL_METHOD)?, proto, authority, target)
            }
            Dialect::Traefik | Dialect::Caddy | Dialect::HaProxy => (
                method(headers, &METHOD)?,
                single(headers, &PROTO)?,
                single(headers, &HOST)?,
                one(headers, &URI)?,
            ),
            Dialect::Envoy => {
                let whole = check.uri.path_and_query().map_or("/", |target| target.as_str());
                let after = whole.strip_prefix(ENVOY).unwrap_or_default();
                let target = if after.starts_with('/') { after } else { rest };
                (check.method.clone(), single(headers, &PROTO)?, host_of(check)?, target)
            }
        };
        if !is_plain(&method) {
            return Err(CheckError::Method);
        }
        let origin = origin(proto, authority, scheme, dialect)?;
        let path = target.split('?').next().unwrap_or_default();
        if target.contains('#') {
            return Err(PathError::Character.into());
        }
        let path = CanonicalPath::parse(path)?;
        if !path.is_as_sent() {
            return Err(CheckError::NotCanonical);
        }
        let (origin, host) = origin;
        Ok(Self { method, origin, host, path, target })
    }

    /// For an answer to the browser.
    pub(super) fn asked<'a>(&'a self, headers: &'a HeaderMap) -> Asked<'a> {
        Asked { method: &self.method, headers, origin: &self.origin, target: self.target }
    }
}

/// `X_Forwarded_Uri` and the like, which an edge might take for the name it overwrites.
fn refuse_aliases(headers: &HeaderMap, name: &HeaderName) -> Result<(), CheckError> {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'_' };
    let alias = |other: &HeaderName| {
        other != name
            && other.as_str().len() == name.as_str().len()
            && other.as_str().bytes().map(fold).eq(name.as_str().bytes().map(fold))
    };
    if headers.keys().any(alias) { Err(CheckError::Alias(name.clone())) } else { Ok(()) }
}

/// The one value of a header, all of it visible ASCII.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, CheckError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| CheckError::Missing(name.clone()))?;
    if values.next().is_some() {
        return Err(CheckError::Doubled(name.clone()));
    }
    let visible = |text: &&str| !text.is_empty() && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    value.to_str().ok().filter(visible).ok_or_else(|| CheckError::Malformed(name.clone()))
}

/// As [`one`], where a comma would join two.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, CheckError> {
    let value = one(headers, name)?;
    if value.contains(',') { Err(CheckError::Doubled(name.clone())) } else { Ok(value) }
}

fn method(headers: &HeaderMap, name: &HeaderName) -> Result<Method, CheckError> {
    let text = single(headers, name)?;
    let malformed = || CheckError::Malformed(name.clone());
    if text.len() > 32 {
        return Err(malformed());
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| malformed())
}

fn host_of(check: &Parts) -> Result<&str, CheckError> {
    match check.uri.authority() {
        Some(authority) => Ok(authority.as_str()),
        None => single(&check.headers, &header::HOST),
    }
}

/// The site, and its host's name.
fn origin(
    proto: &str,
    authority: &str,
    scheme: &'static str,
    dialect: Dialect,
) -> Result<(String, String), CheckError> {
    let of = || if dialect == Dialect::Nginx { ORIGINAL_URL } else { HOST };
    let (proto, default_port) = match proto {
        "https" | "wss" => ("https", "443"),
        "http" | "ws" => ("http", "80"),
        _ => return Err(CheckError::Malformed(if dialect == Dialect::Nginx { ORIGINAL_URL } else { PROTO })),
    };
    if proto != scheme {
        return Err(CheckError::Scheme(if proto == "http" { "http" } else { "https" }));
    }
    let (name, port) = authority.split_once(':').map_or((authority, None), |(name, port)| (name, Some(port)));
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let is_port =
        |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_name || !port.is_none_or(is_port) {
        return Err(CheckError::Malformed(of()));
    }
    let port = port.filter(|port| *port != default_port).map(|port| format!(":{port}")).unwrap_or_default();
    Ok((format!("{proto}://{name}{port}"), name))
}
