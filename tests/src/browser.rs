//! A real Chromium, driven through `WebDriver`, with a profile of its own.
//!
//! Why: what browsers do with cookies, redirects, forms and scripts is decided by browsers. At most two run at a
//! time, so that a small machine is not too slow for the patience of the tests.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use thirtyfour::{
    BrowserCapabilitiesHelper as _, By, ChromiumLikeCapabilities as _, Cookie, DesiredCapabilities,
    LoggingPrefsLogLevel, WebDriver, WindowHandle,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

use crate::{folder::Folder, install::REMEDY, process::Process};

mod looks;

static PLACES: Semaphore = Semaphore::const_new(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody's browser; it ends when this is dropped. The order of the fields is that of the end.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    port: u16,
    _chromedriver: Process,
    _folders: Vec<Folder>,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// An English one.
    pub async fn start() -> Self {
        Self::with_preferences(json!({ "intl.accept_languages": "en" })).await
    }

    /// One whose pages are asked for in this language.
    pub async fn speaking(language: &str) -> Self {
        Self::with_preferences(json!({ "intl.accept_languages": language })).await
    }

    /// One that runs no scripts.
    pub async fn without_scripts() -> Self {
        let off = json!({ "profile.managed_default_content_settings.javascript": 2, "intl.accept_languages": "en" });
        Self::with_preferences(off).await
    }

    /// An English one that finds every name at `address` and trusts the certificates of `authority` (a PEM file).
    ///
    /// # Panics
    /// If it cannot be made to trust them; with what to do about it.
    pub async fn trusting(authority: &Path, address: IpAddr) -> Self {
        // Chromium has a home of its own then: there it looks for authorities beside its own.
        let home = Folder::new("chromium-home");
        let database = home.path().join(".pki/nssdb");
        std::fs::create_dir_all(&database).unwrap();
        let database = format!("sql:{}", database.display());
        let authority = authority.display().to_string();
        let new = ["-d", &database, "-N", "--empty-password"];
        let add = ["-d", &database, "-A", "-t", "C,,", "-n", "the demo's own", "-i", &authority];
        for arguments in [&new[..], &add] {
            let ended = Command::new("certutil").args(arguments).status();
            assert!(ended.is_ok_and(|status| status.success()), "certutil {arguments:?} fails; {REMEDY}");
        }
        let rules = format!("--host-resolver-rules=MAP * {address}");
        let preferences = json!({ "intl.accept_languages": "en" });
        Self::start_with(preferences, &[rules], Some(home)).await
    }

    async fn with_preferences(preferences: Value) -> Self {
        Self::start_with(preferences, &[], None).await
    }

    async fn start_with(preferences: Value, arguments: &[String], home: Option<Folder>) -> Self {
        let place = PLACES.acquire().await.unwrap();
        let profile = Folder::new("chromium");
        // A port of our own: with 0 it takes one that may be in use over IPv4.
        let port = crate::programs::port();
        let environment: Vec<_> =
            home.iter().map(|home| ("HOME", home.path().display().to_string())).collect();
        let mut chromedriver =
            Process::start("chromedriver".as_ref(), &[format!("--port={port}")], &environment);
        chromedriver.wait_for("started successfully on port").await;
        let mut wishes = DesiredCapabilities::chrome();
        for argument in ARGUMENTS.into_iter().chain(arguments.iter().map(String::as_str)) {
            wishes.add_arg(argument).unwrap();
        }
        wishes.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        wishes.set_browser_option("prefs", preferences).unwrap();
        wishes.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), wishes).client(client).await;
        let driver = driver.unwrap_or_else(|error| panic!("Chromium cannot be started: {error}; {REMEDY}"));
        let folders = std::iter::once(profile).chain(home).collect();
        Self { driver, port, _chromedriver: chromedriver, _folders: folders, _place: place }
    }

    /// Goes to an address, as if it was typed.
    ///
    /// # Panics
    /// If the browser cannot go there.
    pub async fn open(&self, address: &str) {
        self.driver.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// The window that is open, for [`Browser::turn_to`].
    ///
    /// # Panics
    /// If there is none.
    pub async fn window(&self) -> WindowHandle {
        self.driver.window().await.unwrap()
    }

    /// Opens another window and goes on there.
    ///
    /// # Panics
    /// If there is none.
    pub async fn open_window(&self, address: &str) -> WindowHandle {
        let window = self.driver.new_window().await.unwrap();
        self.turn_to(&window).await;
        self.open(address).await;
        window
    }

    /// Goes on in that window.
    ///
    /// # Panics
    /// If it was closed.
    pub async fn turn_to(&self, window: &WindowHandle) {
        self.driver.switch_to_window(window.clone()).await.unwrap();
    }

    /// `window.location.href`.
    ///
    /// # Panics
    /// If there is no page.
    pub async fn address(&self) -> String {
        self.run("return location.href", &[]).await.as_str().unwrap().to_owned()
    }

    /// The status of the page's own answer.
    ///
    /// # Panics
    /// If there is no page.
    pub async fn status(&self) -> u64 {
        let script = "return performance.getEntriesByType('navigation')[0].responseStatus";
        self.run(script, &[]).await.as_u64().unwrap()
    }

    /// What the page shows.
    ///
    /// # Panics
    /// If there is no page.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText", &[]).await.as_str().unwrap_or_default().to_owned()
    }

    /// What this element shows.
    ///
    /// # Panics
    /// If there is no such element.
    pub async fn text_of(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0]).innerText";
        self.run(script, &[selector.into()]).await.as_str().unwrap().to_owned()
    }

    /// What this script returns; a promise is waited for.
    ///
    /// # Panics
    /// If it throws.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let returned = self.driver.execute(script, arguments.to_vec()).await;
        returned.unwrap_or_else(|error| panic!("{script:.200}: {error}")).json().clone()
    }

    /// Waits until this script returns true.
    pub async fn wait(&self, what: &str, script: &str, arguments: &[Value]) {
        self.wait_as_long(what, (script, arguments), PATIENCE).await;
    }

    /// Waits until this script returns true, for something that takes its time.
    pub async fn wait_longer(&self, what: &str, script: &str, patience: Duration) {
        self.wait_as_long(what, (script, &[]), patience).await;
    }

    async fn wait_as_long(&self, what: &str, (script, arguments): (&str, &[Value]), patience: Duration) {
        let started = Instant::now();
        while started.elapsed() < patience {
            // While a page is left, a script may find none.
            let held = self.driver.execute(script, arguments.to_vec()).await;
            if held.is_ok_and(|held| *held.json() == json!(true)) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.save("failed").await;
        panic!("{what}? At {} there is:\n{}", self.address().await, self.text().await);
    }

    /// Waits until the page at exactly this address is there.
    pub async fn arrives_at(&self, address: &str) {
        let script = "return document.readyState === 'complete' && location.href === arguments[0]";
        self.wait(&format!("is this {address}"), script, &[address.into()]).await;
    }

    /// Waits until the page shows this text.
    pub async fn sees(&self, text: &str) {
        let script =
            "return document.readyState === 'complete' && document.body.innerText.includes(arguments[0])";
        self.wait(&format!("does it show {text:?}"), script, &[text.into()]).await;
    }

    /// Waits until this element shows exactly this text.
    pub async fn shows(&self, selector: &str, text: &str) {
        let script = "return document.querySelector(arguments[0]).innerText === arguments[1]";
        self.wait(&format!("does {selector} show {text:?}"), script, &[selector.into(), text.into()]).await;
    }

    /// Types into the field of this id.
    ///
    /// # Panics
    /// If there is none.
    pub async fn fill(&self, id: &str, text: &str) {
        let field = self.driver.find(By::Id(id)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks on what this selector finds.
    ///
    /// # Panics
    /// If it finds nothing that can be clicked.
    pub async fn click(&self, selector: &str) {
        self.driver.find(By::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// The cookies that a request from this page to its own host would carry.
    ///
    /// # Panics
    /// If there is no page.
    pub async fn cookies(&self) -> Vec<Cookie> {
        self.driver.get_all_cookies().await.unwrap()
    }
}

impl Drop for Browser {
    /// Ends the session, and with it Chromium, without the runtime: that may be what waits for this.
    fn drop(&mut self) {
        let path = format!("/session/{}", self.driver.session_id());
        let _ = self.driver.clone().leak();
        let ended = delete(self.port, &path);
        let fine = ended.as_ref().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"));
        assert!(fine || std::thread::panicking(), "a Chromium is left behind: {ended:?}");
    }
}

fn delete(port: u16, path: &str) -> io::Result<[u8; 12]> {
    let mut driver = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    driver.set_read_timeout(Some(PATIENCE))?;
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0\r\n\r\n");
    driver.write_all(request.as_bytes())?;
    let mut answer = [0; 12];
    driver.read_exact(&mut answer)?;
    Ok(answer)
}

const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--window-size=1280,800",
];
