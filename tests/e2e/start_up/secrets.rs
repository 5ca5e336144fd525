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
    assert_snapshot!(said(cases).await, @"");
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
    assert_snapshot!(said(cases).await, @"");
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
    assert_snapshot!(said, @"");
}
