//! Stories with real third-party software: Chromium, Django, Next.js and the official client.
//!
//! Why: these are the promises of the project, kept in front of a browser. What is missing on a machine makes them
//! fail and say what to do; nothing is skipped. Pictures of the pages are kept in `tests/output`.

use hallpass_tests::{World, browser::Browser, django::Django};

mod demo;
mod gallery;
mod large_session;
mod nextjs;
mod no_scripts;
mod official_client;
mod refusals;
mod renewal;
mod sign_in;
mod sign_out;

const ORDINARY: (&str, &str) = ("user@example.com", "hallpass-demo");
const ADMIN: (&str, &str) = ("admin@example.com", "hallpass-admin");
const ORDINARY_NAME: &str = "Zoë Žluťoučký 山田";

/// A deployment before a real backend, and somebody who visits it.
struct Stage {
    browser: Browser,
    world: World,
    django: Django,
}

impl Stage {
    async fn set() -> Self {
        Self::set_with("").await
    }

    /// With these settings, such as `refresh.skew = "2s"`.
    async fn set_with(settings: &str) -> Self {
        let browser = Browser::start().await;
        let django = Django::start().await;
        let world = World::start(&format!("{settings}\n{}", django.rest())).await;
        Self { browser, world, django }
    }

    async fn open(&self, host: &str, path: &str) {
        self.browser.open(&self.world.url(host, path)).await;
    }

    /// Signs in at the auth server.
    async fn sign_in(&self, who: (&str, &str)) {
        self.open("auth", "/login").await;
        self.enter(who).await;
        self.browser.sees("nothing more to do here").await;
    }

    /// Fills in the sign-in page that is open.
    async fn enter(&self, who: (&str, &str)) {
        enter(&self.browser, who).await;
    }

    /// The session as a script on `host` gets it.
    async fn session(&self, host: &str) -> serde_json::Value {
        self.open(host, "/api/auth/providers").await;
        self.browser.run("return fetch('/api/auth/session').then(answer => answer.json())", &[]).await
    }

    /// Whether nobody is signed in there: the page of `host` leads to the sign-in page.
    async fn asks_to_sign_in(&self, host: &str) {
        self.open(host, "/").await;
        self.browser.sees(&format!("to continue to {host}.example.localhost")).await;
        assert_eq!(self.session(host).await, serde_json::json!({}), "{host}");
    }

    /// The names of the session's cookies that `host` is sent.
    async fn session_cookies(&self, host: &str) -> Vec<String> {
        self.open(host, "/api/auth/providers").await;
        let cookies = self.browser.cookies().await.into_iter().map(|cookie| cookie.name);
        let mut names: Vec<_> = cookies.filter(|name| name.contains("session-token")).collect();
        names.sort_unstable();
        names
    }
}

/// Fills in the sign-in page that is open.
async fn enter(browser: &Browser, (name, password): (&str, &str)) {
    browser.wait("is the form there", "return !!document.getElementById('password')", &[]).await;
    browser.fill("username", name).await;
    browser.fill("password", password).await;
    browser.click("main [type=submit]").await;
}
