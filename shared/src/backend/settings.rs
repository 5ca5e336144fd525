//! Reads what a person wrote in `[backend]` about requests to a backend.
//!
//! Why: an address or a slot that is misspelt shows as "wrong password" for everybody, so it is found at start, with
//! key, source and remedy. Addresses are fixed here, and plain http leaves this machine only when somebody said
//! `insecure` (threat-model K1, K2).

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{
    http_client::is_protected,
    settings::{SettingsError, Span, Texts},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    call::{Call, Encoding, Step},
    grant::{Pointer, Pointers, Presence},
    reply::{Pages, Protocol},
    template::{Shape, Slot, Text},
};

pub(super) type Headers = BTreeMap<String, String>;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_CONCURRENCY: usize = 64;
/// Slots of a renewal and of a sign-out.
pub(super) const TOKENS: [Slot; 2] = [Slot::RefreshToken, Slot::AccessToken];
/// Headers that belong to the connection, not to us.
const RESERVED: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
];

/// What REST and GraphQL backends have in common.
#[derive(Default)]
pub(super) struct Common {
    pub(super) timeout: Option<Span>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) concurrency: Option<usize>,
    pub(super) insecure_http_backend: bool,
    pub(super) address_header: Option<String>,
    pub(super) headers: Headers,
}

/// Where a reply has what: JSON pointers (RFC 6901).
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ResponseText {
    pub(super) token: Option<String>,
    pub(super) refresh_token: Option<String>,
    pub(super) user: Option<String>,
    pub(super) expires_in: Option<String>,
    pub(super) refresh_expires_in: Option<String>,
}

/// One request as it is written.
pub(super) struct CallText<'c> {
    pub(super) step: Step,
    /// Its address, after the key it stands under.
    pub(super) url: (&'c str, &'c str),
    pub(super) method: Option<&'c str>,
    pub(super) headers: &'c Headers,
    pub(super) body: Option<(Shape, Encoding)>,
}

/// Turns text into requests; every error names its key.
pub(super) struct Reader<'t> {
    pub(super) texts: &'t Texts,
    pub(super) common: Common,
    pub(super) protocol: Protocol,
}

