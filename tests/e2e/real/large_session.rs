//! A session of several cookies, a small one over it, and nothing left behind.

use super::{ORDINARY, Stage};

const BIG: (&str, &str) = ("big@example.com", "hallpass-big");

#[tokio::test]
async fn a_session_of_ten_kilobytes_leaves_nothing_behind() {
    let stage = Stage::set().await;
    stage.sign_in(BIG).await;
    let chunks = [0, 1, 2].map(|chunk| format!("next-auth.session-token.{chunk}"));
    for host in ["app", "admin"] {
        let session = stage.session(host).await;
        assert_eq!(session["user"]["bio"].as_str().map(str::len), Some(6000), "{host}");
        assert_eq!(stage.session_cookies(host).await, chunks, "{host}");
    }
    let size: usize = stage.browser.cookies().await.iter().map(|cookie| cookie.value.len()).sum();
    assert!((9_000..12_000).contains(&size), "{size} bytes");

    stage.open("auth", "/login?switch=1").await;
    stage.enter(ORDINARY).await;
    stage.browser.sees("nothing more to do here").await;
    for host in ["auth", "app", "admin"] {
        assert_eq!(stage.session_cookies(host).await, ["next-auth.session-token"], "{host}");
    }
    assert_eq!(stage.session("app").await["user"]["email"], ORDINARY.0);

    stage.open("auth", "/logout").await;
    stage.browser.click("main [type=submit]").await;
    stage.browser.sees("signed out everywhere").await;
    for host in ["auth", "app", "admin"] {
        assert_eq!(stage.session_cookies(host).await, Vec::<String>::new(), "{host}");
    }
}
