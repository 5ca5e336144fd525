//! The demo, as somebody sees it who has just cloned the project.

use std::time::Duration;

use hallpass_tests::{
    browser::Browser,
    process::{Process, free_port, program},
};

use super::{ADMIN, ORDINARY, enter};

/// The demo, and somebody who walks through it.
struct Walk {
    browser: Browser,
    demo: Process,
    port: u16,
}

impl Walk {
    async fn begin() -> Self {
        let browser = Browser::start().await;
        let port = free_port().await;
        let mut demo = Process::start(&program("hallpass-demo"), &["--port", &port.to_string()], &[]);
        demo.wait_for("Ctrl-C ends it").await;
        Self { browser, demo, port }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.example.localhost:{}{path}", self.port)
    }

    async fn open(&self, host: &str) {
        self.browser.open(&self.url(host, "/")).await;
    }

    async fn signed_out_everywhere(&self) {
        for host in ["app", "admin"] {
            self.open(host).await;
            self.browser.sees(&format!("to continue to {host}.example.localhost")).await;
        }
    }
}

#[tokio::test]
async fn the_demo_shows_what_it_promises() {
    let walk = Walk::begin().await;
    let said = walk.demo.output();
    for promised in [walk.url("app", ""), walk.url("admin", ""), walk.url("auth", "")] {
        assert!(said.contains(&promised), "{said}");
    }
    for (name, password) in [ORDINARY, ADMIN] {
        assert!(said.contains(name) && said.contains(password), "{said}");
    }

    let browser = &walk.browser;
    walk.open("app").await;
    browser.sees("to continue to app.example.localhost").await;
    browser.resize((1280, 800), "light").await;
    browser.save("demo-sign-in").await;
    enter(browser, ORDINARY).await;
    browser.arrives_at(&walk.url("app", "/")).await;
    browser.sees("Zoë Novotná").await;
    let counts_down = "return parseInt(document.querySelector('[data-left]').textContent) < 20";
    browser.wait("is there a countdown", counts_down, &[]).await;
    browser.save("demo-app").await;
    // Tokens live 30 seconds and are renewed 5 seconds before they end.
    let refreshed = "return document.querySelector('[data-flash]').textContent === 'Refreshed'";
    browser.wait_longer("is the renewal shown", refreshed, Duration::from_secs(40)).await;

    browser.open(&walk.url("app", "/storm")).await;
    browser.click("[type=submit]").await;
    browser.sees("The backend was asked once").await;
    browser.save("demo-storm").await;
    browser.click(".bar a").await;

    browser.click("nav a").await;
    browser.arrives_at(&walk.url("admin", "/")).await;
    browser.sees("isAdmin").await;
    assert_eq!(browser.status().await, 403);
    browser.save("demo-denied").await;
    browser.click("main .button").await;
    enter(browser, ADMIN).await;
    browser.arrives_at(&walk.url("admin", "/")).await;
    browser.sees("Adam Správce").await;
    browser.click(".bar [type=submit]").await;
    browser.sees("to continue to admin.example.localhost").await;
    walk.signed_out_everywhere().await;
}

#[tokio::test]
async fn ctrl_c_ends_the_demo_at_once() {
    let mut walk = Walk::begin().await;
    walk.open("app").await;
    enter(&walk.browser, ORDINARY).await;
    walk.browser.sees("Access token").await;
    // The page goes on asking, and the browser keeps its connections.
    walk.demo.signal("INT").await;
    let ended = tokio::time::timeout(Duration::from_secs(2), walk.demo.end()).await;
    assert_eq!(ended.ok(), Some(0), "{}", walk.demo.output());
}
