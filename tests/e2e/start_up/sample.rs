//! `deploy/hallpass.toml`, which a team starts from: every key is in it, with its true default, and it works.

use std::path::Path;

use hallpass_auth_server::{App, Settings as AuthSettings};
use hallpass_satellite::{Satellite, Settings as SatelliteSettings, SettingsError, Sources};
use hallpass_tests::{SECRET, folder::Folder};

fn sample() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/hallpass.toml");
    std::fs::read_to_string(path).unwrap()
}

/// The lines with this mark, without it.
fn without_mark(text: &str, is_marked: impl Fn(&str) -> Option<&str>) -> String {
    text.lines().map(|line| is_marked(line).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// With every default written out.
fn written_out(text: &str) -> String {
    without_mark(text, |line| line.strip_prefix('#').filter(|rest| rest.starts_with(char::is_alphabetic)))
}

/// With other lines in place of `[backend]` and what belongs to it: the first or the second that are marked `#|`.
fn with_other_backend(text: &str, which: usize) -> String {
    let (before, rest) = text.split_once("[backend]\n").unwrap();
    let (backends, after) = rest.split_once("[throttle]").unwrap();
    let other = backends.split("\n\n").filter(|block| block.starts_with("#|")).nth(which).unwrap();
    let other = without_mark(other, |line| line.strip_prefix("#|"));
    format!("{before}\n{other}\n[throttle]{after}")
}

/// Both servers' settings, as the programs would read them.
fn read(
    text: &str,
    variables: &[(&str, &str)],
) -> Result<(AuthSettings, SatelliteSettings, Folder), SettingsError> {
    let folder = Folder::new("sample");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let users = file("users.toml", "").display().to_string();
    let text = text.replace("/etc/hallpass/users.toml", &users);
    let secret = file("secret", SECRET).display().to_string();
    let given =
        [("HALLPASS_SECRET_FILE", secret.as_str()), ("HALLPASS_SATELLITE__URL", "https://app.example.com")];
    let environment = given.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into()));
    let sources = Sources { files: vec![file("hallpass.toml", &text)], environment: environment.collect() };
    let texts = sources.read()?;
    Ok((AuthSettings::read(&texts)?, SatelliteSettings::read(&texts)?, folder))
}

#[tokio::test]
async fn both_servers_are_built_from_it() {
    let text = sample();
    for text in [text.clone(), with_other_backend(&text, 0), with_other_backend(&text, 1)] {
        let memory = [("HALLPASS_STORE__URL", "memory:")];
        let (auth, satellite, _folder) = read(&text, &memory).unwrap_or_else(|error| panic!("{error}"));
        App::build(auth).unwrap();
        Satellite::build(satellite).unwrap();
    }
}

#[test]
fn what_it_calls_a_default_is_one() {
    let text = sample();
    let (auth, satellite, _folder) = read(&text, &[]).unwrap();
    let all = written_out(&text);
    assert!(all.lines().count() == text.lines().count() && all.contains("\nmax_connections = 20000\n"));
    let (auth_too, satellite_too, _folder) = read(&all, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(format!("{auth:#?}"), format!("{auth_too:#?}"));
    assert_eq!(format!("{satellite:#?}"), format!("{satellite_too:#?}"));
}

/// The keys that stand below a header, whatever marks them.
fn keys<'t>(text: &'t str, section: &str) -> Vec<&'t str> {
    let bare = |line: &'t str| {
        let line = line.trim_start_matches(['#', ':', '|', ' ']);
        line.split_once(" = ")
            .map(|(key, _)| key)
            .filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let mut found = Vec::new();
    let mut here = section.is_empty();
    for line in text.lines() {
        let header = line.trim_start_matches(['#', ':', '|', ' ']);
        if let Some(name) = header.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim_matches(['[', ']']);
            here = name == section;
            let inner = if section.is_empty() {
                Some(name)
            } else {
                name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'))
            };
            found.extend(inner.filter(|inner| !inner.contains('.')));
        } else if here {
            found.extend(bare(line));
        }
    }
    found
}

#[test]
fn every_key_is_in_it() {
    let whole = sample();
    let text = whole.clone();
    let graphql = with_other_backend(&text, 0);
    let users_file = with_other_backend(&text, 1);
    let shared = [
        "",
        "cookie",
        "session",
        "refresh",
        "return_to",
        "revocation",
        "store",
        "admin",
        "server",
        "log",
        "brand",
        "pages",
        "throttle",
        "satellite",
        "satellite.proxy",
        "satellite.assertion",
        "satellite.forward_auth",
    ];
    let backend = ["backend", "backend.sign_in", "backend.refresh", "backend.user", "backend.sign_out"];
    let mut cases: Vec<(&str, &str)> = shared.iter().map(|section| (text.as_str(), *section)).collect();
    cases
        .extend(backend.iter().flat_map(|section| [(text.as_str(), *section), (graphql.as_str(), *section)]));
    cases.extend([(text.as_str(), "backend.response"), (users_file.as_str(), "backend")]);
    for (text, section) in cases {
        let variable =
            format!("{section}.not_known").trim_start_matches('.').replace('.', "__").to_uppercase();
        let error = read(text, &[(&format!("HALLPASS_{variable}"), "1")]).err().unwrap().to_string();
        let (_, known) = error.split_once("known are ").unwrap_or_else(|| panic!("{error}"));
        // What kinds of backends have in common stands once.
        let there = [keys(text, section), keys(&whole, section)].concat();
        for key in known.split(", ") {
            assert!(there.contains(&key), "[{section}] has no {key}: {there:?}");
        }
    }
}

/// The examples: single keys, and sections with all their keys.
fn examples(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut in_section = false;
    for line in text.lines() {
        let example = line.strip_prefix("#: ");
        match example {
            Some(header) if header.starts_with('[') => {
                in_section = true;
                found.push(line.into());
            }
            Some(_) if in_section => {
                let section = found.last_mut().unwrap();
                section.push('\n');
                section.push_str(line);
            }
            Some(_) => found.push(line.into()),
            None if line.is_empty() => in_section = false,
            None => {}
        }
    }
    found
}

#[test]
fn every_example_in_it_is_understood() {
    let text = sample();
    let examples = examples(&text);
    assert!(examples.len() > 15, "{examples:?}");
    for example in examples {
        let example_lines: Vec<&str> = example.lines().collect();
        // An example is taken out of its comments, a choice of two keys at its first.
        let chosen = |line: &&str| !line.starts_with("#: secret = ") || !example.contains("secret_file");
        let taken: Vec<_> = example_lines
            .iter()
            .filter(|line| chosen(line))
            .map(|line| line.trim_start_matches("#: "))
            .collect();
        let changed = if example.starts_with("#: [") {
            format!("{text}\n{}\n", taken.join("\n"))
        } else {
            text.replacen(&example, taken.first().copied().unwrap_or_default(), 1)
        };
        if let Err(error) = read(&changed, &[]) {
            // Files of an example are not there, and a secret is given already.
            let fine =
                ["cannot be read", "is given more than once"].iter().any(|fine| error.problem.contains(fine));
            assert!(fine, "{example}: {error}");
        }
    }
}
