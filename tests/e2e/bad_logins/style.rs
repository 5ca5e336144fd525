//! Who sends the attempt, and what an answer means to them.

use hallpass_shared::dialect::Dialect;
use hallpass_tests::{Answer, visitor::parameter};

use super::case::Class;

/// The three that post to the sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The sign-in page: redirects.
    Page,
    /// `signIn` of `next-auth` 4: JSON, asked for in the body.
    ClientV4,
    /// `signIn` of `next-auth` 5: JSON, asked for in a header.
    ClientV5,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As HTTP says it.
    Plain(Class),
    /// As NextAuth says it on its endpoints, where its own clients expect it.
    NextAuths(Class),
}

impl Style {
    pub(super) fn dialect(self) -> Dialect {
        if self == Self::ClientV5 { Dialect::AUTHJS_V5 } else { Dialect::NEXT_AUTH_V4 }
    }

    /// What it adds to a body.
    pub(super) fn fields(self, token: Option<&str>) -> Vec<(&'static str, String)> {
        let token = token.map(|token| ("csrfToken", token.to_owned()));
        let json = (self == Self::ClientV4).then(|| ("json", "true".to_owned()));
        token.into_iter().chain(json).collect()
    }

    /// What it adds to the headers.
    pub(super) fn headers(self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self {
            Self::Page => vec![pair("Accept", "text/html,*/*;q=0.8"), pair("Sec-Fetch-Mode", "navigate")],
            Self::ClientV4 => vec![pair("Sec-Fetch-Mode", "cors")],
            Self::ClientV5 => vec![pair("Sec-Fetch-Mode", "cors"), pair("X-Auth-Return-Redirect", "1")],
        }
    }
}

/// Where an answer leads: `Location`, or `url` of the JSON.
pub(super) fn destination(answer: &Answer) -> Option<String> {
    if answer.status.is_redirection() {
        return Some(answer.location().to_owned());
    }
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    json["url"].as_str().map(str::to_owned)
}

/// The kind of an answer; `None` for one that there must not be.
pub(super) fn outcome(answer: &Answer) -> Option<Outcome> {
    use Outcome::{NextAuths, Plain};
    let destination = destination(answer);
    let error = destination.as_deref().and_then(|url| parameter(url, "error"));
    match (answer.status.as_u16(), error.as_deref()) {
        (303 | 401, Some("CredentialsSignin")) => Some(Plain(Class::Denied)),
        (200, Some("CredentialsSignin")) => Some(NextAuths(Class::Denied)),
        (303, Some("MissingCSRF")) => Some(NextAuths(Class::Forbidden)),
        (200 | 303, None) if destination.is_some() => Some(Plain(Class::Ok)),
        (403, _) => Some(Plain(Class::Forbidden)),
        (405, _) if answer.headers.contains_key("allow") => Some(Plain(Class::Method)),
        (429, _) if retry_after(answer).is_some() => Some(Plain(Class::Limited)),
        (503, _) => Some(Plain(Class::Unavailable)),
        (400 | 413 | 415 | 422, _) => Some(Plain(Class::Invalid)),
        _ => None,
    }
}

/// Seconds to wait, one at least.
pub(super) fn retry_after(answer: &Answer) -> Option<u64> {
    let seconds = answer.headers.get("retry-after")?.to_str().ok()?.parse().ok()?;
    (seconds > 0).then_some(seconds)
}
