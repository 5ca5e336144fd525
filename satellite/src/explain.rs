//! `check --explain`: which rule decides about a request, and why.
//!
//! Why: rules are read in earnest when somebody is locked out, or let in. The answer comes from the code that judges.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use hallpass_shared::{authenticator::Freshness, clock::UnixTime, session::Session, token::Claims};
use http::Method;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    Settings, SignedIn, Visitor,
    access::{self, Access, Verdict},
    canonical::CanonicalPath,
    proxy::{Site, Upstream},
};

/// What becomes of `request`, such as `GET https://app.example.com/admin`, for nobody and for the user of `claims`.
pub(crate) fn explain(settings: &Settings, request: &str, claims: Option<&[u8]>) -> Result<String, String> {
    let (method, address) = parts(request)?;
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Ok(format!("answer: 405 for everybody: {method} is not taken"));
    }
    let url = Url::parse(address)
        .map_err(|_| format!("`{address}` is not an address such as https://app.example.com/admin"))?;
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    // As it was written: Url has read the path already.
    let raw = address.splitn(4, '/').nth(3).map_or_else(|| "/".to_owned(), |rest| format!("/{rest}"));
    let raw = raw.split(['?', '#']).next().unwrap_or_default();
    let mut told = String::new();
    let mut tell = |line: String| {
        let _ = writeln!(told, "{line}");
    };
    let Some(at) = served_at(settings, &host) else {
        let neither = "neither satellite.url nor in satellite.forward_auth.hosts";
        return Ok(format!("host:   {host}\nanswer: refused for everybody: the host is {neither}"));
    };
    tell(format!("host:   {host}, {at}"));
    let path = match CanonicalPath::parse(raw) {
        Ok(path) => path,
        Err(error) => {
            tell(format!("path:   {raw}\nanswer: 400 for everybody: {error}"));
            return Ok(told.trim_end().to_owned());
        }
    };
    tell(format!("path:   {}", path.as_str()));
    if !path.is_as_sent() {
        tell(format!(
            "        written {raw}: the reverse proxy sends on {}, and forward-auth answers 400",
            path.as_str()
        ));
    }
    if path.as_str().starts_with("/api/auth/") && host == Site::of(&settings.url).host {
        tell("answer: the satellite's own: no rule is asked".to_owned());
        return Ok(told.trim_end().to_owned());
    }
    let decision = settings.rules.decide(access::Request { host: &host, path: &path, method: &method });
    tell(match decision.number {
        Some(number) => format!("rule:   number {number} of {}: {}", settings.rules.len(), decision.rule),
        None => "rule:   none fits, so whoever is signed in may".to_owned(),
    });
    if method == Method::OPTIONS && decision.rule.lets_preflights_pass() {
        tell("        a CORS preflight passes unasked".to_owned());
    }
    tell(format!("nobody: {}", outcome(&decision.rule.judge(&Visitor::Anonymous), decision.rule.access())));
    if let Some(json) = claims {
        let visitor = Visitor::SignedIn(Arc::new(user(json)?));
        tell(format!("user:   {}", outcome(&decision.rule.judge(&visitor), decision.rule.access())));
    }
    Ok(told.trim_end().to_owned())
}

fn parts(request: &str) -> Result<(Method, &str), String> {
    let wrong =
        || format!("`{request}` is not a method and an address such as 'GET https://app.example.com/admin'");
    let (method, address) = request.trim().split_once(' ').ok_or_else(wrong)?;
    let capitals = method.bytes().all(|byte| byte.is_ascii_uppercase());
    let method = capitals.then(|| Method::from_bytes(method.as_bytes()).ok()).flatten();
    Ok((method.ok_or_else(wrong)?, address.trim()))
}

fn served_at(settings: &Settings, host: &str) -> Option<&'static str> {
    let edges = settings
        .forward_auth
        .as_ref()
        .is_some_and(|edges| edges.hosts.iter().any(|served| served.fits(host)));
    let own = host == Site::of(&settings.url).host;
    match (own, edges) {
        (true, true) => Some("this site, and asked about by edges"),
        (true, false) => Some("this site"),
        (false, true) => Some("asked about by edges"),
        (false, false) => None,
    }
}

fn outcome(verdict: &Verdict, access: &Access) -> String {
    match verdict {
        Verdict::Pass(_) => "passes".into(),
        Verdict::SignIn => "asked to sign in (a page load is redirected, anything else gets 401)".into(),
        Verdict::Forbidden(_) => format!("403, since it is for {access}"),
        Verdict::Unconfirmed(_) => "503, as something cannot be confirmed".into(),
    }
}

fn user(json: &[u8]) -> Result<SignedIn, String> {
    let wrong = "the file is not a JSON object of claims such as {\"sub\": \"1\", \"isAdmin\": true}";
    let claims = Claims::from_json(json).map_err(|_| wrong.to_owned())?;
    let session = Session {
        user: Map::<String, Value>::new(),
        expires: UnixTime::MAX,
        error: None,
        access_token_expires: None,
        access_token: None,
        sid: None,
        auth_time: None,
    };
    Ok(SignedIn { session, claims: Arc::new(claims), outage: None, freshness: Freshness::Fresh })
}

/// Whether the app behind can be reached, as a line for `check`.
pub(crate) async fn reach(upstream: &Upstream) -> Result<String, String> {
    let url = upstream.url();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let connected =
        tokio::time::timeout(Duration::from_secs(3), tokio::net::TcpStream::connect((host, port))).await;
    match connected {
        Ok(Ok(_)) => Ok(format!("app: {url} can be reached")),
        Ok(Err(error)) => {
            Err(format!("app: {url} cannot be reached: {error}; is it started, and is the address right?"))
        }
        Err(_) => Err(format!("app: {url} does not answer within 3 s; is the address right?")),
    }
}
