//! Settings that would break a promise: domain, addresses, cookie, backend, trust.

use insta::assert_snapshot;

use super::{ADDRESS, DOMAIN, changed, said, with};

#[tokio::test]
async fn a_domain_that_is_not_ones_own() {
    // threat-model C9
    let domain = |name: &str| changed(DOMAIN, &format!("parent_domain = \"{name}\"\n"));
    let cases = [
        domain("co.uk"),
        domain("github.io").at_satellite(),
        domain("localhost"),
        domain("10.0.0.1"),
        domain("https://example.com"),
        changed(DOMAIN, ""),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn an_auth_url_that_cannot_work() {
    // threat-model K1
    let address = |url: &str| changed(ADDRESS, &format!("auth_url = \"{url}\"\n"));
    let cases = [
        address("https://auth.example.org"),
        address("https://evilexample.com").at_satellite(),
        address("http://auth.example.com"),
        address("auth.example.com"),
        address("https://auth.example.com/login"),
        changed(ADDRESS, ""),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn a_satellite_that_could_not_read_the_cookie() {
    let url = |url: &str| changed("url = \"https://app.example.com\"", url).at_satellite();
    let cases = [
        url("url = \"https://app.example.org\""),
        url("url = \"http://app.example.com\""),
        url("url = \"https://app.example.com\"\nsiblings = [\"https://evil.org/\"]"),
        url(""),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn a_cookie_that_browsers_would_drop() {
    // threat-model C1
    let local = |cookie: &str| {
        with(&format!("[cookie]\n{cookie}\n"))
            .and(DOMAIN, "parent_domain = \"example.localhost\"\n")
            .and(ADDRESS, "auth_url = \"http://auth.example.localhost:8080\"\n")
    };
    let cases = [
        local("same_site = \"none\""),
        local("name = \"__Secure-session\""),
        with("[cookie]\nname = \"__Host-session\""),
        with("[cookie]\nname = \"session token\""),
        with("[cookie]\nsame_site = \"laxx\""),
        with("[cookie]\ndialect = \"v4\""),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn a_backend_that_could_not_be_asked() {
    // threat-model K1
    let users = "kind = \"users-file\"\nusers_file = \"/nowhere/users.toml\"\n#";
    let cases = [
        changed("http://127.0.0.1:9", "http://api.example.com"),
        changed("kind = \"rest\"\n", ""),
        changed("\"rest\"", "\"ldap\""),
        changed("\"rest\"", "5"),
        changed("sign_in =", "# sign_in ="),
        changed("url = \"http://127.0.0.1:9/token\", ", ""),
        changed("{password}", "{pasword}"),
        changed("kind = \"rest\"", "kind = \"rest\"\nca_file = \"/nowhere/ca.pem\""),
        changed("kind = \"rest\"\n", users),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn whoever_would_be_trusted_too_much() {
    // threat-model H8, O3
    let cases = [
        with("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"0.0.0.0/0\"]"),
        with("[server]\ntrusted_proxies = [\"::/0\"]").at_satellite(),
        with("[pages]\nsign_in = \"https://evil.org/login\""),
        with("[pages]\nproxied_by = [\"https://evil.org\"]"),
        with("[return_to]\nallow = [\"partner.example.net\"]"),
        with("[refresh]\nauth_server = \"http://user:pass@10.0.0.1\""),
    ];
    assert_snapshot!(said(cases).await, @"");
}
