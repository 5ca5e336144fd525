//! Who may see something: conditions over the signed-in user's claims.
//!
//! Why: "only admins" must be one value that is read in one way, wherever it stands. A claim that is absent or of
//! another type fulfils nothing (threat-model T8, P7): what decides is what the auth server sealed.

use std::{borrow::Cow, fmt};

use hallpass_shared::token::Claims;
use serde_json::Value;

/// A condition over claims.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// The claim at this JSON pointer (RFC 6901) is exactly this value.
    Equals(String, Value),
    /// It is one of these.
    AnyOf(String, Vec<Value>),
    /// It is a list that contains this value.
    Contains(String, Value),
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
}

/// A claim, to say something about: made by [`claim`].
#[derive(Clone, Debug)]
pub struct Claim(String);

/// The claim at this JSON pointer, such as `/isAdmin`.
pub fn claim(pointer: impl Into<String>) -> Claim {
    Claim(pointer.into())
}

impl Claim {
    /// Is exactly this value.
    pub fn equals(self, value: impl Into<Value>) -> Rule {
        Rule::Equals(self.0, value.into())
    }

    /// Is one of these values.
    pub fn any_of<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Rule {
        Rule::AnyOf(self.0, values.into_iter().map(Into::into).collect())
    }

    /// Is a list with this value in it.
    pub fn contains(self, value: impl Into<Value>) -> Rule {
        Rule::Contains(self.0, value.into())
    }
}

impl Rule {
    /// Whether the claims fulfil the rule.
    pub fn admits(&self, claims: &Claims) -> bool {
        let at = |pointer: &str| look_up(claims, pointer);
        match self {
            Self::Equals(pointer, value) => at(pointer).is_some_and(|found| *found == *value),
            Self::AnyOf(pointer, values) => at(pointer).is_some_and(|found| values.contains(&found)),
            Self::Contains(pointer, value) => {
                at(pointer).is_some_and(|found| found.as_array().is_some_and(|list| list.contains(value)))
            }
            Self::All(rules) => rules.iter().all(|rule| rule.admits(claims)),
            Self::Any(rules) => rules.iter().any(|rule| rule.admits(claims)),
        }
    }
}

/// The user's own fields, and `sub`; never a token.
pub(crate) fn look_up<'c>(claims: &'c Claims, pointer: &str) -> Option<Cow<'c, Value>> {
    if pointer == "/sub" {
        return claims.sub.clone().map(Value::String).map(Cow::Owned);
    }
    let (first, rest) =
        pointer.strip_prefix('/')?.split_once('/').unwrap_or((pointer.strip_prefix('/')?, ""));
    let field = if first.contains('~') {
        claims.user.get(&first.replace("~1", "/").replace("~0", "~"))?
    } else {
        claims.user.get(first)?
    };
    let found = if rest.is_empty() { Some(field) } else { field.pointer(&format!("/{rest}")) };
    found.map(Cow::Borrowed)
}

/// As the page that refuses says it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |pointer: &str| pointer.trim_start_matches('/').replace('/', ".");
        let list = |f: &mut fmt::Formatter<'_>, rules: &[Self], between: &str| {
            rules
                .iter()
                .enumerate()
                .try_for_each(|(index, rule)| write!(f, "{}{rule}", if index == 0 { "" } else { between }))
        };
        match self {
            Self::Equals(pointer, value) => write!(f, "{} = {value}", name(pointer)),
            Self::AnyOf(pointer, values) => write!(f, "{} ∈ {}", name(pointer), Value::from(values.clone())),
            Self::Contains(pointer, value) => write!(f, "{} ∋ {value}", name(pointer)),
            Self::All(rules) => list(f, rules, " ∧ "),
            Self::Any(rules) => list(f, rules, " ∨ "),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        Claims {
            sub: Some("7".into()),
            user: json!({"isAdmin": true, "level": 3, "groups": ["staff"], "org": {"a/b": {"plan": "pro"}}, "token2": 1})
                .as_object()
                .unwrap()
                .clone(),
            access_token: Some(hallpass_shared::secret::Secret::new("a")),
            ..Claims::default()
        }
    }

    #[test]
    fn rules_hold_only_for_exactly_what_they_say() {
        // threat-model T8, P7
        let admits = |rule: Rule| rule.admits(&claims());
        assert!(admits(claim("/isAdmin").equals(true)));
        assert!(!admits(claim("/isAdmin").equals("true")));
        assert!(admits(claim("/sub").equals("7")));
        assert!(admits(claim("/level").any_of([2, 3])));
        assert!(admits(claim("/groups").contains("staff")));
        assert!(!admits(claim("/groups").contains("sta")));
        assert!(admits(claim("/org/a~1b/plan").equals("pro")));
        assert!(!admits(claim("/absent").equals(Value::Null)));
        assert!(!admits(claim("/token").equals("a")), "tokens are no claims to judge by");
        assert!(!admits(claim("isAdmin").equals(true)), "a pointer starts with a slash");
        assert!(admits(Rule::All(vec![claim("/isAdmin").equals(true), claim("/level").equals(3)])));
        assert!(!admits(Rule::Any(vec![claim("/isAdmin").equals(false), claim("/level").equals(4)])));
        assert!(!admits(Rule::Any(Vec::new())));
    }
}
