//! Where a value comes from: files in their order, then the environment; and the names that NextAuth's users know.

use hallpass_tests::{
    SECRET,
    folder::Folder,
    programs::{self, Ended},
};
use insta::assert_snapshot;

/// A deployment that needs no backend to be running.
fn settings() -> String {
    format!(
        "secret = \"{SECRET}\"\nparent_domain = \"example.com\"\nauth_url = \"https://auth.example.com\"\n\
         backend = {{ kind = \"users-file\", users_file = \"users.toml\" }}\n"
    )
}

/// A folder with `a.toml`, `b.toml` and an empty file of users.
fn folder(first: &str, second: &str) -> Folder {
    let folder = Folder::new("sources");
    for (name, text) in [("a.toml", first), ("b.toml", second), ("users.toml", "")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

async fn check(folder: &Folder, files: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut arguments = vec!["check"];
    arguments.extend(files.iter().flat_map(|file| ["--config", file]));
    programs::run("auth-server", folder.path(), &arguments, environment).await
}

/// The first line of a check that went well.
async fn checked(folder: &Folder, files: &[&str], environment: &[(&str, &str)]) -> String {
    let ended = check(folder, files, environment).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    ended.stdout.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_later_file_wins_and_the_environment_over_all() {
    let folder = folder(&settings(), "auth_url = \"https://sso.example.com\"");
    let both = ["a.toml", "b.toml"];
    let at = |host: &str| format!("settings: ok, https://{host}.example.com/ for *.example.com");
    assert_eq!(checked(&folder, &both, &[]).await, at("sso"));
    assert_eq!(checked(&folder, &["b.toml", "a.toml"], &[]).await, at("auth"));
    let variable = [("HALLPASS_AUTH_URL", "https://login.example.com"), ("HALLPASS_BRAND__NAME", "Acme")];
    assert_eq!(checked(&folder, &both, &variable).await, at("login"));
    let variable = [("HALLPASS_BACKEND__USERS_FILE", "nowhere.toml")];
    assert_snapshot!(check(&folder, &both, &variable).await.stderr, @"auth-server: setting `backend.users_file` (from HALLPASS_BACKEND__USERS_FILE in the environment): nowhere.toml cannot be used: it cannot be read (No such file or directory (os error 2)); correct the path, or write it: a [[user]] each, with a hash of `auth-server hash-password`");
}

#[tokio::test]
async fn an_error_names_the_file_that_won() {
    let folder = folder(&settings(), "[cookie]\ndialect = \"v4\"");
    assert_snapshot!(check(&folder, &["a.toml", "b.toml"], &[]).await.stderr, @"auth-server: setting `cookie.dialect` (from b.toml): `v4` is not known; use next-auth-v4 or authjs-v5");
    assert_snapshot!(check(&folder, &["b.toml"], &[]).await.stderr, @"auth-server: setting `parent_domain` (neither in b.toml nor as HALLPASS_PARENT_DOMAIN in the environment): is missing; set it to the domain above all your hosts, such as example.com");
    let nothing = [("HALLPASS_PARENT_DOMAIN", "example.com")];
    assert_snapshot!(check(&folder, &[], &nothing).await.stderr, @"auth-server: setting `auth_url` (no file was named by --config, and HALLPASS_AUTH_URL is not set): is missing; set it to the auth server's public address, such as https://auth.example.com");
}

#[tokio::test]
async fn a_file_that_is_not_there_or_is_no_text() {
    let folder = folder(&settings(), "");
    std::fs::write(folder.path().join("binary.toml"), b"\xff\xfe").unwrap();
    let missing = check(&folder, &["a.toml", "missing.toml"], &[]).await;
    assert_snapshot!(missing.stderr, @"auth-server: setting `--config` (from the command line): there is no file missing.toml");
    assert_snapshot!(check(&folder, &["binary.toml"], &[]).await.stderr, @"auth-server: setting `--config` (from the command line): binary.toml cannot be read: stream did not contain valid UTF-8");
    assert_snapshot!(check(&folder, &["/"], &[]).await.stderr, @"auth-server: setting `--config` (from the command line): / cannot be read: Is a directory (os error 21)");
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""));
}

#[tokio::test]
async fn nextauths_names_are_understood_and_weaker_than_ours() {
    let without_secret = settings().replace("secret = ", "# ");
    let folder = folder(&without_secret, "");
    for name in ["NEXTAUTH_SECRET", "AUTH_SECRET", "HALLPASS_SECRET"] {
        checked(&folder, &["a.toml"], &[(name, SECRET)]).await;
    }
    // What is weaker is not even looked at.
    checked(&folder, &["a.toml"], &[("HALLPASS_SECRET", SECRET), ("NEXTAUTH_SECRET", "short")]).await;
    checked(&folder, &["a.toml"], &[("NEXTAUTH_SECRET", SECRET), ("AUTH_SECRET", "short")]).await;
    let variables = [("NEXTAUTH_SECRET", SECRET), ("NEXTAUTH_URL", "https://app.example.org")];
    let asked = programs::run("satellite", folder.path(), &["--config", "a.toml"], &variables).await;
    assert_snapshot!(asked.stderr, @"satellite: setting `NEXTAUTH_URL` (from NEXTAUTH_URL in the environment): `https://app.example.org` is not below parent_domain `example.com`, so it cannot share the cookie; correct one of the two");
}

#[tokio::test]
async fn a_secret_may_be_a_file_with_its_predecessors() {
    let folder = folder(&settings().replace("secret = ", "# "), "");
    let old = "yF3pKq8ZtB6nVw1sXc9LmR4jHd7Gg2Qe";
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n{old}\n\n")).unwrap();
    checked(&folder, &["a.toml"], &[("HALLPASS_SECRET_FILE", "secret")]).await;
    let ring = format!("[\"{SECRET}\", \"{old}\"]");
    checked(&folder, &["a.toml"], &[("HALLPASS_SECRETS", &ring)]).await;
}
