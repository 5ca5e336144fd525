//! The two programs from start to end: what they refuse and in which words, their commands, their admin listener and
//! their log.
//!
//! Why: whoever reads these messages is in a hurry. Each refusal is one sentence that names the key, where its value
//! came from and what to do; here they stand word for word.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_tests::{SECRET, folder::Folder, programs};
use serde_json::json;

mod admin;
mod commands;
mod disagreement;
mod forms;
mod gate;
mod log;
#[cfg(feature = "real")]
mod redis;
mod refusals;
mod sample;
mod secrets;
mod shutdown;
mod sources;
mod traces;

/// A settings file with which both programs would start.
fn good() -> String {
    format!(
        r#"secret = "{SECRET}"
parent_domain = "example.com"
auth_url = "https://auth.example.com"

[backend]
kind = "rest"
sign_in = {{ url = "http://127.0.0.1:9/token", body = {{ username = "{{username}}", password = "{{password}}" }} }}

[satellite]
url = "https://app.example.com"
"#
    )
}

/// A start that must be refused.
struct Case {
    program: &'static str,
    settings: String,
    environment: Vec<(&'static str, &'static str)>,
}

/// The auth server, with settings where `from` became `to`.
#[track_caller]
fn changed(from: &str, to: &str) -> Case {
    let settings = good();
    assert!(settings.contains(from), "{from}");
    Case { program: "auth-server", settings: settings.replace(from, to), environment: Vec::new() }
}

/// The auth server, with this text behind its settings.
fn with(section: &str) -> Case {
    Case { program: "auth-server", settings: good() + section, environment: Vec::new() }
}

impl Case {
    /// The satellite instead.
    fn at_satellite(self) -> Self {
        Self { program: "satellite", ..self }
    }

    /// With this variable.
    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// With another change.
    #[track_caller]
    fn and(self, from: &str, to: &str) -> Self {
        assert!(self.settings.contains(from), "{from}");
        Self { settings: self.settings.replace(from, to), ..self }
    }

    /// What it says when it ends: one line on standard error and nothing else, with status 1.
    async fn says(self) -> String {
        let folder = Folder::new("refusal");
        std::fs::write(folder.path().join("hallpass.toml"), &self.settings).unwrap();
        let arguments = ["--config", "hallpass.toml"];
        let ended = programs::run(self.program, folder.path(), &arguments, &self.environment).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches('\n').count(), 1, "{}", ended.stderr);
        ended.stderr
    }
}

/// What all of them say, a line each.
async fn said(cases: impl IntoIterator<Item = Case>) -> String {
    let mut said = String::new();
    for case in cases {
        said.push_str(&case.says().await);
    }
    said
}

/// A reply that signs `name` in, with an access token that ends in so many seconds.
fn short_lived(name: &str, seconds: i64) -> String {
    let end = hallpass_shared::clock::Clock::now(&hallpass_shared::clock::SystemClock).as_seconds() + seconds;
    let payload = URL_SAFE_NO_PAD.encode(json!({"exp": end, "user_id": name}).to_string());
    let reply = json!({
        "access": format!("e30.{payload}.{end}"),
        "refresh": format!("refresh-{name}-{end}"),
        "user": {"id": name, "email": format!("{name}@example.com"), "name": name},
    });
    reply.to_string()
}

const DOMAIN: &str = "parent_domain = \"example.com\"\n";
const ADDRESS: &str = "auth_url = \"https://auth.example.com\"\n";
