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
    assert_snapshot!(said(cases).await, @r#"
    satellite: setting `satellite.forward_auth.trusted_peers` (neither in hallpass.toml nor as HALLPASS_SATELLITE__FORWARD_AUTH__TRUSTED_PEERS in the environment): is missing; list the addresses or networks of your edges, such as ["127.0.0.1/32"], or give a secret_file
    satellite: setting `satellite.forward_auth.trusted_peers` (from hallpass.toml): trusts everybody, who may then claim any request; list your edges (or set satellite.forward_auth.insecure_trust_all_peers = true)
    satellite: setting `satellite.forward_auth.trusted_peers` (from hallpass.toml): `10.0.0.300` is not an address or a network such as 10.0.0.0/8
    satellite: setting `satellite.forward_auth.secret` (from hallpass.toml): is shorter than 16 characters; make one with `auth-server secret`
    satellite: setting `satellite.forward_auth.hosts` (neither in hallpass.toml nor as HALLPASS_SATELLITE__FORWARD_AUTH__HOSTS in the environment): is missing; list the hosts that edges ask about, such as ["app.example.com"] or ["*.example.com"]
    satellite: setting `satellite.forward_auth.hosts` (from hallpass.toml): `app.example.org` is not a host below example.com, such as app.example.com or *.example.com
    satellite: setting `satellite.forward_auth.listen` (from hallpass.toml): `9400` is not an address and port such as 127.0.0.1:9400
    "#);
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
    assert_snapshot!(said(cases).await, @r#"
    satellite: setting `satellite.upstream` (from hallpass.toml): is not an address such as http://127.0.0.1:8000, without path, query, user or password
    satellite: setting `satellite.upstream` (from hallpass.toml): is not an address such as http://127.0.0.1:8000, without path, query, user or password
    satellite: setting `satellite.upstreams` (from hallpass.toml): `api`: the path does not start with /
    satellite: setting `satellite.proxy.idle_timeout` (from hallpass.toml): is too short for anything to be answered; give at least 100ms
    satellite: setting `satellite.identity.preset` (from hallpass.toml): `x-remote` is not known; use remote, x-auth-request, x-forwarded or oauth2-proxy (both of the latter)
    satellite: setting `satellite.identity` (from hallpass.toml): `Cookie` means something else; choose a name such as Remote-User
    satellite: setting `satellite.identity` (from hallpass.toml): x-user: `sub` is not a JSON pointer such as /isAdmin
    satellite: setting `satellite.assertion.ttl` (from hallpass.toml): must be between 5s and 10m
    satellite: setting `satellite.origins` (from hallpass.toml): `admin.example.com` is not an origin such as https://admin.example.com
    satellite: setting `satellite.rules` (from hallpass.toml): rule 1: say who may: access = "public", access = "signed-in", or require
    satellite: setting `satellite.rules` (from hallpass.toml): a rule is for `shop.example.com`, which is neither satellite.url nor in satellite.forward_auth.hosts
    "#);
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
        "CONNECT https://app.example.com/",
        "app.example.com",
    ] {
        let arguments = ["--config", "hallpass.toml", "check", "--explain", request, "--as", "claims.json"];
        let ended = programs::run("satellite", folder.path(), &arguments, &[]).await;
        told = format!("{told}{request}\n{}{}\n", ended.stdout, ended.stderr);
    }
    assert_snapshot!(told, @r#"
    GET https://app.example.com/public/logo.png
    host:   app.example.com, this site
    path:   /public/logo.png
    rule:   number 1 of 2: /public (and below): everybody
    nobody: passes
    user:   passes

    POST https://app.example.com/Admin;x/users?tab=1
    host:   app.example.com, this site
    path:   /Admin;x/users
    rule:   number 2 of 2: GET, POST /admin (and below): whoever has isAdmin = true ∨ groups ∋ "ops"
    nobody: asked to sign in (a page load is redirected, anything else gets 401)
    user:   403, since it is for whoever has isAdmin = true ∨ groups ∋ "ops"

    GET https://app.example.com/public/%2e%2e/admin
    host:   app.example.com, this site
    path:   /admin
            written /public/%2e%2e/admin: the reverse proxy sends on /admin, and forward-auth answers 400
    rule:   number 2 of 2: GET, POST /admin (and below): whoever has isAdmin = true ∨ groups ∋ "ops"
    nobody: asked to sign in (a page load is redirected, anything else gets 401)
    user:   403, since it is for whoever has isAdmin = true ∨ groups ∋ "ops"

    PUT https://app.example.com/admin
    host:   app.example.com, this site
    path:   /admin
    rule:   none fits, so whoever is signed in may
    nobody: asked to sign in (a page load is redirected, anything else gets 401)
    user:   passes

    GET https://app.example.com/a%2fb
    host:   app.example.com, this site
    path:   /a%2fb
    answer: 400 for everybody: the path has an escape that is read in different ways

    GET https://shop.example.com/
    host:   shop.example.com
    answer: refused for everybody: the host is neither satellite.url nor in satellite.forward_auth.hosts

    CONNECT https://app.example.com/
    answer: 405 for everybody: CONNECT is not taken

    app.example.com
    satellite: `app.example.com` is not a method and an address such as 'GET https://app.example.com/admin'
    "#);
}
