//! Values in a form that is not understood, and keys that are not known.

use insta::assert_snapshot;

use super::{changed, said, with};

#[tokio::test]
async fn a_key_that_is_not_known() {
    let cases = [
        with("").and("[backend]", "secert = \"x\"\n[backend]"),
        with("[cokie]\nname = \"x\"").at_satellite(),
        with("[cookie]\nsamesite = \"lax\""),
        with("[server]\nport = 3000"),
        with("[throttle]\nper_acount = \"10/5m\""),
        with("[pages]\nsignin = \"/login\""),
        with("[log]\nfile = \"/var/log/hallpass\""),
        changed("kind = \"rest\"", "kind = \"rest\"\ntimeot = \"5s\""),
        changed("{ url =", "{ ulr = \"x\", url ="),
        changed("[satellite]", "[satellite]\nupstrem = \"x\"").at_satellite(),
        with("").variable("HALLPASS_SECERT", "x"),
        with("").variable("HALLPASS_COOKIE__SAMESITE", "lax"),
        with("").variable("HALLPASS_COOKIE_SAME_SITE", "lax"),
    ];
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `secert` (from hallpass.toml): is not known here; known are secret, secrets, secret_file, insecure_short_secret, insecure_http, parent_domain, auth_url, cookie, session, refresh, return_to, revocation, server, log, brand, pages, backend, throttle, store, admin, satellite
    satellite: setting `cokie` (from hallpass.toml): is not known here; known are secret, secrets, secret_file, insecure_short_secret, insecure_http, parent_domain, auth_url, cookie, session, refresh, return_to, revocation, server, log, brand, pages, backend, throttle, store, admin, satellite
    auth-server: setting `cookie.samesite` (from hallpass.toml): is not known here; known are dialect, same_site, name
    auth-server: setting `server.port` (from hallpass.toml): is not known here; known are listen, admin_listen, trusted_proxies, insecure_trust_all_proxies, max_connections
    auth-server: setting `throttle.per_acount` (from hallpass.toml): is not known here; known are per_account, per_address, in_flight, answer_floor
    auth-server: setting `pages.signin` (from hallpass.toml): is not known here; known are sign_in, proxied_by
    auth-server: setting `log.file` (from hallpass.toml): is not known here; known are format, level
    auth-server: setting `backend.timeot` (from hallpass.toml): is not known here; known are kind, timeout, ca_file, concurrency, insecure_http_backend, address_header, headers, sign_in, refresh, user, sign_out, response
    auth-server: setting `backend.sign_in.ulr` (from hallpass.toml): is not known here; known are url, method, headers, encoding, body, denied_status, denied_if, response
    satellite: setting `satellite.upstrem` (from hallpass.toml): is not known here; known are url, siblings, bearer, origins, rules, identity, assertion, upstream, upstreams, proxy, insecure_pass_session_cookie, forward_auth
    auth-server: setting `secert` (from HALLPASS_SECERT in the environment): is not known here; known are secret, secrets, secret_file, insecure_short_secret, insecure_http, parent_domain, auth_url, cookie, session, refresh, return_to, revocation, server, log, brand, pages, backend, throttle, store, admin, satellite
    auth-server: setting `cookie.samesite` (from HALLPASS_COOKIE__SAMESITE in the environment): is not known here; known are dialect, same_site, name
    auth-server: setting `cookie_same_site` (from HALLPASS_COOKIE_SAME_SITE in the environment): is not known here; if it is meant for [cookie], write two underscores behind COOKIE
    ");
}

#[tokio::test]
async fn a_length_of_time_or_a_rate_that_is_none() {
    let cases = [
        with("[session]\nmax_age = \"30 dayz\""),
        with("[session]\nmax_age = 30").at_satellite(),
        with("").variable("HALLPASS_SESSION__MAX_AGE", "30"),
        with("[session]\nmax_age = \"30s\""),
        with("[session]\nmax_age = \"30m\""),
        with("[session]\nupdate_age = \"60d\""),
        with("[session]\nabsolute_max_age = \"1d\""),
        with("[refresh]\ngrace = \"a while\""),
        with("[throttle]\nper_account = \"10 per 5m\""),
        with("[throttle]\nper_address = 10"),
        changed("kind = \"rest\"", "kind = \"rest\"\ntimeout = \"0s\""),
    ];
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `session.max_age` (from hallpass.toml): `30 dayz` is not a length of time such as 30s, 15m, 1h or 30d
    satellite: setting `session.max_age` (from hallpass.toml): has a wrong type; expected a length of time such as 30s, 15m, 1h or 30d
    auth-server: setting `session.max_age` (from HALLPASS_SESSION__MAX_AGE in the environment): has a wrong type; expected a length of time such as 30s, 15m, 1h or 30d
    auth-server: setting `session.max_age` (from hallpass.toml): must be at least 1m
    auth-server: setting `session.max_age` (from hallpass.toml): `session.update_age` (1h unless set) must be shorter than `session.max_age` (30m), or sessions in use would end
    auth-server: setting `session.update_age` (from hallpass.toml): `session.update_age` (60d) must be shorter than `session.max_age` (30d unless set), or sessions in use would end
    auth-server: setting `session.absolute_max_age` (from hallpass.toml): `session.absolute_max_age` (1d) must be at least as long as `session.max_age` (30d unless set); change one of them
    auth-server: setting `refresh.grace` (from hallpass.toml): `a while` is not a length of time such as 30s, 15m, 1h or 30d
    auth-server: setting `throttle.per_account` (from hallpass.toml): `10 per 5m` is not a rate such as 10/5m
    auth-server: setting `throttle.per_address` (from hallpass.toml): has a wrong type; expected a rate such as 10/5m
    auth-server: setting `backend.timeout` (from hallpass.toml): must be between 100ms and 60s
    ");
}

