//! The levels of `shared` hold: a module imports only from a lower one.
//!
//! Why: import cycles are how a code base stops being readable; in good projects half of all modules sit on one.
//! The levels are written here; a new module must be given its place.

use std::{collections::BTreeMap, fs, path::Path};

const LEVELS: [&[&str]; 9] = [
    &["clock", "secret", "domain", "single_flight", "telemetry", "refusal", "client", "breaker"],
    &["dialect", "key", "return_to", "http_client"],
    &["cookie", "token"],
    &["session", "csrf", "refresh", "revocation"],
    &["provider", "callbacks", "store"],
    &["authenticator", "renewal"],
    &["rejection", "settings"],
    &["endpoints", "pages", "internal", "backend"],
    &["admin", "server", "process"],
];

/// Modules that may know their neighbours of the same level.
const NEIGHBOURS: [(&str, &str); 3] = [
    // A key is made for the dialect's ciphers.
    ("key", "dialect"),
    // The cookie carries the token, and neither makes sense alone.
    ("cookie", "token"),
    // A process serves.
    ("process", "server"),
];

#[test]
fn a_module_imports_only_from_a_lower_level() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src");
    let level: BTreeMap<&str, usize> = LEVELS
        .iter()
        .enumerate()
        .flat_map(|(level, names)| names.iter().map(move |name| (*name, level)))
        .collect();
    let mut wrong = Vec::new();
    for (module, text) in modules(&source, Scope::Code) {
        let Some(own) = level.get(module.as_str()) else {
            wrong.push(format!("{module} has no level"));
            continue;
        };
        for used in imports(&text) {
            let Some(theirs) = level.get(used.as_str()) else { continue };
            let allowed =
                used == module || theirs < own || NEIGHBOURS.contains(&(module.as_str(), used.as_str()));
            if !allowed {
                wrong.push(format!("{module} (level {own}) imports {used} (level {theirs})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_servers_do_not_know_each_other() {
    for (package, other) in [("auth-server", "hallpass-satellite"), ("satellite", "hallpass-auth-server")] {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("Cargo.toml");
        assert!(!fs::read_to_string(&manifest).unwrap().contains(other), "{package} depends on {other}");
    }
}

#[test]
fn only_one_file_knows_josekit() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src");
    let knows = |(module, text): (String, String)| text.contains("josekit::").then_some(module);
    assert_eq!(modules(&source, Scope::Code).into_iter().filter_map(knows).collect::<Vec<_>>(), ["token"]);
}

#[test]
fn every_test_that_the_manual_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manual = fs::read_to_string(root.join("manual/threats.md")).unwrap();
    let named = manual.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() >= 3);
    let mut sources = String::new();
    for folder in ["shared/src", "auth-server/src", "satellite/src", "tests/e2e"] {
        for (_, text) in modules(&root.join(folder), Scope::All) {
            sources.push_str(&text);
        }
    }
    let missing: Vec<_> = named.filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What is read of a file.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Code,
    All,
}

/// Top-level modules with the text of all their files, tests left out unless asked for.
fn modules(source: &Path, scope: Scope) -> Vec<(String, String)> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut folders = vec![source.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(source).unwrap().with_extension("");
            let module = relative.iter().next().unwrap().to_str().unwrap().to_owned();
            if module == "lib" || module == "manual" {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            texts.entry(module).or_default().push_str(if scope == Scope::All { &text } else { code });
        }
    }
    texts.into_iter().collect()
}

/// The modules named by `crate::` paths, in `use` lists and elsewhere, comments left out.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => used.push(name(after)),
            Some(list) => {
                let mut depth = 0_usize;
                let mut expects = true;
                for (at, letter) in list.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => expects = true,
                        letter if expects && depth == 0 && letter.is_alphabetic() => {
                            used.push(name(list.get(at..).unwrap_or_default()));
                            expects = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used.sort();
    used.dedup();
    used
}

fn name(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}
