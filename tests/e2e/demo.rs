//! The demo without a browser: what it says, who gets in, and how it ends.
//!
//! Why: it is the first thing that anybody runs of this project.

use std::time::Duration;

use hallpass_tests::{
    Visitor,
    process::{Process, free_port, program},
};

const AUTH: &str = "auth.example.localhost";
const APP: &str = "app.example.localhost";
const ADMIN: &str = "admin.example.localhost";

async fn demo() -> (Process, u16) {
    let port = free_port().await;
    let mut demo = Process::start(&program("hallpass-demo"), &["--port", &port.to_string()], &[]);
    demo.wait_for("Ctrl-C ends it").await;
    (demo, port)
}

#[tokio::test]
async fn both_accounts_get_in_and_only_one_is_an_admin() {
    let (demo, port) = demo().await;
    for said in [AUTH, APP, ADMIN, "user@example.com", "hallpass-demo", "admin@example.com", "hallpass-admin"] {
        assert!(demo.output().contains(said), "{}", demo.output());
    }
    for (name, password, at_admin) in
        [("user@example.com", "hallpass-demo", 403), ("admin@example.com", "hallpass-admin", 200)]
    {
        let mut visitor = Visitor::new(port);
        assert_eq!(visitor.visit(APP, "/").await.status, 303);
        assert_eq!(visitor.sign_in(name, password).await.status, 303);
        assert!(visitor.visit(APP, "/").await.body.contains(name));
        let admin = visitor.visit(ADMIN, "/").await;
        assert_eq!(admin.status, at_admin);
        assert!(at_admin == 200 || admin.body.contains("isAdmin = true"), "says why: {}", admin.body);
        visitor.post_form(ADMIN, "/api/auth/signout", &[]).await;
        assert_eq!(visitor.visit(APP, "/").await.status, 303, "signed out everywhere");
    }
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_option_that_helps() {
    let (_demo, port) = demo().await;
    let mut second = Process::start(&program("hallpass-demo"), &["--port", &port.to_string()], &[]);
    assert_eq!(second.end().await, 1);
    let expected = format!("port {port} is taken; choose another one: --port");
    assert!(second.output().contains(&expected), "{}", second.output());
}

#[tokio::test]
async fn ctrl_c_ends_it_at_once_and_leaves_nothing_behind() {
    let (mut demo, port) = demo().await;
    let mut visitor = Visitor::new(port);
    visitor.visit(APP, "/").await;
    demo.signal("INT").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), demo.end()).await;
    assert_eq!(ended, Ok(0));
}
