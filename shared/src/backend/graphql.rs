//! `kind = "graphql"`: a backend that answers 200 and tells errors in the reply.
//!
//! Why: one address takes every request, and a wrong password differs from a fault only in an error's code
//! (GraphQL specification, section 7.1.2). Credentials travel as variables, never inside the query's text
//! (threat-model S8).

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    clock::Clock,
    settings::{SettingsError, Span, Texts},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{
    call::{Call, Encoding, Step},
    grant::Pointer,
    http::{Calls, Granting, HttpBackend},
    reply::{Definite, Protocol},
    settings::{CallText, Common, Headers, Reader, ResponseText, TOKENS},
    template::{Shape, Slot},
};

const DENIED: [&str; 3] = ["INVALID_CREDENTIALS", "UNAUTHENTICATED", "BAD_USER_INPUT"];
const REFUSED: [&str; 2] = ["TOKEN_NOT_VALID", "INVALID_TOKEN"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphQlText {
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
    url: String,
    sign_in: SignInText,
    refresh: Option<RefreshText>,
    user: Option<UserText>,
    sign_out: Option<SignOutText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInText {
    query: String,
    variables: Map<String, Value>,
    #[serde(default)]
    headers: Headers,
    denied_codes: Option<Vec<String>>,
    #[serde(default)]
    denied_messages: Vec<String>,
    #[serde(default)]
    denied_if: BTreeMap<String, Value>,
    #[serde(default)]
    response: ResponseText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshText {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
    #[serde(default)]
    headers: Headers,
    refused_codes: Option<Vec<String>>,
    #[serde(default)]
    refused_messages: Vec<String>,
    #[serde(default)]
    refused_if: BTreeMap<String, Value>,
    #[serde(default)]
    response: ResponseText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserText {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
    #[serde(default)]
    headers: Headers,
    pointer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOutText {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
    #[serde(default)]
    headers: Headers,
}

pub(super) fn read(texts: &Texts, clock: Arc<dyn Clock>) -> Result<HttpBackend, SettingsError> {
    let text: GraphQlText = texts.get(Some("backend"))?;
    let common = Common {
        timeout: text.timeout,
        ca_file: text.ca_file,
        concurrency: text.concurrency,
        insecure_http_backend: text.insecure_http_backend,
        address_header: text.address_header,
        headers: text.headers,
    };
    let graphql = GraphQl { reader: Reader { texts, common, protocol: Protocol::GraphQl }, url: text.url };
    let calls = Calls {
        sign_in: graphql.sign_in(text.sign_in)?,
        refresh: text.refresh.map(|refresh| graphql.refresh(refresh)).transpose()?,
        user: text.user.map(|user| graphql.user(user)).transpose()?,
        sign_out: text.sign_out.map(|sign_out| graphql.sign_out(sign_out)).transpose()?,
    };
    HttpBackend::new(&graphql.reader, calls, clock)
}

struct GraphQl<'t> {
    reader: Reader<'t>,
    url: String,
}

/// An operation as it is written.
struct Operation<'o> {
    step: Step,
    query: String,
    variables: Map<String, Value>,
    headers: &'o Headers,
    slots: &'o [Slot],
}

impl GraphQl<'_> {
    fn sign_in(&self, text: SignInText) -> Result<Granting, SettingsError> {
        let slots = [Slot::Username, Slot::Password];
        let call = self.call(Operation {
            step: Step::SignIn,
            query: text.query,
            variables: text.variables,
            headers: &text.headers,
            slots: &slots,
        })?;
        if let Some(slot) = slots.iter().find(|slot| !call.uses(**slot)) {
            return Err(self.reader.missing_slot("backend.sign_in.variables", *slot));
        }
        let defaults = ["/data/signIn/access", "/data/signIn/refresh", "/data/signIn/user"];
        Ok(Granting {
            call,
            definite: Definite {
                setting: "backend.sign_in.denied_codes",
                codes: text.denied_codes.unwrap_or_else(|| DENIED.map(str::to_owned).into()),
                messages: text.denied_messages,
                members: self.reader.members("backend.sign_in.denied_if", text.denied_if)?,
                ..Definite::default()
            },
            pointers: self.reader.pointers(
                Step::SignIn,
                &[("backend.sign_in.response", &text.response)],
                defaults,
            )?,
        })
    }

    fn refresh(&self, text: RefreshText) -> Result<Granting, SettingsError> {
        let call = self.call(Operation {
            step: Step::Refresh,
            query: text.query,
            variables: text.variables,
            headers: &text.headers,
            slots: &[Slot::RefreshToken],
        })?;
        if !call.uses(Slot::RefreshToken) {
            return Err(self.reader.missing_slot("backend.refresh.variables", Slot::RefreshToken));
        }
        let defaults = ["/data/refresh/access", "/data/refresh/refresh", "/data/refresh/user"];
        Ok(Granting {
            call,
            definite: Definite {
                setting: "backend.refresh.refused_codes",
                codes: text.refused_codes.unwrap_or_else(|| REFUSED.map(str::to_owned).into()),
                messages: text.refused_messages,
                members: self.reader.members("backend.refresh.refused_if", text.refused_if)?,
                ..Definite::default()
            },
            pointers: self.reader.pointers(
                Step::Refresh,
                &[("backend.refresh.response", &text.response)],
                defaults,
            )?,
        })
    }

    fn user(&self, text: UserText) -> Result<(Call, Pointer), SettingsError> {
        let pointer =
            self.reader.pointer("backend.user.pointer", text.pointer.unwrap_or_else(|| "/data/me".into()))?;
        let operation = Operation {
            step: Step::User,
            query: text.query,
            variables: text.variables,
            headers: &text.headers,
            slots: &[],
        };
        Ok((self.call(operation)?, pointer))
    }

    fn sign_out(&self, text: SignOutText) -> Result<Call, SettingsError> {
        self.call(Operation {
            step: Step::SignOut,
            query: text.query,
            variables: text.variables,
            headers: &text.headers,
            slots: &TOKENS,
        })
    }

    fn call(&self, operation: Operation<'_>) -> Result<Call, SettingsError> {
        let key = format!("{}.variables", operation.step.key());
        let variables = self.reader.shape(&key, Value::Object(operation.variables), operation.slots)?;
        let query = Shape::Fixed(Value::String(operation.query));
        let body = Shape::Object(vec![("query".into(), query), ("variables".into(), variables)]);
        self.reader.call(CallText {
            step: operation.step,
            url: ("backend.url", &self.url),
            method: None,
            headers: operation.headers,
            body: Some((body, Encoding::Json)),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::Secret;
    use serde_json::json;

    use super::super::{
        BackendError, HttpBackend as Backend,
        scripted::{self, Scripted},
    };

    const TWIN: &str = r#"
        [backend]
        kind = "graphql"
        url = "URL/graphql"
        [backend.sign_in]
        query = "mutation($email: String!, $password: String!) { signIn(email: $email, password: $password) { access refresh user { id } } }"
        variables = { email = "{username}", password = "{password}" }
        [backend.refresh]
        query = "mutation($token: String!) { refresh(refreshToken: $token) { access refresh } }"
        variables = { token = "{refresh_token}" }
        [backend.user]
        query = "{ me { id name } }"
    "#;

    async fn sign_in(backend: &Backend) -> Result<crate::refresh::Grant, BackendError> {
        backend.sign_in(&Secret::new("a@b.c"), &Secret::new("\"){__typename}"), None).await
    }

    #[tokio::test]
    async fn credentials_travel_as_variables() {
        // threat-model S8
        let signed_in = json!({"data": {"signIn": {"access": "a", "refresh": "r", "user": {"id": "7"}}}});
        let me = json!({"data": {"me": {"id": "7", "name": "Zoë"}}});
        let refreshed = json!({"data": {"refresh": {"access": "b", "refresh": "r2"}}});
        let server =
            Scripted::start([signed_in, me.clone(), refreshed, me].map(|body| scripted::json(200, &body)))
                .await;
        let backend = server.backend(TWIN);
        let grant = sign_in(&backend).await.unwrap();
        assert_eq!(grant.user.as_ref().unwrap()["name"], "Zoë");
        let renewed = backend.refresh(grant.refresh_token.as_ref().unwrap()).await.unwrap();
        assert_eq!(renewed.refresh_token.unwrap().expose(), "r2");
        let asked = server.asked();
        assert_eq!(asked[0].json()["variables"], json!({"email": "a@b.c", "password": "\"){__typename}"}));
        assert!(!asked[0].json()["query"].as_str().unwrap().contains("__typename"));
        assert_eq!(asked[1].header("authorization"), Some("Bearer a"));
        assert_eq!(asked[1].json(), json!({"query": "{ me { id name } }", "variables": {}}));
        assert_eq!(asked[2].json()["variables"], json!({"token": "r"}));
        assert!(asked[0].header("accept").unwrap().starts_with("application/graphql-response+json"));
    }

    #[tokio::test]
    async fn a_listed_code_is_a_denial_and_all_else_an_outage() {
        // threat-model R4
        let error =
            |code: &str| json!({"data": null, "errors": [{"message": "m", "extensions": {"code": code}}]});
        let answers = ["INVALID_CREDENTIALS", "TOKEN_NOT_VALID", "INTERNAL_SERVER_ERROR"].map(error);
        let server = Scripted::start(answers.map(|body| scripted::json(200, &body))).await;
        let backend = server.backend(TWIN);
        assert_eq!(sign_in(&backend).await.unwrap_err(), BackendError::Denied);
        assert_eq!(backend.refresh(&Secret::new("r")).await.unwrap_err(), BackendError::Denied);
        assert!(matches!(sign_in(&backend).await, Err(BackendError::Unavailable(_))));
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let changed = |from: &str, to: &str| {
            scripted::read(&TWIN.replace("URL", "https://b.example").replace(from, to)).unwrap_err()
        };
        assert!(changed("\"https://b.example/graphql\"", "\"graphql\"").contains("`backend.url`"));
        assert!(changed("\"{password}\"", "\"x\"").contains("`backend.sign_in.variables`"));
        assert!(changed("{ token = \"{refresh_token}\" }", "{}").contains("`backend.refresh.variables`"));
        assert!(
            changed("[backend.user]", "[backend.user]\npointer = \"me\"").contains("`backend.user.pointer`")
        );
        assert!(changed("kind = \"graphql\"", "kind = \"graphql\"\nbody = 1").contains("backend.body"));
    }
}
