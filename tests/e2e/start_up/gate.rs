//! The proxy, forward-auth and the rules: what stops the start, and `check --explain`.

use hallpass_tests::{folder::Folder, programs};
use insta::assert_snapshot;

use super::{Case, good, said, with};

fn satellite(section: &str) -> Case {
    with(section).at_satellite()
}

#[tokio::test]
async fn edges_that_anybody_could_be() {
    // threat-model H8
    let edges = |more: &str| satellite(&format!("[satellite.forward_auth]\n{more}"));
    let hosts = "hosts = [\"*.example.com\"]\n";
    let cases = [
        edges(hosts),
        edges(&format!("{hosts}trusted_peers = [\"0.0.0.0/0\"]\n")),
        edges(&format!("{hosts}trusted_peers = [\"10.0.0.300\"]\n")),
        edges(&format!("{hosts}secret = \"short\"\n")),
        edges("trusted_peers = [\"127.0.0.1\"]\n"),
        edges("trusted_peers = [\"127.0.0.1\"]\nhosts = [\"app.example.org\"]\n"),
        edges(&format!("{hosts}trusted_peers = [\"127.0.0.1\"]\nlisten = \"9400\"\n")),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn an_app_or_a_header_that_cannot_be() {
    // threat-model P8
    let cases = [
        satellite("upstream = \"127.0.0.1:8000\"\n"),
        satellite("upstream = \"http://127.0.0.1:8000/app\"\n"),
        satellite("[[satellite.upstreams]]\npath = \"api\"\nurl = \"http://127.0.0.1:8000\"\n"),
        satellite("[satellite.proxy]\nidle_timeout = \"0s\"\n"),
        satellite("[satellite.identity]\npreset = \"x-remote\"\n"),
        satellite("[satellite.identity]\nCookie = \"/sub\"\n"),
        satellite("[satellite.identity]\nX-User = \"sub\"\n"),
        satellite("[satellite.assertion]\nttl = \"1d\"\n"),
        satellite("origins = [\"admin.example.com\"]\n"),
        satellite("[[satellite.rules]]\npath = \"/a\"\n"),
        satellite("[[satellite.rules]]\nhost = \"shop.example.com\"\naccess = \"public\"\n"),
    ];
    assert_snapshot!(said(cases).await, @"");
}

const RULES: &str = r#"
[[satellite.rules]]
path = "/public"
access = "public"
[[satellite.rules]]
path = "/admin"
methods = ["GET", "POST"]
require = { any = [{ claim = "/isAdmin", equals = true }, { claim = "/groups", contains = "ops" }] }
"#;

#[tokio::test]
async fn a_request_is_explained_by_the_rule_that_decides() {
    let folder = Folder::new("explain");
    std::fs::write(folder.path().join("hallpass.toml"), good() + RULES).unwrap();
    std::fs::write(folder.path().join("claims.json"), r#"{"sub": "7", "groups": ["staff"]}"#).unwrap();
    let mut told = String::new();
    for request in [
        "GET https://app.example.com/public/logo.png",
        "POST https://app.example.com/Admin;x/users?tab=1",
        "GET https://app.example.com/public/%2e%2e/admin",
        "PUT https://app.example.com/admin",
        "GET https://app.example.com/a%2fb",
        "GET https://shop.example.com/",
        "app.example.com",
    ] {
        let arguments = ["--config", "hallpass.toml", "check", "--explain", request, "--as", "claims.json"];
        let ended = programs::run("satellite", folder.path(), &arguments, &[]).await;
        told = format!("{told}{request}\n{}{}\n", ended.stdout, ended.stderr);
    }
    assert_snapshot!(told, @"");
}
