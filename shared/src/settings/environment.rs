//! Settings from the environment: `HALLPASS_SECTION__KEY`, and the names that teams with NextAuth have set already.
//!
//! Why: each variable is a source of its own, so that an error names the one that is wrong.

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

/// One variable.
pub(super) struct Variable {
    name: String,
    values: Dict,
}

/// `HALLPASS_SECTION__KEY`, in the order of their names.
pub(super) fn ours(environment: &[(String, String)]) -> Vec<Variable> {
    let ours = |(name, text): &(String, String)| {
        let path = name.strip_prefix("HALLPASS_")?;
        let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        // A secret made of digits is still a text.
        let is_secret = keys.last().is_some_and(|key| key == "secret");
        let value = if is_secret { Value::from(text.clone()) } else { parse(text) };
        Some(Variable::new(name, &keys, value))
    };
    let mut variables: Vec<Variable> = environment.iter().filter_map(ours).collect();
    variables.sort_by(|one, other| one.name.cmp(&other.name));
    variables
}

/// NextAuth's own, as far as they are set to something.
pub(super) fn of_nextauth(environment: &[(String, String)]) -> Vec<Variable> {
    let names = [
        ("AUTH_SECRET", "NEXTAUTH_SECRET"),
        ("NEXTAUTH_SECRET", "NEXTAUTH_SECRET"),
        ("NEXTAUTH_URL", "NEXTAUTH_URL"),
    ];
    let found = names.iter().filter_map(|(name, key)| {
        let (_, text) = environment.iter().find(|(variable, text)| variable == name && !text.is_empty())?;
        Some(Variable::new(name, &[(*key).to_owned()], Value::from(text.clone())))
    });
    found.collect()
}

impl Variable {
    fn new(name: &str, keys: &[String], value: Value) -> Self {
        let nested =
            keys.iter().rev().fold(value, |inner, key| Value::from(Dict::from([(key.clone(), inner)])));
        let values = nested.into_dict().unwrap_or_default();
        Self { name: name.to_owned(), values }
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("{} in the environment", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

fn parse(text: &str) -> Value {
    match text.parse() {
        Ok(value) => value,
        Err(infallible) => match infallible {},
    }
}
