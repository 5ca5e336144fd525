//! The cases of the file, and what is put on the wire for one.

use hallpass_tests::scripted::Reply;
use http::Method;
use serde::{Deserialize, de::IgnoredAny};

use super::{PASSWORD, style::Style};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) id: String,
    request: Template,
    /// Any of these.
    pub(super) expect: Vec<Class>,
    pub(super) must_not: Vec<MustNot>,
    pub(super) must: Vec<String>,
    #[serde(rename = "tier")]
    _tier: IgnoredAny,
    pub(super) why: String,
    /// What the backend says next.
    pub(super) backend: Option<Script>,
    /// How often at the same time.
    #[serde(default = "once")]
    pub(super) parallel: usize,
    /// How often one after the other.
    #[serde(default = "once")]
    times: usize,
    #[serde(default)]
    variants: Vec<String>,
    /// Who is signed in already.
    pub(super) session: Option<String>,
    /// What has gone before.
    pub(super) after: Option<String>,
    /// Cases of one pair cannot be told apart.
    pub(super) pair: Option<String>,
}

fn once() -> usize {
    1
}

/// Kinds of outcomes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Class {
    Ok,
    Denied,
    Invalid,
    Forbidden,
    Method,
    Limited,
    Unavailable,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum MustNot {
    Session,
    Backend,
    Offsite,
    Echo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    method: String,
    query: String,
    content_type: Option<String>,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    /// A placeholder, and a text with how often it stands there.
    #[serde(default)]
    repeat: std::collections::BTreeMap<String, (String, usize)>,
    #[serde(default)]
    no_defaults: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    status: Option<u16>,
    content_type: Option<String>,
    body: Option<String>,
    fault: Option<String>,
    location: Option<String>,
    pub(super) body_repeat: Option<(String, usize)>,
}

/// A request, but for the cookies.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Case {
    pub(super) fn all() -> Vec<Self> {
        #[derive(Deserialize)]
        struct File {
            cases: Vec<Case>,
        }
        serde_json::from_str::<File>(include_str!("../../vectors/bad-logins.json")).unwrap().cases
    }

    pub(super) fn named(id: &str) -> Self {
        Self::all().into_iter().find(|case| case.id == id).unwrap()
    }

    /// Whether the request comes with a token for its form, and the cookie to it.
    pub(super) fn has_token(&self) -> bool {
        !self.leaves_out("csrf")
    }

    pub(super) fn expects(&self, class: Class) -> bool {
        self.expect.contains(&class)
    }

    /// Whether it needs a deployment of its own: attempts are counted, or the backend is told what to say.
    pub(super) fn is_alone(&self) -> bool {
        self.is_counted() || self.backend.is_some()
    }

    /// Whether it is about the number of attempts.
    pub(super) fn is_counted(&self) -> bool {
        self.parallel > 1 || self.times > 1 || self.after.is_some()
    }

    fn leaves_out(&self, default: &str) -> bool {
        self.request.no_defaults.iter().any(|name| name == default)
    }

    /// What is sent, one after the other: to the deployment at `port`, with the form's token.
    pub(super) fn wires(&self, style: Style, port: u16, token: Option<&str>) -> Vec<Wire> {
        let variants = if self.variants.is_empty() { vec![String::new()] } else { self.variants.clone() };
        let one_round = variants.iter().map(|variant| self.wire(style, port, token, variant));
        let rounds = std::iter::repeat_n(one_round.collect::<Vec<_>>(), self.times).flatten();
        rounds.enumerate().map(|(count, wire)| wire.counted(count)).collect()
    }

    fn wire(&self, style: Style, port: u16, token: Option<&str>, variant: &str) -> Wire {
        let Template { method, query, content_type, headers, body, repeat, .. } = &self.request;
        let mut body = body.replace("{VARIANT}", variant);
        for (name, (text, count)) in repeat {
            body = body.replace(&format!("{{{name}}}"), &text.repeat(*count));
        }
        let kind = content_type.as_deref();
        let body = style.fields(token).iter().fold(body, |body, field| with_field(kind, body, field));
        let target = format!("/api/auth/callback/credentials?{query}");
        let mut sent: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.clone(), translated(value, style, port))).collect();
        let mut default = |name: &str, value: String| {
            if !self.leaves_out(name) {
                sent.push((name.into(), value));
            }
        };
        default("Origin", own_origin(port));
        default("Sec-Fetch-Site", "same-origin".into());
        sent.extend(kind.map(|kind| ("Content-Type".into(), kind.into())));
        sent.extend(style.headers());
        Wire {
            method: method.parse().unwrap(),
            target: target.trim_end_matches('?').replace("{PASSWORD}", PASSWORD),
            headers: sent,
            body: body.replace("{PASSWORD}", PASSWORD),
        }
    }
}

impl Wire {
    fn counted(mut self, count: usize) -> Self {
        for (_, value) in &mut self.headers {
            *value = value.replace("{I}", &count.to_string());
        }
        self
    }

    pub(super) fn header_list(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

fn own_origin(port: u16) -> String {
    format!("http://auth.example.localhost:{port}")
}

/// The cases speak of `https://auth.example.com`, the deployment is `http://auth.example.localhost:PORT`.
fn translated(value: &str, style: Style, port: u16) -> String {
    match value {
        "https://app.example.com" => format!("http://app.example.localhost:{port}"),
        "http://auth.example.com" => format!("https://auth.example.localhost:{port}"),
        "https://auth.example.com.evil.com" => format!("http://auth.example.localhost.evil.com:{port}"),
        other => {
            assert!(!other.contains("example.com"), "{other} has no counterpart here");
            let dialect = style.dialect();
            let name = format!("{}.session-token", dialect.cookie_stem);
            other.replace("{NAME}", &name).replace("authjs", dialect.cookie_stem)
        }
    }
}

/// The body with one more field, in front or at the end.
fn with_field(kind: Option<&str>, body: String, (name, value): &(&str, String)) -> String {
    match body.strip_prefix('{') {
        Some(members) => format!("{{\"{name}\":\"{value}\",{members}"),
        None if kind.is_some_and(|kind| kind.starts_with("multipart")) => body,
        None => format!("{body}{}{name}={value}", if body.is_empty() { "" } else { "&" }),
    }
}

impl Script {
    pub(super) fn hangs(&self) -> bool {
        self.fault.as_deref() == Some("hang")
    }

    /// What the backend is told to answer; `elsewhere` is where it may redirect to.
    pub(super) fn reply(&self, elsewhere: &str) -> Reply {
        match (self.fault.as_deref(), self.status) {
            (Some("close"), None) => Reply::Close,
            (Some("hang"), None) => Reply::Hang(std::time::Duration::from_mins(1)),
            (None, Some(status)) if self.location.is_some() => Reply::Redirect(status, elsewhere.into()),
            (None, Some(status)) => {
                let kind = match self.content_type.as_deref() {
                    None => "application/json",
                    Some("text/html") => "text/html",
                    Some(other) => panic!("{other} is not known"),
                };
                Reply::Text(status, kind, self.body.clone().unwrap())
            }
            other => panic!("{other:?} is not known"),
        }
    }
}
