//! `kind = "rest"`: a backend that answers with a status and JSON.
//!
//! Why: what Django, Rails or any other API expects differs in addresses, names of fields and statuses only, so
//! these are settings. The defaults are those of Django with simplejwt.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    clock::Clock,
    settings::{SettingsError, Span, Texts},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    call::{Call, Encoding, Step},
    grant::{Pointer, Pointers},
    http::{Calls, Granting, HttpBackend},
    reply::{Definite, Protocol},
    settings::{CallText, Common, Headers, Reader, ResponseText, TOKENS},
    template::{Shape, Slot},
};

const DENIED: [u16; 5] = [400, 401, 403, 404, 422];
const REFUSED: [u16; 1] = [401];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestText {
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    timeout: Option<Span>,
    ca_file: Option<PathBuf>,
    concurrency: Option<usize>,
    #[serde(default)]
    insecure_http_backend: bool,
    address_header: Option<String>,
    #[serde(default)]
    headers: Headers,
    sign_in: SignInText,
    refresh: Option<RefreshText>,
    user: Option<UserText>,
    sign_out: Option<SignOutText>,
    #[serde(default)]
    response: ResponseText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInText {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    encoding: Encoding,
    body: Value,
    denied_status: Option<Vec<u16>>,
    #[serde(default)]
    denied_if: BTreeMap<String, Value>,
    #[serde(default)]
    response: ResponseText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshText {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    encoding: Encoding,
    body: Option<Value>,
    refused_status: Option<Vec<u16>>,
    #[serde(default)]
    refused_if: BTreeMap<String, Value>,
    #[serde(default)]
    response: ResponseText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserText {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    pointer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOutText {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    encoding: Encoding,
    body: Option<Value>,
}

pub(super) fn read(texts: &Texts, clock: Arc<dyn Clock>) -> Result<HttpBackend, SettingsError> {
    let text: RestText = texts.get(Some("backend"))?;
    let common = Common {
        timeout: text.timeout,
        ca_file: text.ca_file,
        concurrency: text.concurrency,
        insecure_http_backend: text.insecure_http_backend,
        address_header: text.address_header,
        headers: text.headers,
    };
    let rest = Rest { reader: Reader { texts, common, protocol: Protocol::Rest }, response: text.response };
    let calls = Calls {
        sign_in: rest.sign_in(text.sign_in)?,
        refresh: text.refresh.map(|refresh| rest.refresh(refresh)).transpose()?,
        user: text.user.map(|user| rest.user(user)).transpose()?,
        sign_out: text.sign_out.map(|sign_out| rest.sign_out(sign_out)).transpose()?,
    };
    HttpBackend::new(&rest.reader, calls, clock)
}

struct Rest<'t> {
    reader: Reader<'t>,
    /// `backend.response`, for all calls that do not say otherwise.
    response: ResponseText,
}

impl Rest<'_> {
    fn sign_in(&self, text: SignInText) -> Result<Granting, SettingsError> {
        let reader = &self.reader;
        let slots = [Slot::Username, Slot::Password];
        let body = self.body(Step::SignIn, text.body, text.encoding, &slots)?;
        if let Some(slot) = slots.iter().find(|slot| !body.0.uses(**slot)) {
            return Err(reader.missing_slot("backend.sign_in.body", *slot));
        }
        let (statuses, pages) =
            reader.statuses("backend.sign_in.denied_status", text.denied_status.as_ref(), &DENIED)?;
        Ok(Granting {
            pointers: self.pointers(Step::SignIn, &text.response)?,
            definite: Definite {
                setting: "backend.sign_in.denied_status",
                statuses,
                pages,
                members: reader.members("backend.sign_in.denied_if", text.denied_if)?,
                ..Definite::default()
            },
            call: reader.call(CallText {
                step: Step::SignIn,
                url: ("backend.sign_in.url", &text.url),
                method: text.method.as_deref(),
                headers: &text.headers,
                body: Some(body),
            })?,
        })
    }

    fn refresh(&self, text: RefreshText) -> Result<Granting, SettingsError> {
        let reader = &self.reader;
        let body = text.body.map(|body| self.body(Step::Refresh, body, text.encoding, &[Slot::RefreshToken]));
        let (statuses, pages) =
            reader.statuses("backend.refresh.refused_status", text.refused_status.as_ref(), &REFUSED)?;
        let call = reader.call(CallText {
            step: Step::Refresh,
            url: ("backend.refresh.url", &text.url),
            method: text.method.as_deref(),
            headers: &text.headers,
            body: body.transpose()?,
        })?;
        if !call.uses(Slot::RefreshToken) {
            return Err(reader.missing_slot("backend.refresh.body", Slot::RefreshToken));
        }
        Ok(Granting {
            pointers: self.pointers(Step::Refresh, &text.response)?,
            definite: Definite {
                setting: "backend.refresh.refused_status",
                statuses,
                pages,
                members: reader.members("backend.refresh.refused_if", text.refused_if)?,
                ..Definite::default()
            },
            call,
        })
    }

    fn user(&self, text: UserText) -> Result<(Call, Pointer), SettingsError> {
        let call = self.reader.call(CallText {
            step: Step::User,
            url: ("backend.user.url", &text.url),
            method: text.method.as_deref(),
            headers: &text.headers,
            body: None,
        })?;
        Ok((call, self.reader.pointer("backend.user.pointer", text.pointer)?))
    }

    fn sign_out(&self, text: SignOutText) -> Result<Call, SettingsError> {
        let body = text.body.map(|body| self.body(Step::SignOut, body, text.encoding, &TOKENS));
        self.reader.call(CallText {
            step: Step::SignOut,
            url: ("backend.sign_out.url", &text.url),
            method: text.method.as_deref(),
            headers: &text.headers,
            body: body.transpose()?,
        })
    }

    fn body(
        &self,
        step: Step,
        body: Value,
        encoding: Encoding,
        slots: &[Slot],
    ) -> Result<(Shape, Encoding), SettingsError> {
        let key = format!("{}.body", step.key());
        let shape = self.reader.shape(&key, body, slots)?;
        if encoding == Encoding::Form && !shape.is_flat() {
            let problem = "cannot be written as a form; use texts and numbers only, or encoding = \"json\"";
            return Err(self.reader.texts.invalid(&key, problem));
        }
        Ok((shape, encoding))
    }

    fn pointers(&self, step: Step, own: &ResponseText) -> Result<Pointers, SettingsError> {
        let key = format!("{}.response", step.key());
        let sources = [(key.as_str(), own), ("backend.response", &self.response)];
        self.reader.pointers(step, &sources, ["/access", "/refresh", "/user"])
    }
}

#[cfg(test)]
mod tests;
