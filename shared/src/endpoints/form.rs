//! The body of a sign-in, sign-out or update: a form or a JSON object, read strictly.
//!
//! Why: a field given twice, an operator object where a text belongs, or JSON under a type that any page may send
//! across origins are how checks are walked around (threat-model S7, B1). What is read here is the only reading.

use std::fmt;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, Limited};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use crate::{rejection::Rejection, secret::Secret};

/// Most bytes of a body.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The text fields of a body, each at most once, never printed.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, Secret)>);

impl Form {
    /// The field's value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(known, value)| (known == name).then(|| value.expose()))
    }

    /// The first of these fields that is there.
    pub fn either(&self, names: [&str; 2]) -> Option<&str> {
        names.into_iter().find_map(|name| self.text(name))
    }

    fn add(&mut self, name: String, value: String) -> Result<(), Rejection> {
        if self.text(&name).is_some() {
            return Err(Rejection::Malformed("a field twice"));
        }
        self.0.push((name, Secret::new(value)));
        Ok(())
    }

    fn from_urlencoded(body: &[u8]) -> Result<Self, Rejection> {
        let mut form = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            let (name, value) = (half()?, half()?);
            form.add(name, value)?;
        }
        Ok(form)
    }

    fn from_json(body: &[u8]) -> Result<Self, Rejection> {
        let pairs: Pairs =
            serde_json::from_slice(body).map_err(|_| Rejection::Malformed("not a JSON object of texts"))?;
        let mut form = Self::default();
        pairs.0.into_iter().try_for_each(|(name, value)| form.add(name, value))?;
        Ok(form)
    }
}

/// `+` is a blank, `%XX` a byte; what comes out must be UTF-8 (WHATWG URL section 5.1, but strict).
fn decode(text: &[u8]) -> Result<String, Rejection> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    String::from_utf8(bytes).map_err(|_| Rejection::Malformed("not UTF-8"))
}

/// Members of a JSON object in order, duplicates kept for [`Form::add`] to refuse.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    // What an app hands to `update()` may be anything, and is not ours.
                    if name == "data" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    pairs.push((name, map.next_value::<String>()?));
                    if pairs.len() > 64 {
                        return Err(A::Error::custom("too many members"));
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Rejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Rejection> {
        let read = kind(request.headers())?;
        let too_large = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
            .is_some_and(|length| length > MAX_BODY_BYTES);
        if too_large {
            return Err(Rejection::BodyTooLarge);
        }
        let body: Body = request.into_body();
        let bytes = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
            let limit = error.downcast_ref::<http_body_util::LengthLimitError>();
            limit.map_or(Rejection::Malformed("the body broke off"), |_| Rejection::BodyTooLarge)
        })?;
        let bytes = zeroize::Zeroizing::new(bytes.to_bytes().to_vec());
        read(&bytes)
    }
}

type Reader = fn(&[u8]) -> Result<Form, Rejection>;

/// How to read a body of this type: exactly a form or JSON, nothing a page of another origin could send unasked.
fn kind(headers: &HeaderMap) -> Result<Reader, Rejection> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return Err(Rejection::MediaType) };
    let essence = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Form::from_urlencoded)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Form::from_json)
    } else {
        Err(Rejection::MediaType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_strictly() {
        // threat-model S5, S7
        let form = Form::from_urlencoded(b"username=a%40b.c&password=+%20x%26+&empty=&flag").unwrap();
        assert_eq!(form.text("username"), Some("a@b.c"));
        assert_eq!(form.text("password"), Some("  x& "));
        assert_eq!((form.text("empty"), form.text("flag"), form.text("other")), (Some(""), Some(""), None));
        assert!(Form::from_urlencoded(b"a=1&a=2").is_err());
        assert!(Form::from_urlencoded(b"a=%ff").is_err());
    }

    #[test]
    fn json_is_an_object_of_texts() {
        // threat-model S7
        let form = Form::from_json(br#"{"csrfToken":"t","data":{"any":[1]}}"#).unwrap();
        assert_eq!(form.text("csrfToken"), Some("t"));
        for bad in [
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a":"1","a":"2"}"#,
            "[]",
            r#"{"a":"1"}{}"#,
            r#"{"a":"\ud800"}"#,
        ] {
            assert!(Form::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = format!(r#"{{"a":{}"#, "[".repeat(10_000));
        assert!(Form::from_json(deep.as_bytes()).is_err());
    }
}
