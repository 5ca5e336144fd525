//! A real Django with djangorestframework-simplejwt: rotation and blacklist on, users in `SQLite`.
//!
//! Why: what a refresh token is worth after it was used is decided by the backends people have, not by ours.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    folder::Folder,
    install::installed,
    process::{Process, tests_folder},
    programs::port,
};

/// The backend, running; it ends when it is dropped.
#[derive(Debug)]
pub struct Django {
    port: u16,
    client: reqwest::Client,
    process: Option<Process>,
    environment: Vec<(&'static str, String)>,
    folder: Folder,
}

impl Django {
    /// Starts it, with tokens that live for minutes.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these variables, such as `ACCESS_SECONDS`.
    ///
    /// # Panics
    /// If it cannot be started; with what to do about it.
    pub async fn start_with(variables: &[(&'static str, &str)]) -> Self {
        installed(&program()).await;
        let fixed = [("TEST_CONTROL", "1"), ("FAST_PASSWORDS", "1")];
        let environment =
            fixed.iter().chain(variables).map(|(name, value)| (*name, (*value).to_owned())).collect();
        #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (port, folder) = (port(), Folder::new("django"));
        let mut django = Self { port, client, process: None, environment, folder };
        django.up().await;
        django
    }

    /// Starts it again, where it was and with what it knew.
    pub async fn up(&mut self) {
        let folder = self.folder.path().display().to_string();
        let arguments = ["--port", &self.port.to_string(), "--dir", &folder];
        let mut process = Process::start(&program(), &arguments, &self.environment);
        process.wait_for("ready").await;
        self.process = Some(process);
    }

    /// Ends it, as an outage does.
    ///
    /// # Panics
    /// If it is not up.
    pub async fn down(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal("TERM").await;
        process.end().await;
    }

    /// Tells it what to do, such as `/test/fault`.
    ///
    /// # Panics
    /// If it does not.
    pub async fn tell(&self, path: &str, what: &Value) {
        let address = format!("http://127.0.0.1:{}{path}", self.port);
        let told = self.client.post(address).json(what).send().await.unwrap();
        assert!(told.status().is_success(), "{}", told.text().await.unwrap());
    }

    /// `[backend]` for its REST API.
    pub fn rest(&self) -> String {
        let api = format!("http://127.0.0.1:{}/api", self.port);
        format!(
            r#"
[backend]
kind = "rest"
sign_in = {{ url = "{api}/token/", body = {{ email = "{{username}}", password = "{{password}}" }} }}
refresh = {{ url = "{api}/token/refresh/", body = {{ refresh = "{{refresh_token}}" }} }}
sign_out = {{ url = "{api}/token/blacklist/", body = {{ refresh = "{{refresh_token}}" }} }}
user = {{ url = "{api}/me/" }}
"#
        )
    }

    /// `[backend]` for its GraphQL API.
    pub fn graphql(&self) -> String {
        const USER: &str =
            "id email name firstName lastName isAdmin groups contactAddress { street city country }";
        format!(
            r#"
[backend]
kind = "graphql"
url = "http://127.0.0.1:{}/graphql"
[backend.sign_in]
query = "mutation($email: String!, $password: String!) {{ signIn(email: $email, password: $password) {{ access refresh user {{ {USER} }} }} }}"
variables = {{ email = "{{username}}", password = "{{password}}" }}
[backend.refresh]
query = "mutation($token: String!) {{ refresh(refreshToken: $token) {{ access refresh }} }}"
variables = {{ token = "{{refresh_token}}" }}
[backend.sign_out]
query = "mutation($token: String!) {{ signOut(refreshToken: $token) {{ ok }} }}"
variables = {{ token = "{{refresh_token}}" }}
"#,
            self.port
        )
    }

    /// How often it was asked for what, such as `refresh_ok`.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn count(&self, what: &str) -> u64 {
        let address = format!("http://127.0.0.1:{}/test/counters", self.port);
        let counters: Value = self.client.get(address).send().await.unwrap().json().await.unwrap();
        counters[what].as_u64().unwrap()
    }

    /// Ends it for good.
    pub async fn stop(mut self) {
        self.down().await;
    }
}

fn program() -> PathBuf {
    tests_folder().join("django/run")
}