impl Reader<'_> {
    pub(super) fn timeout(&self) -> Result<Duration, SettingsError> {
        let timeout = self.common.timeout.map_or(DEFAULT_TIMEOUT, |span| span.0);
        if (Duration::from_millis(100)..=Duration::from_mins(1)).contains(&timeout) {
            Ok(timeout)
        } else {
            Err(self.texts.invalid("backend.timeout", "must be between 100ms and 60s"))
        }
    }

    pub(super) fn concurrency(&self) -> Result<usize, SettingsError> {
        let concurrency = self.common.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        if (1..=10_000).contains(&concurrency) {
            Ok(concurrency)
        } else {
            Err(self.texts.invalid("backend.concurrency", "must be between 1 and 10000"))
        }
    }

    pub(super) fn address_header(&self) -> Result<Option<HeaderName>, SettingsError> {
        let key = "backend.address_header";
        self.common.address_header.as_ref().map(|name| self.header_name(key, name)).transpose()
    }

    pub(super) fn call(&self, text: CallText<'_>) -> Result<Call, SettingsError> {
        let slots: &[Slot] = match text.step {
            Step::SignIn => &[],
            Step::Refresh => &[Slot::RefreshToken],
            Step::User => &[Slot::AccessToken],
            Step::SignOut => &TOKENS,
        };
        let mut headers = self.headers("backend.headers", &self.common.headers, &[])?;
        headers.extend(self.headers(&format!("{}.headers", text.step.key()), text.headers, slots)?);
        if text.step == Step::User && !headers.iter().any(|(name, _)| name == header::AUTHORIZATION) {
            let key = "backend.user.headers";
            headers
                .push((header::AUTHORIZATION, self.slots(key, Text::parse("Bearer {access_token}", slots))?));
        }
        Ok(Call {
            step: text.step,
            url: self.url(text.url.0, text.url.1)?,
            method: self.method(text.step, text.method)?,
            accept: match self.protocol {
                Protocol::Rest => "application/json",
                Protocol::GraphQl => "application/graphql-response+json, application/json;q=0.9",
            },
            headers,
            body: text.body,
        })
    }

    fn url(&self, key: &str, text: &str) -> Result<Url, SettingsError> {
        let invalid = |problem: &str| self.texts.invalid(key, format!("`{text}` {problem}"));
        if text.contains(['{', '}']) {
            return Err(invalid("has a slot, but addresses are written to logs; put it into the body"));
        }
        let url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| invalid("is not an address such as https://api.example.com/token/"))?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            // Not repeated: it may hold a password.
            return Err(self.texts.invalid(key, "must have neither user nor fragment; use headers"));
        }
        if !is_protected(&url) && !self.common.insecure_http_backend {
            let problem = "is plain http, so passwords and tokens could be read on the way; use https \
                           (or set backend.insecure_http_backend where the network is yours alone)";
            return Err(invalid(problem));
        }
        Ok(url)
    }

    fn method(&self, step: Step, text: Option<&str>) -> Result<Method, SettingsError> {
        let (default, known): (Method, &[Method]) = match step {
            Step::SignIn | Step::Refresh => (Method::POST, &[Method::POST, Method::PUT, Method::PATCH]),
            Step::User => (
                if self.protocol == Protocol::Rest { Method::GET } else { Method::POST },
                &[Method::GET, Method::POST],
            ),
            Step::SignOut => {
                (Method::POST, &[Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::GET])
            }
        };
        let Some(text) = text else { return Ok(default) };
        let names: Vec<&str> = known.iter().map(Method::as_str).collect();
        known.iter().find(|method| method.as_str() == text).cloned().ok_or_else(|| {
            let key = format!("{}.method", step.key());
            self.texts.invalid(&key, format!("`{text}` cannot be used here; use {}", names.join(" or ")))
        })
    }

    fn headers(
        &self,
        key: &str,
        given: &Headers,
        slots: &[Slot],
    ) -> Result<Vec<(HeaderName, Text)>, SettingsError> {
        let header = |(name, value): (&String, &String)| {
            if HeaderValue::from_str(value).is_err() {
                return Err(self.texts.invalid(key, format!("the value of `{name}` has control characters")));
            }
            Ok((self.header_name(key, name)?, self.slots(key, Text::parse(value, slots))?))
        };
        given.iter().map(header).collect()
    }

    fn header_name(&self, key: &str, name: &str) -> Result<HeaderName, SettingsError> {
        let parsed = HeaderName::try_from(name)
            .map_err(|_| self.texts.invalid(key, format!("`{name}` is no name of a header")))?;
        if RESERVED.contains(&parsed) {
            return Err(self
                .texts
                .invalid(key, format!("`{name}` belongs to the connection and cannot be set")));
        }
        Ok(parsed)
    }

    /// A body, or variables.
    pub(super) fn shape(&self, key: &str, value: Value, allowed: &[Slot]) -> Result<Shape, SettingsError> {
        self.slots(key, Shape::parse(value, allowed))
    }

    pub(super) fn missing_slot(&self, key: &str, slot: Slot) -> SettingsError {
        self.texts.invalid(key, format!("must have `{{{}}}` where the backend expects it", slot.name()))
    }

    fn slots<T>(
        &self,
        key: &str,
        parsed: Result<T, super::template::UnknownSlot>,
    ) -> Result<T, SettingsError> {
        parsed.map_err(|unknown| self.texts.invalid(key, unknown))
    }

    /// Statuses that are a definite no.
    pub(super) fn statuses(
        &self,
        key: &str,
        given: Option<&Vec<u16>>,
        default: &[u16],
    ) -> Result<(Vec<StatusCode>, Pages), SettingsError> {
        let pages = if given.is_some() { Pages::Trusted } else { Pages::Doubted };
        let status = |number: &u16| {
            let definite = (400..500).contains(number) && !matches!(number, 408 | 425 | 429);
            let status = StatusCode::from_u16(*number).ok().filter(|_| definite);
            status.ok_or_else(|| {
                let problem = format!(
                    "`{number}` cannot be a definite no; list statuses from 400 to 499, not 408, 425, 429"
                );
                self.texts.invalid(key, problem)
            })
        };
        let statuses = given.map_or(default, Vec::as_slice).iter().map(status).collect::<Result<_, _>>()?;
        Ok((statuses, pages))
    }

    /// Members of a successful reply that make it a definite no.
    pub(super) fn members(
        &self,
        key: &str,
        given: BTreeMap<String, Value>,
    ) -> Result<Vec<(String, Value)>, SettingsError> {
        given.into_iter().map(|(path, value)| Ok((self.pointer(key, path)?.path, value))).collect()
    }

    pub(super) fn pointer(&self, key: &str, path: String) -> Result<Pointer, SettingsError> {
        if path.is_empty() || path.starts_with('/') {
            Ok(Pointer { path, setting: key.to_owned() })
        } else {
            Err(self
                .texts
                .invalid(key, format!("`{path}` is no JSON pointer such as /data/token (RFC 6901)")))
        }
    }

    /// Where a granting reply has what: the first source that says so counts, then the default.
    pub(super) fn pointers(
        &self,
        step: Step,
        sources: &[(&str, &ResponseText)],
        defaults: [&str; 3],
    ) -> Result<Pointers, SettingsError> {
        let given = |name: &str, of: fn(&ResponseText) -> &Option<String>| {
            let said =
                |(key, text): &(&str, &ResponseText)| Some((format!("{key}.{name}"), of(text).clone()?));
            sources.iter().find_map(said).map(|(key, path)| self.pointer(&key, path)).transpose()
        };
        let or = |given: Option<Pointer>, name: &str, default: &str| {
            let setting = format!("{}.response.{name}", step.key());
            given.unwrap_or_else(|| Pointer { path: default.to_owned(), setting })
        };
        let [token, refresh_token, user] = defaults;
        let given_user = given("user", |text| &text.user)?;
        let is_sign_in = step == Step::SignIn;
        let needed = |needed: bool| if needed { Presence::Required } else { Presence::Optional };
        let user_presence = needed(is_sign_in && given_user.is_some());
        Ok(Pointers {
            token: or(given("token", |text| &text.token)?, "token", token),
            refresh_token: (
                or(given("refresh_token", |text| &text.refresh_token)?, "refresh_token", refresh_token),
                needed(is_sign_in),
            ),
            user: (or(given_user, "user", user), user_presence),
            expires_in: given("expires_in", |text| &text.expires_in)?,
            refresh_expires_in: given("refresh_expires_in", |text| &text.refresh_expires_in)?,
        })
    }
}
