//! Checks, and who may ask them: not a browser, from nowhere; and what a refusal says, which an edge hands to one.
//!
//! Why: an answer to a check has in its headers what no script may read: identity, bearer, cookies (threat-model H17).

use std::time::Duration;

use hallpass_shared::{
    clock::{Clock as _, SystemClock, UnixTime},
    dialect::Dialect,
    token::Claims,
};
use hallpass_tests::{
    programs::{Server, port},
    raw::{Lines, RawAnswer, exchange, head, latin1},
};

use tokio::time::Instant;

use super::{CLIENT, EDGE, Edge, HOST, OWN_NAMES, RULES, STRANGER, Site, Who, alice, lines};

/// What no refusal has.
const SECRET_OF_THE_EDGE: [&str; 9] = [
    "authorization",
    "cookie",
    "x-auth-user",
    "x-auth-email",
    "x-auth-name",
    "x-auth-groups",
    "x-auth-is-admin",
    "x-hallpass-assertion",
    "x-hallpass-session",
];
const ASSERTION: &str = "[satellite.assertion]\n";

async fn site() -> Site {
    Site::with(Dialect::NEXT_AUTH_V4, &[OWN_NAMES, ASSERTION].concat()).await
}

fn tells_nothing(answer: &RawAnswer, at: &str) {
    for name in SECRET_OF_THE_EDGE {
        assert!(answer.values(name).is_empty(), "{at}: {name}: {answer:?}");
    }
    let numbered =
        answer.headers.iter().filter(|(name, _)| name.starts_with("x-hallpass-set-cookie-")).count();
    assert_eq!(numbered, 0, "{at}: {answer:?}");
}

