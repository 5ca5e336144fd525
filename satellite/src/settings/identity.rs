//! `[satellite.identity]` and `[satellite.assertion]`.
//!
//! Why: apps read a user from headers whose names they, or the proxy before us, chose. A preset gives the names that people
//! come with; a name of one's own joins or replaces them.

use std::{collections::BTreeMap, time::Duration};

use hallpass_shared::settings::{SettingsError, Span, Texts};
use http::HeaderName;
use serde::Deserialize;

use crate::{access::pointer, assertion::AssertionSettings, identity::Field};

const KEY: &str = "satellite.identity";

/// Header names and JSON pointers, and `preset`.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct IdentityText(BTreeMap<String, String>);

/// `[satellite.assertion]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AssertionText {
    header: String,
    ttl: Span,
}

impl Default for AssertionText {
    fn default() -> Self {
        Self { header: "X-Hallpass-Assertion".into(), ttl: Span(Duration::from_mins(1)) }
    }
}

/// What an app is told.
#[derive(Clone, Debug)]
pub(crate) struct IdentitySettings {
    pub(crate) fields: Vec<Field>,
    pub(crate) assertion: Option<AssertionSettings>,
}

const REMOTE: &[(&str, &str)] = &[
    ("remote-user", "/sub"),
    ("remote-email", "/email"),
    ("remote-name", "/name"),
    ("remote-groups", "/groups"),
];
const AUTH_REQUEST: &[(&str, &str)] = &[
    ("x-auth-request-user", "/sub"),
    ("x-auth-request-email", "/email"),
    ("x-auth-request-groups", "/groups"),
    ("x-auth-request-preferred-username", "/username"),
];
const FORWARDED: &[(&str, &str)] = &[
    ("x-forwarded-user", "/sub"),
    ("x-forwarded-email", "/email"),
    ("x-forwarded-groups", "/groups"),
    ("x-forwarded-preferred-username", "/username"),
];

pub(super) fn read(
    texts: &Texts,
    identity: Option<&IdentityText>,
    assertion: Option<&AssertionText>,
) -> Result<IdentitySettings, SettingsError> {
    let mut fields = Vec::new();
    let none = BTreeMap::new();
    let given = identity.map_or(&none, |IdentityText(given)| given);
    for (name, pointer) in preset(texts, given)? {
        fields.push(Field { name: HeaderName::from_static(name), pointer: (*pointer).into() });
    }
    for (name, text) in given.iter().filter(|(name, _)| *name != "preset") {
        let name = header(name).map_err(|problem| texts.invalid(KEY, problem))?;
        let pointer = pointer(text).map_err(|problem| texts.invalid(KEY, format!("{name}: {problem}")))?;
        fields.retain(|field: &Field| field.name != name);
        fields.push(Field { name, pointer });
    }
    let assertion = assertion.map(|text| {
        let key = "satellite.assertion";
        let header =
            header(&text.header).map_err(|problem| texts.invalid(&format!("{key}.header"), problem))?;
        if !(Duration::from_secs(5)..=Duration::from_mins(10)).contains(&text.ttl.0) {
            return Err(texts.invalid(&format!("{key}.ttl"), "must be between 5s and 10m"));
        }
        Ok(AssertionSettings { header, ttl: text.ttl.0 })
    });
    Ok(IdentitySettings { fields, assertion: assertion.transpose()? })
}

fn preset(
    texts: &Texts,
    given: &BTreeMap<String, String>,
) -> Result<impl Iterator<Item = &'static (&'static str, &'static str)>, SettingsError> {
    const NONE: &[(&str, &str)] = &[];
    let chosen = match given.get("preset").map(String::as_str) {
        None if given.is_empty() => [REMOTE, NONE],
        None => [NONE, NONE],
        Some("remote") => [REMOTE, NONE],
        Some("x-auth-request") => [AUTH_REQUEST, NONE],
        Some("x-forwarded") => [FORWARDED, NONE],
        Some("oauth2-proxy") => [AUTH_REQUEST, FORWARDED],
        Some(other) => {
            let known = "remote, x-auth-request, x-forwarded or oauth2-proxy (both of the latter)";
            return Err(
                texts.invalid(&format!("{KEY}.preset"), format!("`{other}` is not known; use {known}"))
            );
        }
    };
    Ok(chosen.into_iter().flatten())
}

/// Families that mean something else.
const FAMILIES: [&str; 4] = ["sec-", "access-control-", "x-original-", "x-hallpass-set-cookie"];

/// A name that is ours to set.
fn header(name: &str) -> Result<HeaderName, String> {
    const TAKEN: [&str; 24] = [
        "accept",
        "location",
        "proxy",
        "x-request-id",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "origin",
        "referer",
        "hallpass-stale",
        "x-hallpass-location",
        "x-hallpass-proxy-secret",
        "x-hallpass-session",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    let parsed = name.parse::<HeaderName>().map_err(|_| format!("`{name}` is not a header's name"))?;
    if parsed.as_str().contains(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
        return Err(format!("`{name}` would be dropped by edges; use letters, digits and `-`"));
    }
    let taken = |family: &&str| parsed.as_str().starts_with(*family);
    if TAKEN.contains(&parsed.as_str()) || FAMILIES.iter().any(taken) {
        return Err(format!("`{name}` means something else; choose a name such as Remote-User"));
    }
    Ok(parsed)
}

/// A trailer of requests that may go on: nothing that a head may not say either.
pub(super) fn trailer(name: &str) -> Result<HeaderName, String> {
    let parsed = header(name)?;
    if crate::identity::is_of_a_family(parsed.as_str()) {
        return Err(format!("`{name}` is never taken from a client"));
    }
    Ok(parsed)
}
