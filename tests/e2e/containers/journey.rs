//! The main story, over TLS on the real names, in a real browser.

use std::time::Duration;

use hallpass_tests::{browser::Browser, containers::Deployment};
use serde_json::{Value, json};

use super::ONE;

const USER: (&str, &str) = ("user@example.com", "hallpass-demo");
const ADMIN: (&str, &str) = ("admin@example.com", "hallpass-admin");

async fn enter(browser: &Browser, (name, password): (&str, &str)) {
    browser.wait("is the form there", "return !!document.getElementById('password')", &[]).await;
    browser.fill("username", name).await;
    browser.fill("password", password).await;
    browser.click("main [type=submit]").await;
}

/// What the app on this page was told of its user.
async fn told(browser: &Browser) -> Value {
    let script =
        "return fetch('/', { headers: { accept: 'application/json' } }).then(answer => answer.json())";
    let seen = browser.run(script, &[]).await;
    let pairs = seen["headers"].as_array().unwrap().iter();
    pairs
        .map(|pair| (pair[0].as_str().unwrap().to_lowercase(), pair[1].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn one_sign_in_on_real_names_over_tls_and_one_sign_out() {
    let deployment = Deployment::start(ONE).await;
    let browser = Browser::trusting(&deployment.authority(), deployment.address()).await;

    // A deep link leads to sign in, and back to exactly there.
    let link = "https://app.example.com/deep/li%20nk?q=a+b%20c%2Bd%26e&x=%E5%B1%B1&&empty=#part-2";
    browser.open(link).await;
    browser.sees("to continue to app.example.com").await;
    enter(&browser, USER).await;
    browser.arrives_at(link).await;
    browser.save("container-app").await;
    let seen = told(&browser).await;
    assert_eq!(seen["remote-email"], "user@example.com");
    assert!(!seen["cookie"].as_str().unwrap_or_default().contains("session-token"), "{seen}");

    // The cookie is the domain's, for no script, and only over TLS.
    let cookies = browser.cookies().await;
    let session: Vec<_> = cookies.iter().filter(|cookie| cookie.name.contains("session-token")).collect();
    assert!(!session.is_empty());
    for cookie in session {
        assert!(cookie.name.starts_with("__Secure-next-auth.session-token"), "{}", cookie.name);
        assert_eq!((cookie.domain.as_deref(), cookie.secure), (Some(".example.com"), Some(true)));
    }
    assert_eq!(browser.run("return document.cookie.includes('session-token')", &[]).await, json!(false));
    browser.open("https://auth.example.com/login").await;
    let host: Vec<_> =
        browser.cookies().await.into_iter().filter(|it| it.name.starts_with("__Host-")).collect();
    assert!(host.iter().any(|cookie| cookie.name == "__Host-next-auth.csrf-token"), "{host:?}");

    // The other app, behind forward-auth, knows the same user, who is no admin.
    browser.open("https://admin.example.com/users?page=2").await;
    browser.sees("isAdmin").await;
    assert_eq!(browser.status().await, 403);
    browser.save("container-denied").await;
    browser.click("main .button").await;
    enter(&browser, ADMIN).await;
    browser.arrives_at("https://admin.example.com/users?page=2").await;
    assert_eq!(told(&browser).await["remote-email"], "admin@example.com");
    browser.save("container-admin").await;
    browser.open("https://app.example.com/").await;
    assert_eq!(told(&browser).await["remote-email"], "admin@example.com");

    // A renewal, which nobody notices: the access token is in its last third.
    let before = deployment.count("refresh_ok").await;
    tokio::time::sleep(Duration::from_secs(22)).await;
    browser.open("https://admin.example.com/").await;
    assert_eq!(told(&browser).await["remote-email"], "admin@example.com");
    assert!(deployment.count("refresh_ok").await > before, "it was renewed at the backend");

    // One sign-out, everywhere.
    browser.open("https://auth.example.com/logout").await;
    browser.click("main [type=submit]").await;
    browser.sees("signed out everywhere").await;
    for host in ["app", "admin"] {
        browser.open(&format!("https://{host}.example.com/")).await;
        browser.sees(&format!("to continue to {host}.example.com")).await;
    }
    assert_eq!(deployment.count("sign_in").await, 2, "two sign-ins at the backend");
    assert_eq!(
        deployment.count("blacklist").await,
        1,
        "the session that was signed out was ended at the backend"
    );
}