#[tokio::test]
async fn an_address_or_a_network_that_is_none() {
    let cases = [
        with("[server]\nlisten = \"localhost:3000\""),
        with("[server]\nadmin_listen = 9300").at_satellite(),
        with("[server]\ntrusted_proxies = [\"10.0.0.1\"]"),
        with("[server]\ntrusted_proxies = \"10.0.0.0/8\""),
        with("").variable("HALLPASS_SERVER__TRUSTED_PROXIES", "10.0.0.0/8"),
        with("[refresh]\nauth_server = 3000"),
        with("[refresh]\nauth_server = \"auth-server:3000\"").at_satellite(),
    ];
    assert_snapshot!(said(cases).await, @r#"
    auth-server: setting `server.listen` (from hallpass.toml): `localhost:3000` is not an address with a port such as 127.0.0.1:3000 or [::]:3000
    satellite: setting `server.admin_listen` (from hallpass.toml): has a wrong type; expected an address with a port such as 127.0.0.1:3000 or [::]:3000
    auth-server: setting `server.trusted_proxies` (from hallpass.toml): `10.0.0.1` is not a network such as 10.0.0.0/8 or, for one address, 192.0.2.7/32
    auth-server: setting `server.trusted_proxies` (from hallpass.toml): has a wrong type; expected a list of networks such as ["10.0.0.0/8", "192.0.2.7/32"]
    auth-server: setting `server.trusted_proxies` (from HALLPASS_SERVER__TRUSTED_PROXIES in the environment): has a wrong type; expected a list of networks such as ["10.0.0.0/8", "192.0.2.7/32"]
    auth-server: setting `refresh.auth_server` (from hallpass.toml): must be an address such as http://auth-server:3000, or a list of them
    satellite: setting `refresh.auth_server` (from hallpass.toml): `auth-server:3000` is not an address such as http://auth-server:3000
    "#);
}

#[tokio::test]
async fn a_value_of_another_kind() {
    let cases = [
        with("[session]\nexpose_access_token = \"yes\""),
        with("[server]\nmax_connections = 0"),
        with("[throttle]\nin_flight = -1"),
        with("[throttle]\nin_flight = 0"),
        with("[refresh]\nvia = \"browser\""),
        with("[log]\nformat = \"xml\""),
        with("[log]\nlevel = \"inof\""),
        with("[brand]\nname = 7"),
        with("").variable("HALLPASS_BRAND__NAME", "2024"),
        with("").variable("HALLPASS_COOKIE", "lax"),
    ];
    assert_snapshot!(said(cases).await, @r#"
    auth-server: setting `session.expose_access_token` (from hallpass.toml): has a wrong type; expected true or false
    auth-server: setting `server.max_connections` (from hallpass.toml): must be between 1 and 1000000
    auth-server: setting `throttle.in_flight` (from hallpass.toml): has a wrong type; expected a whole number, not negative
    auth-server: setting `throttle.in_flight` (from hallpass.toml): must be at least 1
    auth-server: setting `refresh.via` (from hallpass.toml): `browser` is not known; use auth-server or backend
    auth-server: setting `log.format` (from hallpass.toml): `xml` is not known; use json or pretty
    auth-server: setting `log.level` (from hallpass.toml): `inof` is not understood; use error, warn, info, debug, trace or directives such as hallpass_shared=debug,info
    auth-server: setting `brand.name` (from hallpass.toml): has a wrong type; expected a text in quotes
    auth-server: setting `brand.name` (from HALLPASS_BRAND__NAME in the environment): has a wrong type; expected a text in quotes (in the environment with two pairs: '"…"')
    auth-server: setting `cookie` (from HALLPASS_COOKIE in the environment): has a wrong type; expected a section (in the environment HALLPASS_COOKIE__KEY)
    "#);
}

#[tokio::test]
async fn a_file_that_is_no_toml() {
    let cases = [changed("[backend]", "[backend"), changed("kind = ", "kind "), changed("\"rest\"", "rest")];
    assert_snapshot!(said(cases).await, @r"
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 5, column 9: unclosed table, expected `]`
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 6, column 6: key with no value, expected `=`
    auth-server: setting `--config` (from the command line): hallpass.toml is no TOML at line 6, column 8: string values must be quoted, expected literal string
    ");
}
