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
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `parent_domain` (from hallpass.toml): `co.uk` is a public suffix, under which strangers have their own domains; use a domain of your own
    satellite: setting `parent_domain` (from hallpass.toml): `github.io` is a public suffix, under which strangers have their own domains; use a domain of your own
    auth-server: setting `parent_domain` (from hallpass.toml): `localhost` has a single label; browsers share no cookie there (for local work use example.localhost)
    auth-server: setting `parent_domain` (from hallpass.toml): `10.0.0.1` is an IP address; a cookie can only be shared under a domain name
    auth-server: setting `parent_domain` (from hallpass.toml): `https://example.com` is not a host name; write it in ASCII, without a scheme, port or leading dot
    auth-server: setting `parent_domain` (neither in hallpass.toml nor as HALLPASS_PARENT_DOMAIN in the environment): is missing; set it to the domain above all your hosts, such as example.com
    ");
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
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `auth_url` (from hallpass.toml): `https://auth.example.org` is not below parent_domain `example.com`, so it cannot share the cookie; correct one of the two
    satellite: setting `auth_url` (from hallpass.toml): `https://evilexample.com` is not below parent_domain `example.com`, so it cannot share the cookie; correct one of the two
    auth-server: setting `auth_url` (from hallpass.toml): is plain http, so passwords and sessions could be read on the way; use https (or set insecure_http = true)
    auth-server: setting `auth_url` (from hallpass.toml): `auth.example.com` is not an address such as https://auth.example.com
    auth-server: setting `auth_url` (from hallpass.toml): must be an origin such as https://auth.example.com, without path, query or user
    auth-server: setting `auth_url` (neither in hallpass.toml nor as HALLPASS_AUTH_URL in the environment): is missing; set it to the auth server's public address, such as https://auth.example.com
    ");
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
    assert_snapshot!(said(cases).await, @r"
    satellite: setting `satellite.url` (from hallpass.toml): `https://app.example.org` is not below parent_domain `example.com`, so it cannot share the cookie; correct one of the two
    satellite: setting `satellite.url` (from hallpass.toml): `http://app.example.com` must be https as auth_url is, or they cannot share a cookie
    satellite: setting `satellite.siblings` (from hallpass.toml): `https://evil.org/` is not an address such as https://admin.example.com/
    satellite: setting `satellite.url` (neither in hallpass.toml nor as HALLPASS_SATELLITE__URL in the environment): is missing; set it to this site's public address, such as https://app.example.com
    ");
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
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `cookie.same_site` (from hallpass.toml): browsers take `none` only over https; use lax, or https in auth_url
    auth-server: setting `cookie.name` (from hallpass.toml): `__Secure-session` starts with __Secure-, which browsers refuse without https
    auth-server: setting `cookie.name` (from hallpass.toml): `__Host-session` starts with __Host-, which browsers refuse for a cookie with a Domain
    auth-server: setting `cookie.name` (from hallpass.toml): `session token` is no cookie name: letters, digits, `.`, `-`, `_`, at most 160
    auth-server: setting `cookie.same_site` (from hallpass.toml): `laxx` is not lax, strict or none
    auth-server: setting `cookie.dialect` (from hallpass.toml): `v4` is not known; use next-auth-v4 or authjs-v5
    ");
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
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `backend.sign_in.url` (from hallpass.toml): `http://api.example.com/token` is plain http, so passwords and tokens could be read on the way; use https (or set backend.insecure_http_backend where the network is yours alone)
    auth-server: setting `backend.kind` (neither in hallpass.toml nor as HALLPASS_BACKEND__KIND in the environment): is missing; say who checks passwords: rest, graphql or users-file
    auth-server: setting `backend.kind` (from hallpass.toml): `ldap` is not known; use rest, graphql or users-file
    auth-server: setting `backend.kind` (from hallpass.toml): has a wrong type; expected a text in quotes, one of a few words
    auth-server: setting `backend.sign_in` (from hallpass.toml): is missing; set it in a file or as HALLPASS_BACKEND__SIGN_IN
    auth-server: setting `backend.sign_in.url` (from hallpass.toml): is missing; set it in a file or as HALLPASS_BACKEND__SIGN_IN__URL
    auth-server: setting `backend.sign_in.body` (from hallpass.toml): has `{pasword}`, which nothing is known for; there may be `{username}` and `{password}`
    auth-server: setting `backend.ca_file` (from hallpass.toml): /nowhere/ca.pem: the certificate file cannot be read: No such file or directory (os error 2)
    auth-server: setting `backend.users_file` (from hallpass.toml): /nowhere/users.toml cannot be used: it cannot be read (No such file or directory (os error 2)); correct the path, or write it: a [[user]] each, with a hash of `auth-server hash-password`
    ");
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
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `server.trusted_proxies` (from hallpass.toml): trusts everybody, who may then claim any address; list your proxies (or set server.insecure_trust_all_proxies = true)
    satellite: setting `server.trusted_proxies` (from hallpass.toml): trusts everybody, who may then claim any address; list your proxies (or set server.insecure_trust_all_proxies = true)
    auth-server: setting `pages.sign_in` (from hallpass.toml): must be a path or an address of a host below parent_domain, such as https://app.example.com/login
    auth-server: setting `pages.proxied_by` (from hallpass.toml): `https://evil.org` is not below parent_domain `example.com`, so it cannot share the cookie; correct one of the two
    auth-server: setting `return_to.allow` (from hallpass.toml): `partner.example.net` is not an origin such as https://app.example.com
    auth-server: setting `refresh.auth_server` (from hallpass.toml): must not have a user; the secret is what opens the auth server
    ");
}
