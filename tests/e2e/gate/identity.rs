//! What an app is told of its user, whatever is in the claims.
//!
//! Why: a value is one header's, one line's, and of one reading; a list does not become longer on its way (threat-model H11).

use std::collections::BTreeMap;

use hallpass_shared::dialect::Dialect;
use hallpass_tests::raw::head;
use serde_json::{Value, json};

use super::{Edge, HOST, OWN_NAMES, Site, Who, alice, lines, overridden};

fn fields(value: &Value) -> BTreeMap<String, Value> {
    value.as_object().unwrap().clone().into_iter().collect()
}

#[tokio::test]
async fn a_value_is_one_line_of_ascii_or_nothing() {
    // threat-model H3, H11
    let site = Site::start().await;
    for (claims, header, told) in [
        (json!({"name": "Zoë"}), "x-auth-name", Some("UTF-8''Zo%C3%AB")),
        (
            json!({"name": "a\nX-Auth-Is-Admin: true"}),
            "x-auth-name",
            Some("UTF-8''a%0AX%2DAuth%2DIs%2DAdmin%3A%20true"),
        ),
        (json!({"name": "a\u{0}b"}), "x-auth-name", Some("UTF-8''a%00b")),
        (json!({"name": " a"}), "x-auth-name", Some("UTF-8''%20a")),
        (json!({"name": "UTF-8''a"}), "x-auth-name", Some("UTF-8''UTF%2D8%27%27a")),
        (json!({"name": "a, b"}), "x-auth-name", Some("a, b")),
        (json!({"name": null}), "x-auth-name", None),
        (json!({"name": ""}), "x-auth-name", None),
        (json!({"name": {"first": "a"}}), "x-auth-name", None),
        (json!({"name": 7}), "x-auth-name", Some("7")),
        (json!({"groups": ["staff", "root,admin", "", "users"]}), "x-auth-groups", Some("staff,users")),
        (json!({"groups": ["škola"]}), "x-auth-groups", Some("UTF-8''%C5%A1kola")),
        (json!({"groups": [["staff"], {"a": 1}, null]}), "x-auth-groups", None),
        (json!({"groups": []}), "x-auth-groups", None),
        (json!({"is_admin": "true"}), "x-auth-is-admin", Some("true")),
        (json!({"is_admin": null}), "x-auth-is-admin", None),
    ] {
        let cookie = site.cookie(&overridden(alice(), &fields(&claims)));
        let forged = [(header, "forged"), ("Cookie", cookie.as_str())];
        let answer = site.ask(head("GET /page HTTP/1.1", [("Host", HOST)].into_iter().chain(forged))).await;
        let seen = site.app.take();
        assert_eq!((answer.status, seen[0].folded(header)), (200, told.into_iter().collect()), "{claims}");
        assert_eq!(seen[0].folded("x-auth-user"), ["42"], "{claims}");
        for edge in Edge::ALL {
            let answer = site.check(edge, ("GET", "/page"), &lines(&[("Cookie", &cookie)])).await;
            assert_eq!(answer.values(header), [told.unwrap_or_default()], "{edge:?}: {claims}");
        }
    }
}

#[tokio::test]
async fn an_assertion_is_ours_or_absent() {
    // threat-model H1, H16
    let site = Site::with(
        Dialect::NEXT_AUTH_V4,
        &format!("{OWN_NAMES}[satellite.assertion]\nheader = \"X-Proof\"\n"),
    )
    .await;
    let user = site.cookie_of(Who::User).unwrap();
    for (target, cookie, proofs) in
        [("/page", Some(&user), 1), ("/public/x", Some(&user), 1), ("/public/x", None, 0)]
    {
        let told = [
            ("Host", HOST),
            ("X-Proof", "forged"),
            ("X_Proof", "forged"),
            ("X-Hallpass-Assertion", "forged"),
        ];
        let cookie = cookie.map(|cookie| ("Cookie", cookie.as_str()));
        let answer = site.ask(head(&format!("GET {target} HTTP/1.1"), told.into_iter().chain(cookie))).await;
        let seen = site.app.take();
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        let proof = seen[0].folded("x-proof");
        assert_eq!(proof.len(), proofs, "{target}: {seen:?}");
        assert!(proof.iter().all(|proof| proof.split('.').count() == 3), "{proof:?}");
        assert!(seen[0].folded("x-hallpass-assertion").is_empty(), "{seen:?}");
    }
    let keys = site.ask(head(&format!("GET {} HTTP/1.1", hallpass_satellite::JWKS), [("Host", HOST)])).await;
    assert!(keys.status == 200 && keys.text().contains("\"keys\""), "{keys:?}");
    assert!(!keys.text().contains("\"d\"") && site.app.take().is_empty(), "{keys:?}");
}
