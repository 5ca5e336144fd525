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
    assert_snapshot!(said(cases).await, @"");
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
    assert_snapshot!(said(cases).await, @"");
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
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn a_value_of_another_kind() {
    let cases = [
        with("[session]\nexpose_access_token = \"yes\""),
        with("[server]\nmax_connections = 0"),
        with("[throttle]\nin_flight = -1"),
        with("[throttle]\nin_flight = 0"),
        with("[refresh]\nvia = \"backend\""),
        with("[log]\nformat = \"xml\""),
        with("[log]\nlevel = \"inof\""),
        with("[brand]\nname = 7"),
        with("").variable("HALLPASS_BRAND__NAME", "2024"),
        with("").variable("HALLPASS_COOKIE", "lax"),
    ];
    assert_snapshot!(said(cases).await, @"");
}

#[tokio::test]
async fn a_file_that_is_no_toml() {
    let cases = [changed("[backend]", "[backend"), changed("kind = ", "kind "), changed("\"rest\"", "rest")];
    assert_snapshot!(said(cases).await, @"");
}
