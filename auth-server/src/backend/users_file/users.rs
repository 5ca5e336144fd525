//! The users of a file.
//!
//! Why: names are typed in many ways, so they are compared trimmed, normalised (NFKC) and in lower case, and two users
//! whose names meet are an error, never a matter of order. Claims that mean something in a token cannot be set by a
//! field. Nothing of the file's contents is repeated in an error but ids: there are hashes in it.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use argon2::password_hash::phc::PasswordHash;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::key::digest;
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use unicode_normalization::UnicodeNormalization as _;

use super::password;

/// Claims that are ours to set, in tokens and sessions.
const RESERVED: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "id",
    "pk",
    "user_id",
    "sid",
    "token",
    "refreshToken",
    "accessTokenExpires",
    "refreshTokenExpires",
    "authTime",
    "absoluteExp",
    "username",
    "email",
    "scope",
];

/// One user.
#[derive(Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) active: bool,
    pub(super) password_hash: PasswordHash,
    /// By which a refresh token knows the password it was given for.
    pub(super) password_digest: String,
    /// `username`, `email` and the user's own.
    pub(super) fields: Map<String, Value>,
}

/// All users, by name and by id.
pub(super) struct Users {
    all: Vec<User>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    decoy: PasswordHash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    user: Vec<UserText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserText {
    id: String,
    username: Option<String>,
    email: Option<String>,
    password_hash: String,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    fields: toml::Table,
}

const fn yes() -> bool {
    true
}

/// Why a users file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum UsersError {
    #[error(
        "it cannot be read ({0}); correct the path, or write it: a [[user]] each, with a hash of `auth-server hash-password`"
    )]
    Read(std::io::Error),
    #[error("line {line}: {problem}")]
    Toml { line: usize, problem: String },
    #[error("the user `{id}`: {problem}")]
    User { id: String, problem: String },
    #[error("it is larger than 16 MiB")]
    TooLarge,
    #[error("no hash can be made")]
    Decoy,
}

impl Users {
    pub(super) fn parse(text: &str) -> Result<Self, UsersError> {
        let file: FileText = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            UsersError::Toml { line: before.matches('\n').count() + 1, problem: error.message().to_owned() }
        })?;
        let (mut users, mut by_name, mut by_id) = (Vec::new(), HashMap::new(), HashMap::new());
        for (at, text) in file.user.into_iter().enumerate() {
            let id = text.id.clone();
            let problem = |problem: String| UsersError::User { id: id.clone(), problem };
            if id.trim().is_empty() || by_id.insert(id.clone(), at).is_some() {
                return Err(problem("the id is empty or there twice".into()));
            }
            let names: Vec<String> =
                [&text.username, &text.email].into_iter().flatten().map(|name| canonical(name)).collect();
            if names.is_empty() || names.iter().any(String::is_empty) {
                return Err(problem("must have a `username` or an `email`, and neither empty".into()));
            }
            for name in names {
                match by_name.entry(name) {
                    Entry::Occupied(other) if *other.get() != at => {
                        return Err(problem("another user has the same username or email".into()));
                    }
                    entry => {
                        entry.or_insert(at);
                    }
                }
            }
            users.push(User::from_text(text).map_err(problem)?);
        }
        let decoy = password::decoy(users.iter().map(|user| &user.password_hash)).ok_or(UsersError::Decoy)?;
        Ok(Self { all: users, by_name, by_id, decoy })
    }

    /// Whoever signs in as `name`, by username or e-mail address.
    pub(super) fn named(&self, name: &str) -> Option<&User> {
        self.all.get(*self.by_name.get(&canonical(name))?)
    }

    pub(super) fn with_id(&self, id: &str) -> Option<&User> {
        self.all.get(*self.by_id.get(id)?)
    }

    /// What is verified for a name that nobody has.
    pub(super) const fn decoy(&self) -> &PasswordHash {
        &self.decoy
    }

    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }
}