#[tokio::test]
async fn no_check_is_answered_in_public() {
    // threat-model H17
    let site = site().await;
    let user = site.cookie_of(Who::User).unwrap();
    let bare = bare().await;
    let others =
        ["/auth/forward", "/auth", "/.hallpass/check", "/.hallpass/verify", "/oauth2/auth", "/api/verify"];
    for from in [CLIENT, EDGE, STRANGER] {
        for (cookie, who) in [(Some(&user), 200), (None, 401)] {
            let told: Lines =
                cookie.map(|cookie| ("Cookie".to_owned(), cookie.clone())).into_iter().collect();
            let checks = Edge::ALL
                .map(|edge| edge.check("GET", "/page", &told).replace("satellite.internal:9400", HOST));
            let paths = others.map(|path| {
                let all = [("Host", HOST)]
                    .into_iter()
                    .chain(told.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                head(&format!("GET {path} HTTP/1.1"), all)
            });
            for check in checks.iter().chain(&paths) {
                let first = check.lines().next().unwrap();
                let answer = exchange(site.gate.port, from, latin1(check)).await.0.unwrap();
                let seen = site.app.take();
                assert_eq!(answer.status, who, "{first} from {from}: {answer:?}");
                tells_nothing(&answer, first);
                if cookie.is_some() {
                    // A path of the app's like any other.
                    assert_eq!((answer.text().as_str(), seen[0].first.as_str()), (first, first));
                }
                for elsewhere in [bare.port, bare.admin, site.gate.admin, site.auth.port, site.auth.admin] {
                    let answer = exchange(elsewhere, from, latin1(check)).await.0.unwrap();
                    // The built-in site has a page for every path, and it is a page.
                    let is_page = answer.text().contains("<html");
                    assert!(
                        is_page || matches!(answer.status, 401 | 404 | 421),
                        "{first} at {elsewhere}: {answer:?}"
                    );
                    tells_nothing(&answer, first);
                }
            }
        }
    }
}

/// A satellite without an app behind it, and without edges.
async fn bare() -> Server {
    let settings = format!(
        "secret = \"{}\"\nparent_domain = \"example.com\"\nauth_url = \"https://auth.example.com\"\n\
         refresh.auth_server = \"http://127.0.0.1:9\"\n[satellite]\nurl = \"https://{HOST}\"\n{RULES}",
        hallpass_tests::SECRET
    );
    Server::start("satellite", (port(), port()), &settings).await
}

#[tokio::test]
async fn a_refusal_says_nothing_that_is_for_the_edge() {
    // threat-model H17, H6
    let site = site().await;
    let user = site.cookie_of(Who::User).unwrap();
    let over = UnixTime::from_seconds(SystemClock.now().as_seconds() - 60);
    let ended = site.cookie(&Claims { absolute_expires: Some(over), ..alice() });
    let page: &[(&str, &str)] =
        &[("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Accept", "text/html")];
    let script: &[(&str, &str)] = &[("Sec-Fetch-Mode", "cors"), ("Origin", "https://friend.example.com")];
    for edge in Edge::ALL {
        let redirect = if edge == Edge::Nginx { 401 } else { 302 };
        for (asked, page_status, script_status) in [
            (("/page", ""), redirect, 401),
            (("/page", "a=1"), redirect, 401),
            (("/page", ended.as_str()), redirect, 401),
            (("/admin/x", user.as_str()), 403, 403),
            (("/public/..%2fx", user.as_str()), 400, 400),
            (("//page", user.as_str()), 400, 400),
        ] {
            for (told, status) in [(page, page_status), (script, script_status)] {
                let (target, cookie) = asked;
                let told = [told, &[("Cookie", cookie), ("Authorization", "Bearer of-the-client")]].concat();
                let answer = site.check(edge, ("GET", target), &lines(&told)).await;
                let at = format!("{edge:?}, {target}, {cookie}");
                assert_eq!(answer.status, status, "{at}: {answer:?}");
                if edge == Edge::Nginx {
                    without_clearing(&answer, &at);
                } else {
                    tells_nothing(&answer, &at);
                }
                assert_eq!(answer.values("cache-control"), ["no-store"], "{at}");
            }
        }
    }
}

/// nginx lifts the lines that delete a session that is over, and those only.
fn without_clearing(answer: &RawAnswer, at: &str) {
    let mut rest = answer.clone();
    rest.headers
        .retain(|(name, value)| !(name.starts_with("x-hallpass-set-cookie-") && value.contains("Max-Age=0")));
    tells_nothing(&rest, at);
}

#[tokio::test]
async fn strangers_and_forgers_are_told_nothing() {
    // threat-model H6, H8, H17
    let site = site().await;
    let admin = site.cookie_of(Who::Admin).unwrap();
    let told = lines(&[("Cookie", &admin)]);
    for edge in Edge::ALL {
        let check = latin1(&edge.check("GET", "/page", &told));
        for from in [CLIENT, STRANGER] {
            let answer = exchange(site.edges, from, &check).await.0.unwrap();
            assert_eq!(answer.status, 403, "{edge:?} from {from}: {answer:?}");
            tells_nothing(&answer, "from a stranger");
        }
        for name in [
            "X-Auth-User",
            "x_auth_user",
            "X.Auth.User",
            "X-Auth_User",
            "X-Hallpass-Assertion",
            "X_Hallpass_Assertion",
        ] {
            let mut forged = told.clone();
            forged.push((name.into(), "1".into()));
            let answer = site.check(edge, ("GET", "/page"), &forged).await;
            assert_eq!(answer.status, 403, "{edge:?}, {name}: {answer:?}");
            tells_nothing(&answer, name);
        }
        let answer = site.check(edge, ("GET", "/page"), &told).await;
        let assertion = answer.values("x-hallpass-assertion").concat();
        assert_eq!((answer.status, assertion.split('.').count()), (200, 3), "{edge:?}: {answer:?}");
        assert!(answer.body.len() < 1024 && answer.values("set-cookie").is_empty(), "{edge:?}: {answer:?}");
    }
    for path in [
        "/",
        "/auth",
        "/auth/",
        "/auth/nginx/",
        "/auth/nginx/x",
        "/auth/envoyx",
        "/auth/forward",
        "/api/auth/session",
        "/metrics",
    ] {
        let answer = exchange(
            site.edges,
            EDGE,
            head(&format!("GET {path} HTTP/1.1"), [("Host", HOST), ("Cookie", &admin)]),
        )
        .await
        .0
        .unwrap();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        tells_nothing(&answer, path);
    }
}

#[tokio::test]
async fn what_describes_the_clients_request_changes_no_check() {
    // threat-model H12: edges copy all headers and send no body.
    let site = site().await;
    let user = site.cookie_of(Who::User).unwrap();
    for told in [
        ("Content-Length", "10"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "*"),
        ("If-Modified-Since", "Wed, 01 Jan 2070 00:00:00 GMT"),
        ("Accept-Encoding", "gzip"),
        ("Expect", "100-continue"),
        ("X-HTTP-Method-Override", "POST"),
    ] {
        for edge in Edge::ALL {
            let begun = Instant::now();
            let answer = site.check(edge, ("GET", "/page"), &lines(&[told, ("Cookie", &user)])).await;
            assert_eq!(
                (answer.status, answer.values("x-auth-user")),
                (200, vec!["42"]),
                "{edge:?}, {told:?}: {answer:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(2), "{edge:?}, {told:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_is_needed_where_one_is_set() {
    // threat-model H8
    let secret = "a-secret-of-edges-0123456789";
    let site = Site::with(Dialect::NEXT_AUTH_V4, &format!("secret = \"{secret}\"\n{OWN_NAMES}")).await;
    let longer = format!("{secret}x");
    for edge in Edge::ALL {
        for (from, shown, status) in [
            (EDGE, vec![secret], 200),
            (EDGE, vec![], 403),
            (EDGE, vec![""], 403),
            (EDGE, vec!["wrong"], 403),
            (EDGE, vec![secret.trim_start_matches('a')], 403),
            (EDGE, vec![longer.as_str()], 403),
            (STRANGER, vec![secret], 403),
        ] {
            let told: Vec<_> = shown.iter().map(|secret| ("X-Hallpass-Proxy-Secret", *secret)).collect();
            let check = edge.check("GET", "/public/x", &lines(&told));
            let answer = exchange(site.edges, from, latin1(&check)).await.0.unwrap();
            assert_eq!(answer.status, status, "{edge:?}, {shown:?} from {from}: {answer:?}");
            assert!(answer.headers.iter().all(|(_, value)| !value.contains(secret)), "{answer:?}");
        }
    }
}
