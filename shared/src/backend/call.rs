//! One request to the backend, as the settings describe it.
//!
//! Why: method, address and headers are fixed configuration; nothing a client sends picks any of them
//! (threat-model K2, K6). Only the slots of the body, and of configured headers, are filled.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::template::{Shape, Slot, Text, Values};

/// What the backend is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    SignIn,
    Refresh,
    User,
    SignOut,
}

impl Step {
    /// Its section of the settings.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::SignIn => "backend.sign_in",
            Self::Refresh => "backend.refresh",
            Self::User => "backend.user",
            Self::SignOut => "backend.sign_out",
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Encoding {
    #[default]
    Json,
    Form,
}

/// A request to come.
pub(super) struct Call {
    pub(super) step: Step,
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) accept: &'static str,
    pub(super) headers: Vec<(HeaderName, Text)>,
    pub(super) body: Option<(Shape, Encoding)>,
}

impl Call {
    /// The request with its slots filled; `None` if a value is missing or cannot stand in a header.
    pub(super) fn request(&self, client: &Client, values: &Values<'_>) -> Option<RequestBuilder> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(self.accept));
        let mut body = None;
        if let Some((shape, encoding)) = &self.body {
            let (written, kind) = match encoding {
                Encoding::Json => (shape.json(values)?, "application/json"),
                Encoding::Form => (shape.form(values)?, "application/x-www-form-urlencoded"),
            };
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            body = Some(zeroed_when_sent(written));
        }
        for (name, text) in &self.headers {
            let mut value = HeaderValue::from_str(&text.fill(values)?).ok()?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let request = client.request(self.method.clone(), self.url.clone()).headers(headers);
        Some(match body {
            Some(body) => request.body(body),
            None => request,
        })
    }

    pub(super) fn uses(&self, slot: Slot) -> bool {
        let in_headers = self.headers.iter().any(|(_, text)| text.uses(slot));
        in_headers || self.body.as_ref().is_some_and(|(shape, _)| shape.uses(slot))
    }
}

fn zeroed_when_sent(written: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(written)
}
