//! Who sends the attempt, and what an answer means to them.

use hallpass_shared::dialect::Dialect;
use hallpass_tests::{Answer, visitor::parameter};
use http::StatusCode;

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

    /// Where the answer leads: `Location`, or `url` of the JSON.
    pub(super) fn destination(self, answer: &Answer) -> Option<String> {
        if answer.status.is_redirection() {
            return Some(answer.location().to_owned());
        }
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
        json["url"].as_str().map(str::to_owned)
    }

    /// The kind of the answer; `None` for one that there must not be.
    pub(super) fn outcome(self, answer: &Answer) -> Option<Outcome> {
        use Outcome::{NextAuths, Plain};
        let destination = self.destination(answer);
        let error = destination.as_deref().and_then(|url| parameter(url, "error"));
        let says = |code: &str| error.as_deref() == Some(code);
        match answer.status {
            StatusCode::SEE_OTHER if says("CredentialsSignin") => Some(Plain(Class::Denied)),
            StatusCode::SEE_OTHER if says("MissingCSRF") => Some(NextAuths(Class::Forbidden)),
            StatusCode::SEE_OTHER if error.is_none() => Some(Plain(Class::Ok)),
            StatusCode::OK if says("CredentialsSignin") => Some(NextAuths(Class::Denied)),
            StatusCode::OK if error.is_none() && destination.is_some() => Some(Plain(Class::Ok)),
            StatusCode::UNAUTHORIZED if says("CredentialsSignin") => Some(Plain(Class::Denied)),
            StatusCode::FORBIDDEN => Some(Plain(Class::Forbidden)),
            StatusCode::METHOD_NOT_ALLOWED if answer.headers.contains_key("allow") => {
                Some(Plain(Class::Method))
            }
            StatusCode::TOO_MANY_REQUESTS if retry_after(answer).is_some() => Some(Plain(Class::Limited)),
            StatusCode::SERVICE_UNAVAILABLE => Some(Plain(Class::Unavailable)),
            status if [400, 413, 415, 422].contains(&status.as_u16()) => Some(Plain(Class::Invalid)),
            _ => None,
        }
    }
}

/// Seconds to wait, one at least.
pub(super) fn retry_after(answer: &Answer) -> Option<u64> {
    let seconds = answer.headers.get("retry-after")?.to_str().ok()?.parse().ok()?;
    (seconds > 0).then_some(seconds)
}
