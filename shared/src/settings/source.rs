//! Where settings come from: defaults, files, environment, in that order, later wins.
//!
//! Why: a setting that is misspelt and ignored is worse than one that is missing, and an error that does not say
//! where the value came from costs an hour. Every error here names the key, the source and the remedy. The
//! environment is handed in as a value, so that tests leave the real one alone.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map},
};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{environment, wording};

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
    /// Such as `from hallpass.toml`.
    pub source: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}` ({}): {}", self.key, self.source, self.problem)
    }
}

impl std::error::Error for SettingsError {}

/// Settings as text, before they become domain types.
#[derive(Clone, Debug)]
pub struct Texts {
    values: Figment,
    /// What was read, to say where a missing setting is not.
    files: Arc<[PathBuf]>,
}

impl Sources {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file is missing or is no TOML.
    pub fn read(&self) -> Result<Texts, SettingsError> {
        let mut values = Figment::new();
        for variable in environment::of_nextauth(&self.environment) {
            values = values.merge(variable);
        }
        for file in &self.files {
            values = values.merge(Document::read(file)?);
        }
        for variable in environment::ours(&self.environment) {
            values = values.merge(variable);
        }
        Ok(Texts { values, files: self.files.clone().into() })
    }
}

impl Texts {
    /// Settings given in the code, for a program that embeds Hallpass: TOML text.
    ///
    /// # Errors
    /// If the text is no TOML.
    pub fn from_toml(toml: &str) -> Result<Self, SettingsError> {
        let metadata = Metadata::named("the program's own text");
        let document = Document::parse(metadata, toml).map_err(|problem| SettingsError {
            key: "TOML".into(),
            source: "from the program's own text".into(),
            problem,
        })?;
        Ok(Self { values: Figment::from(document), files: Arc::new([]) })
    }

    /// The settings, or one section of them, as `T`.
    ///
    /// # Errors
    /// [`SettingsError`] for the first key that is unknown, missing or of a wrong type.
    pub fn get<T: DeserializeOwned>(&self, section: Option<&str>) -> Result<T, SettingsError> {
        let read = match section {
            None => self.values.extract(),
            Some(section) => self.values.extract_inner(section),
        };
        read.map_err(|error| {
            let (key, problem) = wording::explain(&error, section);
            let source = error.metadata.as_ref().map(from);
            SettingsError { source: source.unwrap_or_else(|| self.source_of(&key)), key, problem }
        })
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.values.find_value(key).is_ok()
    }

    /// An error about the value of `key`, which was read but makes no sense.
    pub fn invalid(&self, key: &str, problem: impl fmt::Display) -> SettingsError {
        let source = self.source_of(key);
        SettingsError { key: key.into(), source, problem: problem.to_string() }
    }

    /// An error about `key`, which must be given and is not.
    pub fn missing(&self, key: &str, remedy: impl fmt::Display) -> SettingsError {
        let variable = wording::variable(key);
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let source = if names.is_empty() {
            format!("no file was named by --config, and {variable} is not set")
        } else {
            format!("neither in {} nor as {variable} in the environment", names.join(", "))
        };
        SettingsError { key: key.into(), source, problem: format!("is missing; {remedy}") }
    }

    fn source_of(&self, key: &str) -> String {
        self.values.find_metadata(key).map_or_else(|| "the default".into(), from)
    }
}

fn from(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => format!("from {}", path.display()),
        _ => format!("from {}", metadata.name),
    }
}

/// A text in TOML.
///
/// It is parsed here rather than by figment, whose errors repeat the line that is wrong: there may be a secret in it.
struct Document {
    metadata: Metadata,
    values: Dict,
}

impl Document {
    fn read(file: &Path) -> Result<Self, SettingsError> {
        let invalid = |problem| SettingsError {
            key: "--config".into(),
            source: "from the command line".into(),
            problem,
        };
        let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => invalid(format!("there is no file {}", file.display())),
            _ => invalid(format!("{} cannot be read: {error}", file.display())),
        })?;
        Self::parse(Metadata::from("TOML file", file), &Zeroizing::new(text))
            .map_err(|problem| invalid(format!("{} {problem}", file.display())))
    }

    fn parse(metadata: Metadata, text: &str) -> Result<Self, String> {
        match toml::from_str(text) {
            Ok(values) => Ok(Self { metadata, values }),
            Err(error) => Err(wording::no_toml(text, &error)),
        }
    }
}

impl Provider for Document {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
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

    fn error(texts: &Texts) -> String {
        texts.get::<Sample>(None).unwrap_err().to_string()
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
        let unknown = Texts::from_toml("[cookie]\ndialekt = 'x'").unwrap();
        assert_eq!(
            error(&unknown),
            "setting `cookie.dialekt` (from the program's own text): is not known here; known are dialect"
        );
        assert_eq!(
            error(&Texts::from_toml("[cookie]").unwrap()),
            "setting `cookie.dialect` (from the program's own text): is missing; set it in a file or as \
             HALLPASS_COOKIE__DIALECT"
        );
        assert_eq!(
            error(&environment(&[("HALLPASS_COOKIE__DIALECT", "5")])),
            "setting `cookie.dialect` (from HALLPASS_COOKIE__DIALECT in the environment): has a wrong type; \
             expected a text in quotes (in the environment with two pairs: '\"…\"')"
        );
    }

    #[test]
    fn a_section_of_its_own_is_named_once() {
        let cookie = |toml| Texts::from_toml(toml).unwrap().get::<SampleCookie>(Some("cookie")).unwrap_err();
        assert_eq!(cookie("[cookie]\ndialekt = 'x'").key, "cookie.dialekt");
        assert_eq!(cookie("[cookie]").key, "cookie.dialect");
        assert_eq!(cookie("[cookie]\ndialect = 5").key, "cookie.dialect");
        assert_eq!(cookie("").key, "cookie");
    }

    #[test]
    fn what_is_no_toml_is_not_repeated() {
        // threat-model X1
        for broken in
            ["x = 1\nsecret = hunter2", "secret = 'hunter2' x", "secret = 'hunter2\n", "a = 1\na = 'hunter2'"]
        {
            let error = Texts::from_toml(broken).unwrap_err().to_string();
            assert!(error.contains("line ") && !error.contains("hunter2"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
