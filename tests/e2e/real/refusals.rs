//! Sign-ins that lead nowhere: each says what can be said, in the browser's language, and leaves no cookie.

use hallpass_tests::{World, browser::Browser, django::Django};

use super::{ORDINARY, Stage};

const WRONG: [(&str, &str); 3] = [
    ("user@example.com", "wrong"),
    ("nobody@example.com", "hallpass-demo"),
    ("inactive@example.com", "hallpass-inactive"),
];

/// What is expected in one language.
struct Words {
    language: &'static str,
    denied: &'static str,
    unavailable: &'static str,
    throttled: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    denied: "We couldn’t sign you in with those details.",
    unavailable: "Sign-in is taking a break",
    throttled: "Too many attempts",
};
const CZECH: Words = Words {
    language: "cs",
    denied: "S\u{a0}těmito údaji se přihlásit nepodařilo.",
    unavailable: "Přihlašování si dává pauzu",
    throttled: "Příliš mnoho pokusů",
};

impl Stage {
    /// With a throttle that strikes at the third failure, before somebody who reads this language.
    async fn for_reader_of(language: &str) -> Self {
        let browser = Browser::speaking(language).await;
        let django = Django::start().await;
        let world = World::start(&format!("throttle.per_account = \"2/5m\"\n{}", django.rest())).await;
        Self { browser, world, django }
    }

    async fn has_no_session(&self) {
        for host in ["auth", "app"] {
            assert_eq!(self.session_cookies(host).await, Vec::<String>::new(), "{host}");
        }
    }
}

async fn refusals_are_told(words: Words) {
    let stage = Stage::for_reader_of(words.language).await;
    let mut shown = Vec::new();
    for who in WRONG {
        stage.open("auth", "/login").await;
        stage.enter(who).await;
        stage.browser.sees(words.denied).await;
        shown.push(stage.browser.text().await);
        if shown.len() == 1 {
            stage.browser.save(&format!("login-refused-{}", words.language)).await;
        }
        stage.has_no_session().await;
    }
    shown.dedup();
    assert_eq!(shown.len(), 1, "nobody learns which of the three it was: {shown:#?}");

    for attempt in ["the second", "one too many"] {
        stage.open("auth", "/login").await;
        stage.enter(WRONG[0]).await;
        let expected = if attempt == "the second" { words.denied } else { words.throttled };
        stage.browser.sees(expected).await;
    }
    assert_eq!(stage.browser.status().await, 429);
    stage.browser.save(&format!("throttled-{}", words.language)).await;
    stage.has_no_session().await;

    stage.open("auth", "/login").await;
    let Stage { browser, world, django } = stage;
    django.stop().await;
    super::enter(&browser, ("big@example.com", ORDINARY.1)).await;
    browser.sees(words.unavailable).await;
    assert_eq!(browser.status().await, 503);
    browser.save(&format!("unavailable-{}", words.language)).await;
    let cookies = browser.cookies().await;
    assert!(cookies.iter().all(|cookie| !cookie.name.contains("session-token")), "{cookies:?}");
    drop(world);
}

#[tokio::test]
async fn wrong_unknown_and_inactive_are_told_alike_and_an_outage_is_no_wrong_password() {
    refusals_are_told(ENGLISH).await;
}

#[tokio::test]
async fn the_same_is_told_in_czech_to_a_browser_that_asks_for_it() {
    refusals_are_told(CZECH).await;
}
