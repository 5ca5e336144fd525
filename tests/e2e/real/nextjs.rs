//! A real Next.js app is a satellite: it reads our cookie, we read the one it writes.

use std::time::Duration;

use hallpass_tests::{
    World,
    browser::Browser,
    django::Django,
    nextjs::{NextApp, Version},
};
use serde_json::{Value, json};

use super::{ORDINARY, ORDINARY_NAME, Stage};

/// What stays the same from sign-in to sign-out, whoever writes the cookie.
const LASTING: [&str; 6] = ["sub", "sid", "authTime", "absoluteExp", "isAdmin", "contactAddress"];

/// A deployment with a Next.js app in it, on another port.
struct Mixed {
    stage: Stage,
    next: NextApp,
}

impl Mixed {
    async fn set(version: Version) -> Self {
        Self::set_with(version, "").await
    }

    async fn set_with(version: Version, settings: &str) -> Self {
        let browser = Browser::start().await;
        let django = Django::start().await;
        let mut next = NextApp::reserve(version).await;
        // `update_age`: our satellites, too, write the cookie at each visit.
        let settings = format!(
            "return_to.allow = [\"{}\"]\nsession.update_age = \"0s\"\n{settings}\n{}{}",
            next.url,
            version.settings(),
            django.rest()
        );
        let world = World::start(&settings).await;
        next.start(&world.url("auth", "/login")).await;
        Self { stage: Stage { browser, world, django }, next }
    }

    /// JSON that the app answers.
    async fn read(&self, path: &str) -> Value {
        self.stage.browser.open(&self.next.at(path)).await;
        serde_json::from_str(&self.stage.browser.text_of("pre").await).unwrap()
    }

    /// Those claims of the cookie, as `getToken` reads them.
    async fn lasting_claims(&self) -> Vec<Value> {
        let claims = self.read("/api/token").await;
        assert_eq!(json!([claims["token"], claims["refreshToken"]]), json!([true, true]), "{claims}");
        LASTING.map(|name| claims[name].clone()).to_vec()
    }

    /// The session's cookie as it is now.
    async fn cookie(&self) -> String {
        let cookies = self.stage.browser.cookies().await;
        let ours = cookies.into_iter().find(|cookie| cookie.name.ends_with("session-token"));
        ours.map(|cookie| cookie.value).unwrap()
    }
}

async fn leads_to_sign_in_and_back(mixed: &Mixed) {
    let (stage, browser) = (&mixed.stage, &mixed.stage.browser);
    let page = mixed.next.at("/private?page=2&x=%C5%BD");
    browser.open(&page).await;
    browser.sees("to continue to next.example.localhost").await;
    stage.enter(ORDINARY).await;
    browser.arrives_at(&page).await;
    let seen: Value = serde_json::from_str(&browser.text_of("#server-session").await).unwrap();
    assert_eq!(json!([seen["user"]["name"], seen["user"]["firstName"]]), json!([ORDINARY_NAME, "Zoë"]));
    assert_eq!(seen["user"]["contactAddress"]["city"], "Plzeň");

    browser.open(&mixed.next.at("/")).await;
    browser.shows("#status", "authenticated").await;
    let used: Value = serde_json::from_str(&browser.text_of("#session").await).unwrap();
    assert_eq!(used["user"]["email"], ORDINARY.0, "useSession sees it too");
}

/// The page of before has had the app write the cookie; from here on both take turns.
async fn shares_the_cookie_with_us(mixed: &Mixed) {
    let (stage, browser) = (&mixed.stage, &mixed.stage.browser);
    let claims = mixed.lasting_claims().await;
    for turn in 0..2 {
        let theirs = mixed.cookie().await;
        assert_eq!(stage.session("app").await["user"]["email"], ORDINARY.0, "turn {turn}: we read theirs");
        let ours = mixed.cookie().await;
        assert_ne!(ours, theirs, "turn {turn}: and write our own");
        assert_eq!(mixed.lasting_claims().await, claims, "turn {turn}: they read ours, nothing is lost");
        let session = mixed.read("/api/auth/session").await;
        assert_eq!(session["user"]["sid"], claims[1], "turn {turn}");
        assert_ne!(mixed.cookie().await, ours, "turn {turn}: and write theirs");
    }
    stage.open("admin", "/").await;
    browser.sees(ORDINARY_NAME).await;
}

