//! What is said about a setting that cannot be read, in words that do not ask for knowledge of our code.
//!
//! Why: figment and serde speak of structs, variants and sequences, and a TOML parser repeats the line that it
//! cannot read. Values are named only where a reader of ours asked for a certain form; a secret never has one.

use figment::error::{Actual, Error, Kind};

/// The key and what is wrong with it.
pub(super) fn explain(error: &Error, section: Option<&str>) -> (String, String) {
    let mut path: Vec<String> = error.path.clone();
    if let Some(section) = section {
        // figment puts the section behind the path within it.
        if path.last().map(String::as_str) == Some(section) {
            path.pop();
        }
        path.insert(0, section.to_owned());
    }
    let from_environment = error.metadata.as_ref().is_some_and(|source| source.name.ends_with("environment"));
    let problem = match &error.kind {
        Kind::MissingField(field) => {
            push(&mut path, field);
            format!("is missing; set it in a file or as {}", variable(&path.join(".")))
        }
        Kind::UnknownField(field, known) => {
            push(&mut path, field);
            let section = || section_meant(field, known).filter(|_| from_environment);
            section().map_or_else(|| unknown(known), too_few_underscores)
        }
        Kind::InvalidValue(Actual::Str(found), expected) => format!("`{found}` is not {expected}"),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            let expected = plain(expected);
            let hint = match expected {
                TEXT if from_environment => " (in the environment with two pairs: '\"…\"')".to_owned(),
                SECTION if from_environment => {
                    format!(" (in the environment {}__KEY)", variable(&path.join(".")))
                }
                _ => String::new(),
            };
            format!("has a wrong type; expected {expected}{hint}")
        }
        Kind::UnknownVariant(found, known) => format!("`{found}` is not known; use {}", either(known)),
        other => other.to_string(),
    };
    (path.join("."), problem)
}

/// The variable that sets a key.
pub(super) fn variable(key: &str) -> String {
    format!("HALLPASS_{}", key.replace('.', "__").to_uppercase())
}

/// Why a text is no TOML: where and what, without the line itself.
pub(super) fn no_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let what = error.message().trim().replace('\n', ", ");
    format!("is no TOML at line {line}, column {column}: {what}")
}

fn push(path: &mut Vec<String>, field: &str) {
    if path.last().map(String::as_str) != Some(field) {
        path.push(field.to_owned());
    }
}

/// The section that a variable with one underscore too few may be meant for.
fn section_meant<'k>(field: &str, known: &[&'k str]) -> Option<&'k str> {
    known.iter().copied().find(|name| field.strip_prefix(*name).is_some_and(|rest| rest.starts_with('_')))
}

fn too_few_underscores(section: &str) -> String {
    let upper = section.to_uppercase();
    format!("is not known here; if it is meant for [{section}], write two underscores behind {upper}")
}

fn unknown(known: &[&str]) -> String {
    let shown: Vec<&str> = known.iter().copied().filter(|name| !name.starts_with(NEXTAUTH)).collect();
    format!("is not known here; known are {}", shown.join(", "))
}

fn either(names: &[&str]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        few => few.join(", "),
    }
}

fn plain(expected: &str) -> &str {
    match expected {
        "a string" | "path string" => TEXT,
        "a boolean" => "true or false",
        "a sequence" => "a list, in brackets",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "a map" => SECTION,
        other if other.starts_with("struct ") => SECTION,
        other if other.starts_with("enum ") => "a text in quotes, one of a few words",
        other => other,
    }
}

const TEXT: &str = "a text in quotes";
const SECTION: &str = "a section";
/// Not among the known: they are for the environment.
const NEXTAUTH: &str = "NEXTAUTH_";
