//! `[[satellite.rules]]` as written, and its way to [`AccessRules`].
//!
//! Why: a rule that says nothing, or two things at once, or a path that no request can have, stops the start: a rule that
//! silently never fits leaves open what it was to protect (threat-model P8).

use std::sync::Arc;

use hallpass_shared::settings::{SettingsError, Texts};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Access, AccessRule, AccessRules, Bearer, HostPattern, Preflight};
use crate::{
    canonical::{CanonicalPath, PathPattern},
    rules::Rule,
};

const KEY: &str = "satellite.rules";

/// A rule as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuleText {
    host: Option<String>,
    path: Option<String>,
    exact: Option<String>,
    methods: Option<Vec<String>>,
    access: Option<AccessText>,
    require: Option<ConditionText>,
    bearer: Option<bool>,
    preflight: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum AccessText {
    Public,
    SignedIn,
}

/// A condition as written: a claim and one thing about it, or a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConditionText {
    claim: Option<String>,
    equals: Option<Value>,
    any_of: Option<Vec<Value>>,
    contains: Option<Value>,
    all: Option<Vec<Self>>,
    any: Option<Vec<Self>>,
}

/// Compiles the rules. `bearer` is what a rule means that says nothing of it.
pub(crate) fn compile(
    texts: &Texts,
    rules: &[RuleText],
    bearer: Bearer,
) -> Result<AccessRules, SettingsError> {
    let mut compiled = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let rule = rule.compile(bearer);
        compiled.push(rule.map_err(|problem| texts.invalid(KEY, format!("rule {}: {problem}", index + 1)))?);
    }
    let otherwise = AccessRule {
        host: None,
        path: PathPattern::everything(),
        methods: None,
        access: Access::SignedIn,
        bearer,
        preflight: Preflight::IsJudged,
    };
    Ok(AccessRules { rules: compiled.into(), otherwise: Arc::new(otherwise) })
}

impl RuleText {
    fn compile(&self, bearer: Bearer) -> Result<AccessRule, String> {
        let access = match (self.access, &self.require) {
            (Some(AccessText::Public), None) => Access::Public,
            (Some(AccessText::SignedIn), None) => Access::SignedIn,
            (None, Some(condition)) => Access::Require(condition.compile()?),
            (Some(_), Some(_)) => return Err("give access or require, not both".into()),
            (None, None) => {
                return Err("say who may: access = \"public\", access = \"signed-in\", or require".into());
            }
        };
        let host = self.host.as_deref().map(|host| {
            HostPattern::parse(host)
                .ok_or_else(|| format!("`{host}` is not a host such as app.example.com or *.example.com"))
        });
        if self.preflight
            && self.methods.as_ref().is_some_and(|methods| !methods.iter().any(|name| name == "OPTIONS"))
        {
            return Err("preflight needs OPTIONS among its methods, which is what a preflight is".into());
        }
        Ok(AccessRule {
            host: host.transpose()?,
            path: self.path()?,
            methods: self.methods.as_deref().map(methods).transpose()?,
            access,
            bearer: match self.bearer {
                Some(true) => Bearer::Sent,
                Some(false) => Bearer::Kept,
                None => bearer,
            },
            preflight: if self.preflight { Preflight::Passes } else { Preflight::IsJudged },
        })
    }

    fn path(&self) -> Result<PathPattern, String> {
        match (&self.path, &self.exact) {
            (Some(_), Some(_)) => Err("give path or exact, not both".into()),
            (Some(path), None) => Ok(PathPattern::below(&canonical(path)?)),
            (None, Some(path)) => Ok(PathPattern::only(&canonical(path)?)),
            (None, None) => Ok(PathPattern::everything()),
        }
    }
}

/// As requests have it: what is not ASCII is escaped.
pub(crate) fn canonical(path: &str) -> Result<CanonicalPath<'static>, String> {
    // What no request has as it is: browsers escape it.
    const OTHER: percent_encoding::AsciiSet =
        percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');
    if path.contains('*') {
        let problem = "has a `*`, and nothing stands for any name: a path covers all below it (write %2A for the character)";
        return Err(format!("`{path}` {problem}"));
    }
    let escaped = percent_encoding::utf8_percent_encode(path, &OTHER).to_string();
    let read = CanonicalPath::parse(&escaped).map_err(|error| format!("`{path}`: {error}"))?;
    if !read.is_as_sent() {
        return Err(format!("`{path}` is read as `{}`; write it like that", read.as_str()));
    }
    if read.as_str().contains(';') {
        return Err(format!("`{path}` has a `;`, and what follows one is no part of a path's name"));
    }
    Ok(read.into_owned())
}

fn methods(names: &[String]) -> Result<Vec<Method>, String> {
    if names.is_empty() {
        return Err("methods is empty, so the rule would never fit; leave it out for all methods".into());
    }
    let method = |name: &String| {
        let capitals = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        let method = capitals.then(|| Method::from_bytes(name.as_bytes()).ok()).flatten();
        method.ok_or_else(|| format!("`{name}` is not a method such as GET"))
    };
    names.iter().map(method).collect()
}

