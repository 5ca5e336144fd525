//! A real Redis, as `check` and the log of a start see it.

use std::fmt::Write as _;

use hallpass_tests::{
    folder::Folder,
    programs::{self, Server, port, shared_settings},
    redis::Redis,
    scripted::ScriptedBackend,
};
use insta::assert_snapshot;

#[tokio::test]
async fn check_asks_redis_once_and_keeps_its_password_to_itself() {
    let backend = ScriptedBackend::start(&[]).await;
    let redis = Redis::start_with(&["--requirepass", "sesame"]).await;
    let folder = Folder::new("redis");
    let settings = shared_settings(8080, "http://app.example.localhost:8080", &backend.settings());
    std::fs::write(folder.path().join("hallpass.toml"), settings).unwrap();
    let mut all = String::new();
    for url in [
        format!("redis://:sesame@127.0.0.1:{}", redis.port()),
        format!("redis://:mellon@127.0.0.1:{}", redis.port()),
        format!("redis://127.0.0.1:{}", redis.port()),
        "redis://:sesame@127.0.0.1:9".to_owned(),
    ] {
        let environment = [("HALLPASS_STORE__URL", url.as_str())];
        let arguments = ["--config", "hallpass.toml", "check"];
        let ended = programs::run("auth-server", folder.path(), &arguments, &environment).await;
        let _ = write!(all, "{}: {}{}", ended.code, ended.stdout, ended.stderr);
    }
    assert!(!all.contains("sesame") && !all.contains("mellon"), "{all}");
    let all =
        all.replace(&redis.port().to_string(), "REDIS").replace(&backend.address.to_string(), "BACKEND");
    assert_snapshot!(all, @r#"
    0: settings: ok, http://auth.example.localhost:8080/ for *.example.localhost
    store: Redis at redis://127.0.0.1:REDIS answers
    backend: http://BACKEND/token answers
    all is well
    1: settings: ok, http://auth.example.localhost:8080/ for *.example.localhost
    auth-server: setting `store.url` (from HALLPASS_STORE__URL in the environment): Redis at redis://127.0.0.1:REDIS cannot be asked: Password authentication failed - AuthenticationFailed
    1: settings: ok, http://auth.example.localhost:8080/ for *.example.localhost
    auth-server: setting `store.url` (from HALLPASS_STORE__URL in the environment): Redis at redis://127.0.0.1:REDIS cannot be asked: "NOAUTH": Authentication required.
    1: settings: ok, http://auth.example.localhost:8080/ for *.example.localhost
    auth-server: setting `store.url` (from HALLPASS_STORE__URL in the environment): Redis at redis://127.0.0.1:9 cannot be asked: Connection refused (os error 111)
    "#);
    // One that hangs is not waited for.
    redis.signal("STOP").await;
    let url = format!("redis://:sesame@127.0.0.1:{}", redis.port());
    let environment = [("HALLPASS_STORE__URL", url.as_str())];
    let begun = tokio::time::Instant::now();
    let ended =
        programs::run("auth-server", folder.path(), &["--config", "hallpass.toml", "check"], &environment)
            .await;
    assert!(ended.code == 1 && begun.elapsed().as_secs() < 10, "{}", ended.stderr);
    assert!(ended.stderr.contains("setting `store.url`"), "{}", ended.stderr);
    redis.signal("CONT").await;
}

#[tokio::test]
async fn sign_outs_of_a_dropped_secret_are_told_in_one_line() {
    // threat-model R9
    let backend = ScriptedBackend::start(&[]).await;
    let redis = Redis::start().await;
    for _ in 0..50 {
        redis.ask(&["XADD", "{hallpass}:revocations", "*", "r", &"x".repeat(40)]).await;
    }
    let store = format!("{}\n[store]\nurl = \"{}\"\n", backend.settings(), redis.url());
    let (public, admin) = (port(), port());
    let settings = shared_settings(public, "http://app.example.localhost", &store);
    let auth = Server::start("auth-server", (public, admin), &settings).await;
    let line = auth.logged("store", |line| line["count"] == 50).await;
    assert_eq!(line["level"], "WARN");
    assert_eq!(auth.events("store").len(), 1, "{:?}", auth.events("store"));
}
