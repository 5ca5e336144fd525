//! Secrets that are empty, guessable, missing, or given twice.

use hallpass_tests::SECRET;
use insta::assert_snapshot;

use super::{Case, changed, said};

fn secret(instead: &str) -> Case {
    changed(&format!("secret = \"{SECRET}\""), instead)
}

#[tokio::test]
async fn a_secret_that_could_be_guessed() {
    // threat-model T9
    let cases = [
        secret(""),
        secret("secret = \"\""),
        secret("secret = \"only-31-bytes-but-5o-random-x1\""),
        secret("secret = \"changeme-changeme-changeme-changeme\"").at_satellite(),
        secret("secret = \"0123012301230123012301230123012301230123\""),
        secret("secrets = []"),
        secret(&format!("secrets = [\"{SECRET}\", \"\"]")),
        secret(&format!("secrets = [\"{SECRET}\", \"short\"]")),
        secret("").variable("HALLPASS_SECRET", ""),
        secret("").variable("NEXTAUTH_SECRET", "short"),
        secret("").variable("AUTH_SECRET", "short").at_satellite(),
    ];
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `secret` (neither in hallpass.toml nor as HALLPASS_SECRET in the environment): is missing; make one with `auth-server secret`
    auth-server: setting `secret` (from hallpass.toml): is empty; make one with `auth-server secret`
    auth-server: setting `secret` (from hallpass.toml): has fewer than 32 bytes; make one with `auth-server secret` (or, to keep an old one, set insecure_short_secret = true)
    satellite: setting `secret` (from hallpass.toml): is a sample value from documentation, which everybody knows; make one with `auth-server secret`
    auth-server: setting `secret` (from hallpass.toml): has too little variety to be random; make one with `auth-server secret`
    auth-server: setting `secrets` (from hallpass.toml): is empty; make one with `auth-server secret`
    auth-server: setting `secrets` (from hallpass.toml): secret 2 of 2 is empty; make one with `auth-server secret`
    auth-server: setting `secrets` (from hallpass.toml): secret 2 of 2 has fewer than 32 bytes; make one with `auth-server secret` (or, to keep an old one, set insecure_short_secret = true)
    auth-server: setting `secret` (from HALLPASS_SECRET in the environment): is empty; make one with `auth-server secret`
    auth-server: setting `NEXTAUTH_SECRET` (from NEXTAUTH_SECRET in the environment): has fewer than 32 bytes; make one with `auth-server secret` (or, to keep an old one, set insecure_short_secret = true)
    satellite: setting `NEXTAUTH_SECRET` (from AUTH_SECRET in the environment): has fewer than 32 bytes; make one with `auth-server secret` (or, to keep an old one, set insecure_short_secret = true)
    ");
}

#[tokio::test]
async fn a_secret_that_is_not_where_it_should_be() {
    // threat-model X5
    let file = "secret_file = \"/nowhere/secret\"";
    let cases = [
        secret(file),
        secret("secret_file = \"/\""),
        secret("secret_file = \"/dev/null\""),
        secret(&format!("secret = \"{SECRET}\"\n{file}")),
        secret(file).variable("HALLPASS_SECRET", SECRET).at_satellite(),
    ];
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `secret_file` (from hallpass.toml): /nowhere/secret cannot be read: No such file or directory (os error 2); make it with `auth-server secret > /nowhere/secret`
    auth-server: setting `secret_file` (from hallpass.toml): / cannot be read: Is a directory (os error 21)
    auth-server: setting `secret_file` (from hallpass.toml): is empty; make one with `auth-server secret`
    auth-server: setting `secret` (from hallpass.toml): is given more than once, as `secret` (from hallpass.toml) and `secret_file` (from hallpass.toml); keep one
    satellite: setting `secret` (from HALLPASS_SECRET in the environment): is given more than once, as `secret` (from HALLPASS_SECRET in the environment) and `secret_file` (from hallpass.toml); keep one
    ");
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_is_not_repeated() {
    // threat-model X1
    let cases = [
        secret(&format!("secret = {SECRET}")),
        secret(&format!("secret = \"{SECRET}")),
        secret(&format!("secret = \"{SECRET}\" \"{SECRET}\"")),
        secret(&format!("secret = \"{SECRET}\"\nsecret = \"{SECRET}\"")),
        secret(&format!("secret = [\"{SECRET}\"]")),
        secret(&format!("secrets = \"{SECRET}\"")),
        secret("").variable("HALLPASS_SECRETS", SECRET),
    ];
    let said = said(cases).await;
    assert!(!said.contains(SECRET), "{said}");
    assert_snapshot!(said, @r#"
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 1, column 10: string values must be quoted, expected literal string
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 1, column 43: invalid basic string, expected `"`
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 1, column 45: unexpected key or value, expected newline, `#`
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 2, column 1: duplicate key
    auth-server: setting `secret` (from hallpass.toml): has a wrong type; expected a text in quotes
    auth-server: setting `secrets` (from hallpass.toml): has a wrong type; expected a list, in brackets
    auth-server: setting `secrets` (from HALLPASS_SECRETS in the environment): has a wrong type; expected a list, in brackets
    "#);
}