impl User {
    fn from_text(text: UserText) -> Result<Self, String> {
        let password_hash =
            password::parse(&text.password_hash).map_err(|problem| format!("the password_hash {problem}"))?;
        let mut fields = Map::new();
        for (name, value) in text.fields {
            if RESERVED.contains(&name.as_str()) {
                return Err(format!("`{name}` cannot be a field; it has a meaning of its own"));
            }
            let value =
                json(value).ok_or_else(|| format!("the field `{name}` has a number that JSON lacks"))?;
            fields.insert(name, value);
        }
        let names = [("username", text.username), ("email", text.email)];
        fields.extend(names.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        let password_digest =
            URL_SAFE_NO_PAD.encode(digest("hallpass users-file password", &text.password_hash));
        Ok(Self { id: text.id, active: text.active, password_hash, password_digest, fields })
    }
}

/// Without the hashes.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.len())
    }
}

fn canonical(name: &str) -> String {
    let folded: String = name.nfkc().collect::<String>().to_lowercase();
    folded.trim().nfkc().collect()
}

fn json(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => Value::Number(Number::from_f64(number)?),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<Option<_>>()?),
        toml::Value::Table(members) => {
            let member = |(name, value)| Some((name, json(value)?));
            Value::Object(members.into_iter().map(member).collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$iJMGsDzvLJWhBS0BzpFwV5k4m2bLrgkGcGWEvd7GWzE";

    fn user(id: &str, rest: &str) -> String {
        format!("[[user]]\nid = \"{id}\"\npassword_hash = \"{HASH}\"\n{rest}\n")
    }

    fn problem(text: &str) -> String {
        Users::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_found_however_it_is_typed() {
        let text = user("1", "username = \"Žofie\"\nemail = \"zofie@example.com\"")
            + &user("2", "email = \"ada@example.com\"");
        let users = Users::parse(&text).unwrap();
        for name in ["Žofie", " ŽOFIE\t", "z\u{30c}ofie", "Zofie@Example.COM", "ｚofie@example.com\u{a0}"]
        {
            assert_eq!(users.named(name).map(|user| user.id.as_str()), Some("1"), "{name}");
        }
        assert!(users.named("zofie").is_none() && users.named("").is_none());
        assert_eq!(users.with_id("2").unwrap().fields["email"], "ada@example.com");
    }

    #[test]
    fn fields_are_whatever_toml_can_say() {
        let fields = "fields = { name = \"Ada\", isAdmin = true, since = 2024-05-01, contactAddress = { zip = 1 }, x = [1.5] }";
        let users = Users::parse(&user("1", &format!("email = \"a@b.c\"\n{fields}"))).unwrap();
        let expected = json!({"name": "Ada", "isAdmin": true, "since": "2024-05-01", "contactAddress": {"zip": 1},
            "x": [1.5], "email": "a@b.c"});
        assert_eq!(Value::Object(users.with_id("1").unwrap().fields.clone()), expected);
    }

    #[test]
    fn errors_name_the_user_and_no_contents() {
        let two = |one: &str, other: &str| user("1", one) + &user("2", other);
        assert!(
            problem(&two("username = \"Ada\"", "email = \"ada \""))
                .contains("`2`: another user has the same")
        );
        assert!(problem(&user("1", "")).contains("must have a `username`"));
        assert!(problem(&(user("1", "email = \"a\"") + &user("1", "email = \"b\""))).contains("twice"));
        assert!(
            problem(&user("1", "email = \"a\"\nfields = { sub = \"2\" }"))
                .contains("`sub` cannot be a field")
        );
        assert!(problem(&user("1", "email = \"a\"\nfields = { x = nan }")).contains("`x`"));
        assert!(
            problem("[[user]]\nid = \"1\"\nemail = \"a\"\npassword_hash = \"hunter2\"")
                .contains("hash-password")
        );
        for broken in
            ["[[user]]\nid = \"1\"\npassword_hash = hunter2", "[[user]]\nid = \"1\"\npasword = \"hunter2\""]
        {
            let problem = problem(broken);
            assert!(problem.starts_with("line 3:") && !problem.contains("hunter2"), "{problem}");
        }
    }
}
