//! The cases of `header-spoofing.json`, with the names of the file or those of the defaults.
//!
//! Why: both are what people run; an alias of `Remote-User` is another text than one of `X-Auth-User`.

use std::collections::BTreeMap;

use hallpass_tests::raw::Lines;
use serde::Deserialize;
use serde_json::Value;

use crate::gate::{ACCESS_TOKEN, CLIENT, OWN_NAMES};

#[derive(Deserialize)]
pub(in crate::gate) struct File {
    pub(in crate::gate) config: Config,
    pub(in crate::gate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(in crate::gate) struct Config {
    pub(in crate::gate) identity_headers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::gate) enum Mode {
    ReverseProxy,
    ForwardAuth,
    Middleware,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::gate) struct Case {
    pub(in crate::gate) id: String,
    pub(in crate::gate) mode: Mode,
    #[serde(rename = "route")]
    _route: String,
    pub(in crate::gate) session: String,
    pub(in crate::gate) request: Request,
    pub(in crate::gate) expect: Expect,
    #[serde(rename = "tier")]
    _tier: String,
    pub(in crate::gate) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::gate) struct Request {
    pub(in crate::gate) method: String,
    pub(in crate::gate) target: String,
    pub(in crate::gate) http: String,
    pub(in crate::gate) headers: Lines,
    #[serde(default)]
    pub(in crate::gate) trailers: Lines,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "these are the file's")]
pub(in crate::gate) struct Expect {
    pub(in crate::gate) reject: bool,
    pub(in crate::gate) reject_ok: bool,
    pub(in crate::gate) upstream_exactly: Lines,
    pub(in crate::gate) upstream_absent: Vec<String>,
    pub(in crate::gate) upstream_values_absent: Lines,
    #[serde(default)]
    pub(in crate::gate) status_any_of: Vec<u16>,
    #[serde(default)]
    pub(in crate::gate) connection_closed: bool,
    #[serde(default)]
    pub(in crate::gate) upstream_no_session_cookie: bool,
    pub(in crate::gate) auth_response_status: Option<u16>,
    #[serde(default)]
    pub(in crate::gate) auth_response_exactly: Lines,
    #[serde(default)]
    pub(in crate::gate) claim_overrides: BTreeMap<String, Value>,
}

/// Which names the app reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gate) enum Names {
    /// Those of the file.
    Own,
    /// Those without any setting: `Remote-User` and so on.
    Default,
}

impl Names {
    pub(in crate::gate) fn settings(self) -> &'static str {
        match self {
            Self::Own => OWN_NAMES,
            Self::Default => "",
        }
    }

    pub(in crate::gate) fn file(self) -> File {
        const SPELLINGS: [(&str, &str); 7] = [
            ("X-Auth-", "Remote-"),
            ("X_Auth_", "Remote_"),
            ("X.Auth.", "Remote."),
            ("X-Auth_", "Remote_"),
            ("x_auth-", "remote_"),
            ("x-aUTH-", "rEMOTE-"),
            ("x-auth-", "remote-"),
        ];
        let text = include_str!("../../../vectors/header-spoofing.json")
            .replace("198.51.100.7", &CLIENT.to_string())
            .replace("{ACCESS_TOKEN}", ACCESS_TOKEN);
        if self == Self::Own {
            return serde_json::from_str(&text).unwrap();
        }
        let text = SPELLINGS.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let mut file: File = serde_json::from_str(&text).unwrap();
        // There is no such header by default, so nobody sets it.
        let is_known = |(name, _): &(String, String)| name != "Remote-Is-Admin";
        file.config.identity_headers.retain(|name| name != "Remote-Is-Admin");
        for case in &mut file.cases {
            case.expect.upstream_exactly.retain(is_known);
            case.expect.auth_response_exactly.retain(is_known);
        }
        file
    }
}