impl ConditionText {
    fn compile(&self) -> Result<Rule, String> {
        let list = |rules: &[Self], name: &str| {
            if rules.is_empty() {
                return Err(format!("require.{name} is empty"));
            }
            rules.iter().map(Self::compile).collect::<Result<Vec<_>, _>>()
        };
        let said = [self.equals.is_some(), self.any_of.is_some(), self.contains.is_some()];
        let of_claim = said.into_iter().filter(|said| *said).count();
        match (&self.claim, &self.all, &self.any, of_claim) {
            (Some(claim), None, None, 1) => self.about(pointer(claim)?),
            (None, Some(all), None, 0) => Ok(Rule::All(list(all, "all")?)),
            (None, None, Some(any), 0) => Ok(Rule::Any(list(any, "any")?)),
            _ => Err("require is one of { claim = \"/x\", equals = … }, { claim, any_of = […] }, { claim, contains = … }, \
                      { all = […] }, { any = […] }"
                .into()),
        }
    }

    fn about(&self, claim: String) -> Result<Rule, String> {
        match (&self.equals, &self.any_of, &self.contains) {
            (Some(value), _, _) => Ok(Rule::Equals(claim, value.clone())),
            (_, Some(values), _) if values.is_empty() => {
                Err("require.any_of is empty, so nobody would fulfil it".into())
            }
            (_, Some(values), _) => Ok(Rule::AnyOf(claim, values.clone())),
            (_, _, Some(value)) => Ok(Rule::Contains(claim, value.clone())),
            (None, None, None) => Err("require says nothing about its claim".into()),
        }
    }
}

/// A JSON pointer to one of the user's fields (RFC 6901).
pub(crate) fn pointer(text: &str) -> Result<String, String> {
    if text.len() > 1 && text.starts_with('/') {
        return Ok(text.into());
    }
    Err(format!("`{text}` is not a JSON pointer such as /isAdmin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(rules: &str) -> Result<AccessRules, String> {
        #[derive(Deserialize)]
        struct All {
            rules: Vec<RuleText>,
        }
        let texts = Texts::from_toml(rules).unwrap();
        let all: All = texts.get(None).map_err(|error| error.to_string())?;
        compile(&texts, &all.rules, Bearer::Kept).map_err(|error| error.problem)
    }

    #[test]
    fn a_rule_that_means_nothing_stops_the_start() {
        // threat-model P8
        for (rule, problem) in [
            ("path = \"/a\"", "say who may"),
            ("access = \"public\"\nrequire = { claim = \"/a\", equals = 1 }", "not both"),
            ("access = \"open\"", "open"),
            ("path = \"a\"\naccess = \"public\"", "start with /"),
            ("path = \"/a/../b\"\naccess = \"public\"", "is read as `/b`"),
            ("path = \"/admin/*\"\naccess = \"public\"", "all below it"),
            ("path = \"/a;b\"\naccess = \"public\"", "`;`"),
            ("path = \"/a\"\nexact = \"/b\"\naccess = \"public\"", "path or exact"),
            ("host = \"https://a\"\naccess = \"public\"", "not a host"),
            ("methods = []\naccess = \"public\"", "never fit"),
            ("methods = [\"get\"]\naccess = \"public\"", "not a method"),
            ("require = { claim = \"isAdmin\", equals = true }", "JSON pointer"),
            ("require = { claim = \"/a\" }", "require is one of"),
            ("require = { claim = \"/a\", equals = 1, contains = 2 }", "require is one of"),
            ("require = { any = [] }", "empty"),
            ("require = { claim = \"/a\", any_of = [] }", "empty"),
            ("require = { clam = \"/a\" }", "clam"),
            ("access = \"signed-in\"\nmethods = [\"GET\"]\npreflight = true", "OPTIONS"),
            ("pth = \"/a\"\naccess = \"public\"", "pth"),
        ] {
            let said = compiled(&format!("[[rules]]\n{rule}\n")).unwrap_err();
            assert!(said.contains(problem), "{rule}: {said}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        // threat-model P7
        let rules = compiled(
            "[[rules]]\npath = \"/hooks\"\nmethods = [\"GET\"]\naccess = \"public\"\n\
             [[rules]]\nhost = \"*.example.com\"\npath = \"/hooks\"\nrequire = { all = [{ claim = \"/isAdmin\", equals = true }] }\n\
             [[rules]]\nexact = \"/škola\"\naccess = \"public\"\n",
        )
        .unwrap();
        let decide = |method: &Method, host: &str, path: &str| {
            rules
                .decide(super::super::Request { host, path: &CanonicalPath::parse(path).unwrap(), method })
                .number
        };
        assert_eq!(decide(&Method::GET, "a.example.com", "/hooks/x"), Some(1));
        assert_eq!(decide(&Method::HEAD, "a.example.com", "/hooks"), Some(1));
        assert_eq!(decide(&Method::POST, "a.example.com", "/hooks"), Some(2));
        assert_eq!(decide(&Method::POST, "example.com", "/hooks"), None);
        assert_eq!(decide(&Method::GET, "a.example.com", "/Hooks"), Some(2));
        assert_eq!(decide(&Method::GET, "a.example.com", "/%C5%A1kola"), Some(3));
        assert_eq!(decide(&Method::GET, "a.example.com", "/%C5%A1kola/"), None);
        let odd = compiled(
            "[[rules]]\npath = \"/a{b}\"\nmethods = [\"VERSION-CONTROL\", \"GET\"]\naccess = \"public\"\n",
        )
        .unwrap();
        let path = CanonicalPath::parse("/a%7Bb%7D/c").unwrap();
        let asked = super::super::Request { host: "a", path: &path, method: &Method::GET };
        assert_eq!(odd.decide(asked).number, Some(1));
    }
}
