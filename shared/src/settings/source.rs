//! Where settings come from: defaults, files, environment, in that order, later wins.
//!
//! Why: a setting that is misspelt and ignored is worse than one that is missing, and an error that does not say
//! where the value came from costs an hour. Every error here names the key, the source and the remedy. The
//! environment is handed in as a value, so that tests leave the real one alone.

use std::{fmt, path::PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};
use serde::de::DeserializeOwned;

/// Files and environment variables of one process.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// TOML files; a later one wins.
    pub files: Vec<PathBuf>,
    /// The process's environment; only names that are ours are read.
    pub environment: Vec<(String, String)>,
}

/// A setting that cannot be used.
#[derive(Debug)]
pub struct SettingsError {
    /// Such as `cookie.dialect`.
    pub key: String,
    /// Such as `hallpass.toml`.
    pub source: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}` (from {}): {}", self.key, self.source, self.problem)
    }
}

impl std::error::Error for SettingsError {}

/// Settings as text, before they become domain types.
#[derive(Clone, Debug)]
pub struct Texts(Figment);

impl Sources {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file is missing or is no TOML.
    pub fn read(&self) -> Result<Texts, SettingsError> {
        let mut figment = Figment::new().merge(Environment::nextauth(&self.environment));
        for file in &self.files {
            if !file.is_file() {
                return Err(SettingsError {
                    key: "--config".into(),
                    source: "the command line".into(),
                    problem: format!("there is no file {}", file.display()),
                });
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let texts = Texts(figment.merge(Environment::hallpass(&self.environment)));
        texts.get::<Value>(None)?;
        Ok(texts)
    }
}

impl Texts {
    /// Settings given in the code, for a program that embeds Hallpass: TOML text.
    ///
    /// # Errors
    /// If the text is no TOML.
    pub fn from_toml(toml: &str) -> Result<Self, SettingsError> {
        let texts = Self(Figment::from(Toml::string(toml)));
        texts.get::<Value>(None)?;
        Ok(texts)
    }

    /// The settings, or one section of them, as `T`.
    ///
    /// # Errors
    /// [`SettingsError`] for the first key that is unknown, missing or of a wrong type.
    pub fn get<T: DeserializeOwned>(&self, section: Option<&str>) -> Result<T, SettingsError> {
        let read = match section {
            None => self.0.extract(),
            Some(section) => self.0.extract_inner(section),
        };
        read.map_err(|error| self.explain(&error, section))
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.0.find_value(key).is_ok()
    }

    /// An error about the value of `key`, which was read but makes no sense.
    pub fn invalid(&self, key: &str, problem: impl fmt::Display) -> SettingsError {
        SettingsError { key: key.into(), source: self.source_of(key), problem: problem.to_string() }
    }

    fn source_of(&self, key: &str) -> String {
        self.0.find_metadata(key).map_or_else(|| "no source".into(), name_source)
    }

    fn explain(&self, error: &figment::Error, section: Option<&str>) -> SettingsError {
        use figment::error::Kind;
        let mut path: Vec<String> = error.path.clone();
        // Figment names the section it was asked for last.
        if let Some(section) = section {
            path.pop_if(|last| last == section);
            path.insert(0, section.to_owned());
        }
        let problem = match &error.kind {
            Kind::MissingField(field) => {
                if path.last().map(String::as_str) != Some(field.as_ref()) {
                    path.push(field.to_string());
                }
                let variable = path.join("__").to_uppercase();
                format!("is missing; set it in a file or as HALLPASS_{variable}")
            }
            Kind::UnknownField(field, known) => {
                if path.last().map(String::as_str) != Some(field) {
                    path.push(field.clone());
                }
                format!("is not known here; known are {}", known.join(", "))
            }
            Kind::InvalidType(_, expected) => format!("has a wrong type; expected {expected}"),
            other => other.to_string(),
        };
        let key = if path.is_empty() { "--config".to_owned() } else { path.join(".") };
        let named = error.metadata.as_ref().map(name_source);
        SettingsError { source: named.unwrap_or_else(|| self.source_of(&key)), key, problem }
    }
}

fn name_source(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        _ => metadata.name.to_string(),
    }
}

/// Variables of the environment as settings.
struct Environment {
    name: &'static str,
    values: Dict,
}

impl Environment {
    /// `HALLPASS_SECTION__KEY`.
    fn hallpass(variables: &[(String, String)]) -> Self {
        let mut values = Dict::new();
        for (name, text) in variables {
            let Some(path) = name.strip_prefix("HALLPASS_") else { continue };
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            // A secret made of digits is still a text.
            let is_secret = keys.last().is_some_and(|key| key == "secret");
            let value = if is_secret { Value::from(text.clone()) } else { parse(text) };
            insert(&mut values, &keys, value);
        }
        Self { name: "the environment (HALLPASS_…)", values }
    }

    /// Names that teams with NextAuth have set already.
    fn nextauth(variables: &[(String, String)]) -> Self {
        let mut values = Dict::new();
        for (name, key) in [
            ("AUTH_SECRET", "nextauth_secret"),
            ("NEXTAUTH_SECRET", "nextauth_secret"),
            ("NEXTAUTH_URL", "nextauth_url"),
        ] {
            let found = variables.iter().find(|(variable, text)| variable == name && !text.is_empty());
            if let Some((_, text)) = found {
                values.insert(key.into(), Value::from(text.clone()));
            }
        }
        Self { name: "the environment (NEXTAUTH_… or AUTH_SECRET)", values }
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
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

fn insert(values: &mut Dict, keys: &[String], value: Value) {
    match keys {
        [] => {}
        [key] => {
            values.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let mut inner = match values.remove(key) {
                Some(Value::Dict(_, dict)) => dict,
                _ => Dict::new(),
            };
            insert(&mut inner, rest, value);
            values.insert(key.clone(), Value::from(inner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        secret: Option<String>,
        cookie: Option<SampleCookie>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SampleCookie {
        dialect: String,
    }

    fn environment(pairs: &[(&str, &str)]) -> Texts {
        let environment = pairs.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        Sources { files: Vec::new(), environment }.read().unwrap()
    }

    #[test]
    fn the_environment_wins_and_a_secret_of_digits_is_a_text() {
        let texts = environment(&[
            ("HALLPASS_SECRET", "1234567890"),
            ("HALLPASS_COOKIE__DIALECT", "authjs-v5"),
            ("PATH", "/bin"),
        ]);
        let sample: Sample = texts.get(None).unwrap();
        assert_eq!(sample.secret.unwrap(), "1234567890");
        assert_eq!(sample.cookie.unwrap().dialect, "authjs-v5");
    }

    #[test]
    fn errors_name_key_source_and_remedy() {
        let error = |texts: &Texts| texts.get::<Sample>(None).unwrap_err().to_string();
        let unknown = Texts::from_toml("[cookie]\ndialekt = 'x'").unwrap();
        assert!(error(&unknown).contains("`cookie.dialekt`"), "{}", error(&unknown));
        assert!(error(&unknown).contains("known are dialect"), "{}", error(&unknown));
        let missing = Texts::from_toml("[cookie]").unwrap();
        assert!(error(&missing).contains("HALLPASS_COOKIE__DIALECT"), "{}", error(&missing));
        let typed = environment(&[("HALLPASS_COOKIE__DIALECT", "5")]);
        assert!(error(&typed).contains("environment"), "{}", error(&typed));
    }
}
