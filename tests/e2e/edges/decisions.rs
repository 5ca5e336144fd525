//! Who passes, and what everybody else is told.

use hallpass_tests::{edges::Kind, programs::APP, visitor::parameter};
use http::{Method, StatusCode};

use super::{FRIEND, ORDINARY, SESSION, Site, header, said};

at_each_edge!(who_is_signed_in_passes_and_is_named, who_is_not_is_told_so);

async fn who_is_signed_in_passes_and_is_named(kind: Kind) {
    // threat-model C10, H7
    let site = Site::behind(kind).await;
    let mut visitor = site.signed_in(ORDINARY).await;
    visitor.jar.insert(("theme".into(), APP.into()), "dark".into());
    let answer = visitor.fetch(APP, "/a%20b/c?x=%2F..%2F&y=1").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["path"], "/a%20b/c?x=%2F..%2F&y=1");
    assert!(said(&seen, "remote-user").is_some());
    assert_eq!(said(&seen, "remote-email").as_deref(), Some(ORDINARY.0));
    assert_eq!(said(&seen, "remote-groups").as_deref(), Some("staff"));
    assert!(said(&seen, "remote-name").unwrap().starts_with("UTF-8''Zo%C3%AB"));
    assert_eq!(header(&seen, "cookie"), ["theme=dark"], "the session is not the app's");
    let host = format!("{APP}:{}", site.port);
    for name in ["host", "x-forwarded-host"] {
        assert_eq!(header(&seen, name).concat(), host, "{name}");
    }
    assert_eq!(header(&seen, "x-forwarded-proto"), ["http"]);

    let sent = visitor.send(Method::POST, APP, "/upload", &[], "a body").await;
    assert_eq!(sent.json()["bytes"], 6);
    let bare = visitor.send(Method::HEAD, APP, "/x", &[], "").await;
    assert_eq!((bare.status, bare.body.as_str()), (StatusCode::OK, ""));
    let own = visitor.fetch(APP, "/x?status=401&cookie=own%3D1").await;
    assert_eq!((own.status, own.set_cookies()), (StatusCode::UNAUTHORIZED, vec!["own=1"]), "the app's own");
    assert_eq!(visitor.fetch(APP, "/x?status=500").await.json()["method"], "GET", "the app's own");

    let forbidden = visitor.fetch(APP, "/admin/x").await;
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN, "{forbidden:?}");
    assert_eq!(visitor.visit(APP, "/admin/x").await.status, StatusCode::FORBIDDEN);
    let known = visitor.fetch(APP, "/public/x").await.json();
    assert_eq!(said(&known, "remote-email").as_deref(), Some(ORDINARY.0));
}

async fn who_is_not_is_told_so(kind: Kind) {
    // threat-model B8, O10
    let site = Site::behind(kind).await;
    let mut visitor = site.nobody();
    let page = visitor.visit(APP, "/a%20b?x=1&y=%26").await;
    assert!(matches!(page.status, StatusCode::FOUND | StatusCode::SEE_OTHER), "{page:?}");
    assert_eq!(parameter(page.location(), "callbackUrl"), Some(site.url("/a%20b?x=1&y=%26")));
    let navigates = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let form = visitor.send(Method::POST, APP, "/form", &navigates, "a=1").await;
    assert_eq!(form.status, StatusCode::SEE_OTHER, "{form:?}");

    let asks = [("sec-fetch-mode", "cors"), ("origin", FRIEND)];
    let script = visitor.send(Method::GET, APP, "/x", &asks, "").await;
    assert_eq!(script.status, StatusCode::UNAUTHORIZED, "{script:?}");
    assert_eq!(script.json()["code"], "SessionRequired");
    assert_eq!(script.headers["www-authenticate"], "Bearer");
    assert_eq!(script.headers["access-control-allow-origin"], FRIEND);
    assert!(script.headers["x-hallpass-location"].to_str().unwrap().contains("/login?callbackUrl="));
    assert!(script.location().is_empty());
    let large = visitor.send(Method::PUT, APP, "/x", &[], vec![0; 300_000]).await;
    assert_eq!(large.status, StatusCode::UNAUTHORIZED, "{large:?}");

    let open = visitor.fetch(APP, "/public/x").await;
    assert_eq!(open.status, StatusCode::OK, "{open:?}");
    assert_eq!(said(&open.json(), "remote-user"), None);
    let preflight = [("origin", FRIEND), ("access-control-request-method", "PUT")];
    let asked = visitor.send(Method::OPTIONS, APP, "/api/x", &preflight, "").await;
    assert_eq!(asked.json()["method"], "OPTIONS", "the app answers it");
    for (target, headers) in [("/x", &preflight[..]), ("/api/x", &preflight[..1]), ("/api/x", &[])] {
        let asked = visitor.send(Method::OPTIONS, APP, target, headers, "").await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{target} {headers:?}: {asked:?}");
    }

    visitor.jar.insert((SESSION.into(), ".example.localhost".into()), "of.somebody.else".into());
    let strange = visitor.fetch(APP, "/x").await;
    assert_eq!(strange.status, StatusCode::UNAUTHORIZED, "{strange:?}");
}
