//! The official browser client, unmodified, in pages of our own servers.

use hallpass_tests::{World, browser::Browser, django::Django, nextjs::Version};
use serde_json::{Value, json};

use super::{ORDINARY, ORDINARY_NAME, Stage};

/// A page of `next-auth/react` on a host of ours.
struct Client {
    stage: Stage,
    version: Version,
    script: String,
}

impl Client {
    async fn set(version: Version) -> Self {
        let script = version.client().await;
        let browser = Browser::start().await;
        let django = Django::start().await;
        let settings = format!("throttle.per_account = \"2/5m\"\n{}{}", version.settings(), django.rest());
        let world = World::start(&settings).await;
        Self { stage: Stage { browser, world, django }, version, script }
    }

    /// Opens a page and puts the client into it.
    async fn open(&self, host: &str, path: &str) {
        self.stage.open(host, path).await;
        self.inject().await;
    }

    async fn inject(&self) {
        self.stage.browser.run(&self.script, &[]).await;
    }

    /// What a call of the client gives, as JSON would have it.
    async fn call(&self, call: &str) -> Value {
        let script =
            format!("return HallpassClient.{call}.then(it => JSON.parse(JSON.stringify(it ?? null)))");
        self.stage.browser.run(&script, &[]).await
    }

    async fn sign_in(&self, (username, password): (&str, &str)) -> Value {
        let options = json!({"redirect": false, "username": username, "password": password});
        self.call(&format!("signIn('credentials', {options})")).await
    }

    /// A call that leads to another page.
    async fn go(&self, call: &str) {
        // Not returned: the page goes away before the promise is settled.
        self.stage.browser.run(&format!("setTimeout(() => HallpassClient.{call})"), &[]).await;
    }

    /// The result of a sign-in that failed, as this version reports it.
    fn refused(&self) -> Value {
        match self.version {
            Version::V4 => json!({"error": "CredentialsSignin", "status": 401, "ok": false, "url": null}),
            Version::V5 => {
                json!({"error": "CredentialsSignin", "code": "credentials", "status": 200, "ok": true, "url": null})
            }
        }
    }
}

fn of_the_ordinary_user(session: &Value) {
    let user = &session["user"];
    assert_eq!(
        json!([user["name"], user["email"], user["firstName"]]),
        json!([ORDINARY_NAME, ORDINARY.0, "Zoë"])
    );
    assert!(session["expires"].as_str().is_some_and(|text| text.ends_with('Z')), "{session}");
}

async fn signs_in_and_out(client: &Client) {
    let world = &client.stage.world;
    client.open("auth", "/login").await;
    assert_eq!(client.call("getSession()").await, Value::Null);
    assert_eq!(client.call("getCsrfToken()").await.as_str().map(str::len), Some(64));
    let provider = client.call("getProviders()").await["credentials"].clone();
    assert_eq!(provider["callbackUrl"], world.url("auth", "/api/auth/callback/credentials"));

    assert_eq!(client.sign_in((ORDINARY.0, "wrong")).await, client.refused());
    assert_eq!(client.call("getSession()").await, Value::Null);
    let mut signed_in = client.sign_in(ORDINARY).await;
    let error = signed_in.as_object_mut().unwrap().remove("error").unwrap_or_default();
    assert_eq!(error, Value::Null);
    assert_eq!(signed_in, json!({"status": 200, "ok": true, "url": world.url("auth", "/login")}));
    of_the_ordinary_user(&client.call("getSession()").await);

    let signed_out = client.call("signOut({redirect: false})").await;
    assert_eq!(signed_out, json!({"url": world.url("auth", "/login")}));
    assert_eq!(client.call("getSession()").await, Value::Null);

    let back = world.url("app", "/deep?x=1&y=%C5%BD");
    let options = json!({"username": ORDINARY.0, "password": ORDINARY.1, "callbackUrl": back});
    client.go(&format!("signIn('credentials', {options})")).await;
    client.stage.browser.arrives_at(&back).await;
    client.stage.browser.sees(ORDINARY_NAME).await;
}

async fn finds_its_way_from_a_satellite(client: &Client) {
    let (world, browser) = (&client.stage.world, &client.stage.browser);
    let page = world.url("app", "/api/auth/providers?page=1");
    client.open("app", "/api/auth/providers?page=1").await;
    assert_eq!(client.call("getSession()").await, Value::Null);
    assert_eq!(client.sign_in(ORDINARY).await, client.refused(), "a satellite authorizes nobody");
    assert_eq!(client.call("getSession()").await, Value::Null);

    // What an app's own "sign in" button does.
    client.go("signIn()").await;
    client.stage.enter(ORDINARY).await;
    browser.arrives_at(&page).await;
    client.inject().await;
    of_the_ordinary_user(&client.call("getSession()").await);
    browser.run("document.body.innerHTML = '<div id=here></div>'; HallpassClient.mount(here)", &[]).await;
    browser.shows("#na-status", "authenticated").await;
    let seen: Value = serde_json::from_str(&browser.text_of("#na-session").await).unwrap();
    of_the_ordinary_user(&seen);

    // And its "sign out" button.
    let end = world.url("admin", "/api/auth/providers?end=1");
    client.go(&format!("signOut({{callbackUrl: '{end}'}})")).await;
    browser.arrives_at(&end).await;
    client.inject().await;
    assert_eq!(client.call("getSession()").await, Value::Null);
    assert_eq!(client.stage.session_cookies("app").await, Vec::<String>::new());
}

/// After one failure already.
async fn shows_a_throttled_sign_in_as_an_error(client: &Client) {
    client.open("auth", "/login?switch=1").await;
    assert_eq!(client.sign_in((ORDINARY.0, "wrong")).await, client.refused());
    let throttled = json!({"error": "RateLimited", "status": 429, "ok": false, "url": null});
    assert_eq!(client.sign_in(ORDINARY).await, throttled);
}

#[tokio::test]
async fn next_auth_v4_signs_in_and_out_on_the_auth_server_and_shows_a_throttled_sign_in_as_an_error() {
    let client = Client::set(Version::V4).await;
    signs_in_and_out(&client).await;
    shows_a_throttled_sign_in_as_an_error(&client).await;
}

#[tokio::test]
async fn next_auth_v4_finds_its_way_from_a_satellite() {
    finds_its_way_from_a_satellite(&Client::set(Version::V4).await).await;
}

#[tokio::test]
async fn next_auth_v5_signs_in_and_out_on_the_auth_server_and_shows_a_throttled_sign_in_as_an_error() {
    let client = Client::set(Version::V5).await;
    signs_in_and_out(&client).await;
    shows_a_throttled_sign_in_as_an_error(&client).await;
}

#[tokio::test]
async fn next_auth_v5_finds_its_way_from_a_satellite() {
    finds_its_way_from_a_satellite(&Client::set(Version::V5).await).await;
}
