//! Accounts of a file: signing in, renewing, changing the file.
//!
//! Why: beside the code these tests are as long as it.

use std::path::Path;

use argon2::{Argon2, Params, PasswordHasher as _, password_hash::phc::PasswordHash};
use hallpass_shared::{clock::FixedClock, token::claims::jwt_payload};

use super::{
    super::{Backend, Kind},
    *,
};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// Reads settings with this `[backend]`, at a fixed time.
fn read(section: &str) -> Result<Backend, String> {
    let all = format!(
        "secret = \"d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b\"\nparent_domain = \"example.com\"\n\
             auth_url = \"https://auth.example.com\"\n{section}"
    );
    let texts = Texts::from_toml(&all).map_err(|error| error.to_string())?;
    let shared = SharedSettings::read(&texts).map_err(|error| error.to_string())?;
    let backend = Backend::read(&texts, &shared).map_err(|error| error.to_string())?;
    Ok(backend.with_clock(Arc::new(FixedClock::at(NOW))))
}

/// A file of one user, whose password is cheaply hashed.
fn users(active: &str, password: &str) -> String {
    let cheap = Argon2::from(Params::new(64, 1, 1, None).unwrap());
    let hash: PasswordHash = cheap.hash_password(password.as_bytes()).unwrap();
    format!(
        "[[user]]\nid = \"7\"\nemail = \"zofie@example.com\"\npassword_hash = \"{hash}\"\nactive = {active}\n\
             fields = {{ name = \"Žofie\", isAdmin = true }}\n"
    )
}

struct File(PathBuf);

impl File {
    fn with(text: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("hallpass-{}.toml", uuid::Uuid::new_v4())));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }

    fn backend(&self) -> Result<Backend, String> {
        read(&section(&self.0))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn section(path: &Path) -> String {
    format!("[backend]\nkind = \"users-file\"\nusers_file = \"{}\"", path.display())
}

async fn sign_in(backend: &Backend, name: &str, password: &str) -> Result<Grant, BackendError> {
    backend.sign_in(&Secret::new(name), &Secret::new(password), None).await
}

async fn a_second_later() {
    tokio::time::advance(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_user_signs_in_and_is_renewed() {
    let file = File::with(&users("true", "correct horse"));
    let backend = file.backend().unwrap();
    let grant = sign_in(&backend, " ZOFIE@example.com", "correct horse").await.unwrap();
    assert_eq!(grant.subject().as_deref(), Some("7"));
    assert_eq!(grant.user.as_ref().unwrap()["isAdmin"], true);
    let payload = jwt_payload(grant.access_token.as_ref().unwrap()).unwrap();
    assert_eq!(payload["iss"], "https://auth.example.com");
    assert_eq!((&payload["sub"], &payload["name"]), (&json!("7"), &json!("Žofie")));
    assert_eq!(payload["exp"], NOW.as_seconds() + 900);
    let refresh_token = grant.refresh_token.unwrap();
    let renewed = backend.refresh(&refresh_token).await.unwrap();
    assert_ne!(renewed.refresh_token.unwrap().expose(), refresh_token.expose());
    for (name, password) in [
        ("zofie@example.com", "correct horse "),
        ("zofie@example.com", "Correct horse"),
        ("nobody@example.com", "correct horse"),
        ("7", "correct horse"),
    ] {
        assert_eq!(sign_in(&backend, name, password).await.unwrap_err(), BackendError::Denied);
    }
    assert_eq!(backend.jwks()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refresh_token_dies_with_its_time_and_with_its_like() {
    let file = File::with(&users("true", "correct horse"));
    let backend = file.backend().unwrap();
    let grant = sign_in(&backend, "zofie@example.com", "correct horse").await.unwrap();
    let token = grant.refresh_token.unwrap();
    let Kind::UsersFile(inner) = &backend.0 else { panic!("a users file") };
    assert!(inner.codec.open(&SealedToken::from_wire(token.expose().into()).unwrap(), NOW).is_ok());
    for other in ["", "junk", "a.b.c", grant.access_token.unwrap().expose()] {
        assert_eq!(backend.refresh(&Secret::new(other)).await.unwrap_err(), BackendError::Denied);
    }
    let later = NOW.plus(Duration::from_hours(31 * 24));
    let backend = backend.with_clock(Arc::new(FixedClock::at(later)));
    assert_eq!(backend.refresh(&token).await.unwrap_err(), BackendError::Denied);
}

#[tokio::test(start_paused = true)]
async fn who_is_taken_out_is_out_within_a_second() {
    // threat-model T15
    for changed in [users("true", "another horse!"), users("false", "correct horse"), String::new()] {
        let file = File::with(&users("true", "correct horse"));
        let backend = file.backend().unwrap();
        let token =
            sign_in(&backend, "zofie@example.com", "correct horse").await.unwrap().refresh_token.unwrap();
        file.write(&changed);
        a_second_later().await;
        assert_eq!(backend.refresh(&token).await.unwrap_err(), BackendError::Denied);
        assert!(sign_in(&backend, "zofie@example.com", "correct horse").await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_leaves_the_users_in_place() {
    let file = File::with(&users("true", "correct horse"));
    let backend = file.backend().unwrap();
    file.write("[[user]]\nid = ");
    a_second_later().await;
    assert!(sign_in(&backend, "zofie@example.com", "correct horse").await.is_ok());
    std::fs::remove_file(&file.0).unwrap();
    a_second_later().await;
    assert!(sign_in(&backend, "zofie@example.com", "correct horse").await.is_ok());
    file.write(&users("true", "another horse"));
    a_second_later().await;
    assert!(sign_in(&backend, "zofie@example.com", "another horse").await.is_ok());
}

#[test]
fn a_file_that_cannot_be_used_stops_the_start() {
    let error = read(&section(Path::new("/nowhere/users.toml"))).unwrap_err();
    assert!(error.contains("`backend.users_file`") && error.contains("/nowhere/users.toml"), "{error}");
    let error = File::with("[[user]]\nid = \"1\"").backend().unwrap_err();
    assert!(error.contains("line 1") && error.contains("password_hash"), "{error}");
    let file = File::with("");
    let error = read(&format!("{}\naccess_ttl = \"0s\"", section(&file.0))).unwrap_err();
    assert!(error.contains("`backend.access_ttl`"), "{error}");
}
