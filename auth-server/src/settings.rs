//! The auth server's sections: backend, throttle, pages.
//!
//! Why: text becomes checked values before anything starts, and each error names key, source and remedy.

use std::{path::PathBuf, time::Duration};

use hallpass_shared::{
    secret::{Secret, SecretRing},
    settings::{Rate, SettingsError, SharedSettings, Span, Texts, secrets_from_file},
};
use serde::Deserialize;
use url::{Origin, Url};

use crate::{backend::Backend, store::StoreSettings};

/// Everything the auth server needs.
#[derive(Debug)]
pub struct Settings {
    /// What satellites share.
    pub shared: SharedSettings,
    /// Who checks passwords.
    pub backend: Backend,
    /// Where what outlives a request is kept.
    pub store: StoreSettings,
    /// What the admin call takes; without it there is none.
    pub admin_secret: Option<Secret>,
    /// How many attempts there may be.
    pub throttle: ThrottleSettings,
    /// Where the sign-in page is: ours, or an app's own.
    pub sign_in_page: Url,
    /// Origins of apps that pass `/api/auth/*` on to this server under their own name.
    pub proxied_by: Vec<Origin>,
}

/// `[throttle]`.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleSettings {
    /// Failed attempts on one account from one address; ten times as many on the account from everywhere.
    pub per_account: Rate,
    /// Failed attempts from one address.
    pub per_address: Rate,
    /// Sign-ins at the backend at a time; four times as many may wait.
    pub in_flight: usize,
    /// A refusal takes at least this long, so that its time tells nothing (threat-model S4).
    pub answer_floor: Duration,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ThrottleText {
    per_account: Rate,
    per_address: Rate,
    in_flight: usize,
    answer_floor: Span,
}

impl Default for ThrottleText {
    fn default() -> Self {
        let per = Duration::from_mins(5);
        Self {
            per_account: Rate { count: 10, per },
            per_address: Rate { count: 30, per },
            in_flight: 64,
            answer_floor: Span(Duration::from_millis(300)),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PagesText {
    sign_in: Option<String>,
    proxied_by: Vec<String>,
}

impl Settings {
    /// Reads and checks all settings of an auth server.
    ///
    /// # Errors
    /// The first [`SettingsError`].
    pub fn read(texts: &Texts) -> Result<Self, SettingsError> {
        let shared = SharedSettings::read(texts)?;
        let throttle: ThrottleText = section(texts, "throttle")?;
        let pages: PagesText = section(texts, "pages")?;
        if throttle.in_flight == 0 {
            return Err(texts.invalid("throttle.in_flight", "must be at least 1"));
        }
        Ok(Self {
            sign_in_page: sign_in_page(texts, &shared, pages.sign_in.as_deref())?,
            proxied_by: proxied_by(texts, &shared, &pages.proxied_by)?,
            backend: Backend::read(texts, &shared)?,
            store: StoreSettings::read(texts)?,
            admin_secret: admin_secret(texts)?,
            throttle: ThrottleSettings {
                per_account: throttle.per_account,
                per_address: throttle.per_address,
                in_flight: throttle.in_flight,
                answer_floor: throttle.answer_floor.0,
            },
            shared,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AdminText {
    secret: Option<String>,
    secret_file: Option<PathBuf>,
}

fn admin_secret(texts: &Texts) -> Result<Option<Secret>, SettingsError> {
    let text: AdminText = section(texts, "admin")?;
    let (key, secret) = match (text.secret, text.secret_file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(
                texts.invalid("admin.secret", "is given twice; give admin.secret or admin.secret_file")
            );
        }
        (Some(secret), None) => ("admin.secret", Secret::new(secret)),
        (None, Some(path)) => {
            let key = "admin.secret_file";
            let first = secrets_from_file(texts, key, &path)?.into_iter().next();
            (key, first.unwrap_or_else(|| Secret::new("")))
        }
    };
    SecretRing::new(vec![secret.clone()])
        .and_then(|alone| alone.check_strength())
        .map_err(|weak| texts.invalid(key, format!("{weak}; make one with `auth-server secret`")))?;
    Ok(Some(secret))
}

fn section<T: Default + serde::de::DeserializeOwned>(texts: &Texts, name: &str) -> Result<T, SettingsError> {
    if texts.has(name) { texts.get(Some(name)) } else { Ok(T::default()) }
}

/// Our own `/login`, or a page of the domain that an app serves.
fn sign_in_page(texts: &Texts, shared: &SharedSettings, given: Option<&str>) -> Result<Url, SettingsError> {
    let returns = shared.return_policy(&shared.auth_url);
    let page = returns.parse(given.unwrap_or("/login")).map_err(|_| {
        let problem = "must be a path or an address of a host below parent_domain, such as https://app.example.com/login";
        texts.invalid("pages.sign_in", problem)
    })?;
    Url::parse(page.as_str()).map_err(|error| texts.invalid("pages.sign_in", error))
}

fn proxied_by(
    texts: &Texts,
    shared: &SharedSettings,
    given: &[String],
) -> Result<Vec<Origin>, SettingsError> {
    given
        .iter()
        .map(|app| shared.public_url(texts, "pages.proxied_by", app).map(|url| url.origin()))
        .collect()
}