async fn is_signed_out_with_us(mixed: &Mixed) {
    let (stage, browser) = (&mixed.stage, &mixed.stage.browser);
    stage.open("auth", "/logout").await;
    browser.click("main [type=submit]").await;
    browser.sees("signed out everywhere").await;
    browser.open(&mixed.next.at("/private")).await;
    browser.sees("to continue to next.example.localhost").await;
    browser.open(&mixed.next.at("/")).await;
    browser.shows("#status", "unauthenticated").await;
    assert_eq!(stage.session_cookies("app").await, Vec::<String>::new());
}

async fn signs_us_out(mixed: &Mixed) {
    let (stage, browser) = (&mixed.stage, &mixed.stage.browser);
    // Its own "sign in" button leads here, and back.
    browser.open(&mixed.next.at("/")).await;
    browser.click("#sign-in").await;
    stage.enter(ORDINARY).await;
    browser.arrives_at(&mixed.next.at("/")).await;
    browser.shows("#status", "authenticated").await;
    browser.click("#sign-out").await;
    browser.shows("#status", "unauthenticated").await;
    for host in ["auth", "app"] {
        assert_eq!(stage.session_cookies(host).await, Vec::<String>::new(), "{host}");
    }
}

async fn is_a_satellite(version: Version) {
    let mixed = Mixed::set(version).await;
    leads_to_sign_in_and_back(&mixed).await;
    shares_the_cookie_with_us(&mixed).await;
    is_signed_out_with_us(&mixed).await;
    signs_us_out(&mixed).await;
}

#[tokio::test]
async fn a_nextjs_app_with_next_auth_v4_is_a_satellite() {
    is_a_satellite(Version::V4).await;
}

#[tokio::test]
async fn a_nextjs_app_with_next_auth_v5_is_a_satellite() {
    is_a_satellite(Version::V5).await;
}

/// However often the app has written the cookie anew, with an end of its own.
async fn ends_where_we_said(version: Version) {
    // threat-model T13
    let begun = tokio::time::Instant::now();
    let settings = "session.max_age = \"1m\"\nsession.absolute_max_age = \"1m\"";
    let mixed = Mixed::set_with(version, settings).await;
    leads_to_sign_in_and_back(&mixed).await;
    let signed_in = tokio::time::Instant::now();
    assert_eq!(mixed.read("/api/auth/session").await["user"]["email"], ORDINARY.0);
    let browser = &mixed.stage.browser;
    let ours = browser.cookies().await.into_iter().find(|cookie| cookie.name.ends_with("session-token"));
    let copy = ours.unwrap();
    let mut visitor = hallpass_tests::Visitor::new(mixed.stage.world.port);
    visitor.jar.insert((copy.name, ".example.localhost".into()), copy.value);
    let early = visitor.clone().fetch("app.example.localhost", "/api/auth/session").await.json();
    assert!(begun.elapsed() > Duration::from_mins(1) || early["user"]["email"] == ORDINARY.0, "{early}");
    tokio::time::sleep_until(signed_in + Duration::from_secs(61)).await;
    browser.open(&mixed.next.at("/api/auth/session")).await;
    let theirs = browser.text_of("pre").await;
    assert!(matches!(theirs.as_str(), "{}" | "null"), "{theirs}");
    for host in ["auth", "app", "admin"] {
        let mut copied = visitor.clone();
        let answer = copied.fetch(&format!("{host}.example.localhost"), "/api/auth/session").await;
        assert!(matches!(answer.body.as_str(), "{}" | "null"), "{host}: {}", answer.body);
        assert_eq!(copied.jar.len(), 0, "{host} deletes it");
    }
}

#[tokio::test]
async fn a_session_ends_in_a_nextjs_app_with_next_auth_v4_where_we_said() {
    ends_where_we_said(Version::V4).await;
}

#[tokio::test]
async fn a_session_ends_in_a_nextjs_app_with_next_auth_v5_where_we_said() {
    ends_where_we_said(Version::V5).await;
}
