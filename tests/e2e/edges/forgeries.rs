//! What a client says of itself, of the request, or in a path with two readings.

use hallpass_tests::{edges::Kind, programs::APP};
use http::{Method, StatusCode};
use serde_json::Value;

use super::{ORDINARY, Site, header, said};

at_each_edge!(no_identity_of_a_client_arrives, a_path_that_is_read_in_two_ways_reaches_no_app);

const FORGED: &str = "forged-6.6.6.6";
const NAMES: [&str; 38] = [
    "Remote-User",
    "Remote_User",
    "remote-user",
    "Remote.User",
    "Remote-Email",
    "Remote_Email",
    "Remote-Name",
    "Remote-Groups",
    "Remote_Groups",
    "Remote-Sub",
    "X-Hallpass-Session",
    "X_Hallpass_Session",
    "X-Hallpass-Sub",
    "X-Hallpass-Assertion",
    "X-Hallpass-Location",
    "X-Hallpass-Proxy-Secret",
    "X-Hallpass-Set-Cookie-0",
    "X-Auth-Request-User",
    "X-Auth_Request-User",
    "X-Forwarded-User",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "X_Forwarded_Host",
    "X-Forwarded-Proto",
    "X_Forwarded_Proto",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Prefix",
    "X-Original-URL",
    "X-Original-Method",
    "X_Original_URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "Proxy",
];

async fn no_identity_of_a_client_arrives(kind: Kind) {
    // threat-model H1, H2, H6, H7, P5
    let site = Site::behind(kind).await;
    let forged: Vec<_> = NAMES.iter().map(|name| (*name, FORGED)).collect();
    let mut visitor = site.signed_in(ORDINARY).await;
    let seen = visitor.send(Method::GET, APP, "/x", &forged, "").await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    assert!(!seen.body.contains(FORGED), "{}", seen.body);
    assert_eq!(said(&seen.json(), "remote-email").as_deref(), Some(ORDINARY.0));
    let mut nobody = site.nobody();
    let seen = nobody.send(Method::GET, APP, "/public/x", &forged, "").await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    assert!(!seen.body.contains(FORGED), "{}", seen.body);
    assert_eq!(said(&seen.json(), "remote-user"), None);
    for (name, value) in [
        ("X-Forwarded-Uri", "/public/x"),
        ("X-Original-URL", "http://app.example.localhost/public/x"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Original-Method", "OPTIONS"),
    ] {
        let refused = nobody.send(Method::GET, APP, "/x", &[(name, value)], "").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{name}: {refused:?}");
    }
    // A name that no configuration lists is taken away with its family, or refused.
    for name in ["Remote-Anything", "X-Hallpass-Anything", "remote_anything"] {
        let seen = nobody.send(Method::GET, APP, "/public/x", &[(name, FORGED)], "").await;
        assert!(!seen.body.contains(FORGED), "{name}: {}", seen.body);
        assert!([StatusCode::OK, StatusCode::FORBIDDEN].contains(&seen.status), "{name}: {seen:?}");
    }
    a_name_in_connection_takes_nothing_away(&site).await;
}

async fn a_name_in_connection_takes_nothing_away(site: &Site) {
    let visitor = site.signed_in(ORDINARY).await;
    let named = "Connection: close, Remote-User, Remote-Email, X-Forwarded-For, X-Forwarded-Proto, Cookie\n";
    let mut stream = site.request(&visitor, "GET /x HTTP/1.1", named).await;
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    if site.kind == Kind::Envoy {
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        return;
    }
    let seen = seen_by_app(&answer).unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(said(&seen, "remote-email").as_deref(), Some(ORDINARY.0));
    assert_eq!(header(&seen, "x-forwarded-proto"), ["http"]);
    assert!(!header(&seen, "connection").concat().to_lowercase().contains("remote"), "{seen}");
}

async fn a_path_that_is_read_in_two_ways_reaches_no_app(kind: Kind) {
    // threat-model H17, P1, P2
    let site = Site::behind(kind).await;
    let visitor = site.signed_in(ORDINARY).await;
    for target in [
        "/public/../admin/x",
        "/public/%2e%2e/admin/x",
        "/public/%2E./admin/x",
        "/public%2f..%2fadmin/x",
        "/public/..;/admin/x",
        "/public\\..\\admin/x",
        "/public/..%5cadmin/x",
        "//admin/x",
        "/public//../admin/x",
        "/%61dmin/x",
        "/admin%00/x",
        "/public/#/../../admin/x",
        "/ADMIN/x",
        "/admin;x=1/x",
    ] {
        let answer = site.get(&visitor, target).await;
        let refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 403");
        assert!(refused && seen_by_app(&answer).is_none(), "{target}: {answer}");
    }
    for target in ["/%C5%A1kola/a%20b;v=1/~x?q=a%2Fb&r=%zz?", "/.well-known/x?", "/"] {
        let answer = site.get(&visitor, target).await;
        let seen = seen_by_app(&answer).unwrap_or_else(|| panic!("{target}: {answer}"));
        assert_eq!(seen["path"], *target, "as it was judged");
    }
    // The whole address in the first line, which is read instead of `Host`.
    let whole = site.get(&visitor, &site.url("/whole?x=1")).await;
    assert_eq!(seen_by_app(&whole).map(|seen| seen["path"].clone()), Some("/whole?x=1".into()), "{whole}");
    let foreign = site.get(&visitor, "http://other.example.com/public/x").await;
    assert!(seen_by_app(&foreign).is_none() && foreign.starts_with("HTTP/1.1 4"), "{foreign}");
    for host in ["other.example.com", "xapp.example.localhost", "app.example.localhost.other.com"] {
        let strange = site.nobody().fetch(host, "/public/x").await;
        assert_eq!(strange.status, StatusCode::MISDIRECTED_REQUEST, "{host}: {strange:?}");
    }
}

/// What the app says it was sent, if it was sent something.
fn seen_by_app(answer: &str) -> Option<Value> {
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let seen: Value = serde_json::from_str(body.trim_end()).ok()?;
    seen["headers"].is_array().then_some(seen)
}
