//! Whose cookies go where, and which answers a cache may keep.
//!
//! Why: the session's cookie is good for every host of the domain, so no app gets it and none sets it (threat-model C10,
//! H18); and an answer for one user that a cache keeps is an answer for all (B7).

use std::time::Duration;

use hallpass_shared::{
    clock::{Clock as _, SystemClock, UnixTime},
    token::Claims,
};
use hallpass_tests::raw::{RawAnswer, Reply, head};

use super::{Edge, HOST, Site, Who, alice, lines};

/// Lines are parted by `|`.
fn reply(lines: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{}\r\nContent-Length: 2\r\n\r\nok", lines.replace('|', "\r\n")))
}

async fn get(site: &Site, target: &str, cookie: Option<&str>) -> RawAnswer {
    let cookie = cookie.map(|cookie| ("Cookie", cookie));
    let answer =
        site.ask(head(&format!("GET {target} HTTP/1.1"), [("Host", HOST)].into_iter().chain(cookie))).await;
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer
}

#[tokio::test]
async fn our_cookies_reach_no_app_and_the_others_keep_their_order() {
    // threat-model C10
    let site = Site::start().await;
    let (name, csrf) = (&site.policy.name, &site.policy.csrf_name);
    let session = site.cookie_of(Who::User).unwrap();
    let binding = "__Host-hallpass.session-binding=x";
    let ours = [
        session.clone(),
        format!("{name}.0=x"),
        format!("{name}.17=x"),
        format!("{csrf}=a%7Cb"),
        binding.into(),
    ];
    let others = ["a=1", "b=\"2 3\"", "empty=", "c=4=5", "alone", "a=2"];
    let like_ours = [format!("{name}-x=1"), format!("{name}.x=1"), format!("x{name}=1"), "__Host-x=1".into()];
    let mut mixed = vec![session.as_str()];
    for (index, other) in others.into_iter().enumerate() {
        mixed.push(other);
        mixed.extend(ours.get(index).map(String::as_str));
        mixed.extend(like_ours.get(index).map(String::as_str));
    }
    let kept: Vec<_> = mixed.iter().filter(|pair| !ours.iter().any(|ours| ours == *pair)).copied().collect();
    for (cookie, left) in [
        (mixed.join("; "), Some(kept.join("; "))),
        (session.clone(), None),
        (format!("{session}; a=1"), Some("a=1".into())),
        (format!("={name}=x; {session}"), None),
        (format!("{name} =x; {session}; a=1"), Some("a=1".into())),
    ] {
        get(&site, "/page", Some(&cookie)).await;
        let seen = site.app.take().remove(0);
        assert_eq!(seen.values("cookie"), left.iter().collect::<Vec<_>>(), "{cookie}");
        for edge in Edge::ALL {
            let answer = site.check(edge, ("GET", "/page"), &lines(&[("Cookie", &cookie)])).await;
            assert_eq!(answer.values("cookie"), [left.as_deref().unwrap_or_default()], "{edge:?}: {cookie}");
        }
    }
    let broken = format!("{name}=not-a-session; a=1");
    get(&site, "/public/x", Some(&broken)).await;
    assert_eq!(site.app.take()[0].values("cookie"), ["a=1"], "whatever it holds");
}

#[tokio::test]
async fn an_app_that_is_to_have_the_session_has_it_as_it_came() {
    // threat-model C10: the setting that says what it is.
    let site = Site::passing_the_session().await;
    let cookie = format!("a=1; {}; b=2", site.cookie_of(Who::User).unwrap());
    get(&site, "/page", Some(&cookie)).await;
    assert_eq!(site.app.take()[0].values("cookie"), [cookie]);
}

#[tokio::test]
async fn an_app_sets_no_cookie_of_ours() {
    // threat-model H18
    let site = Site::start().await;
    let (name, csrf) = (&site.policy.name, &site.policy.csrf_name);
    let bad = [
        format!("{name}=evil; Domain=example.com; Path=/"),
        format!("{name}=; Max-Age=0; Path=/"),
        format!("{name}.0=evil; Path=/"),
        format!("{name}.3=; Max-Age=0"),
        name.clone(),
        format!(" {name} = evil ; Path=/"),
        format!("={name}=evil; Path=/"),
        format!("\t{name}=evil"),
        format!("{csrf}=a%7Cb; Path=/; Secure"),
        "__Host-hallpass.session-binding=x; Path=/; Secure".to_owned(),
    ];
    let good = [
        "theme=dark; Path=/".to_owned(),
        format!("{name}-x=1"),
        format!("x{name}=1"),
        format!("a={name}; Path=/"),
        "sid=\"a b\"; Expires=Wed, 01 Jan 2030 00:00:00 GMT; HttpOnly".to_owned(),
    ];
    let all = bad.iter().zip(good.iter().cycle()).flat_map(|(bad, good)| [bad, good]);
    let said = all.map(|line| format!("Set-Cookie: {line}")).collect::<Vec<_>>().join("|");
    site.app.answers(reply(&said));
    let user = site.cookie_of(Who::User).unwrap();
    for (target, cookie) in [("/public/x", None), ("/page", Some(user.as_str()))] {
        let answer = get(&site, target, cookie).await;
        let expected: Vec<_> = good.iter().cycle().take(bad.len()).map(String::as_str).collect();
        assert_eq!(answer.values("set-cookie"), expected, "{target}");
    }
    for trailer in [format!("Set-Cookie: {name}=evil"), "Set-Cookie: theme=dark".into()] {
        let text = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n2\r\nok\r\n0\r\n{trailer}\r\n\r\n"
        );
        site.app.answers(Reply::Bytes(text));
        let told = [("Host", HOST), ("TE", "trailers"), ("Connection", "TE")];
        let answer = site.ask(head("GET /public/x HTTP/1.1", told)).await;
        assert!(answer.text() == "ok" && answer.values("set-cookie").is_empty(), "{trailer}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_one_users_is_kept_by_no_cache_for_another() {
    // threat-model B7
    let site = Site::start().await;
    let user = site.cookie_of(Who::User).unwrap();
    for (said, private, public) in [
        ("X-Note: a", "private", ""),
        ("Cache-Control: public, max-age=60", "private, max-age=60", "public, max-age=60"),
        ("Cache-Control: max-age=60, s-maxage=600", "private, max-age=60", "max-age=60, s-maxage=600"),
        ("Cache-Control: PUBLIC|Cache-Control: max-age=60", "private, max-age=60", "PUBLIC,max-age=60"),
        ("Cache-Control: private, max-age=60", "private, max-age=60", "private, max-age=60"),
        ("Cache-Control: no-store", "no-store", "no-store"),
        ("Cache-Control: private=\"Set-Cookie\", public", "private", "private=\"Set-Cookie\", public"),
    ] {
        site.app.answers(reply(said));
        let own = get(&site, "/page", Some(&user)).await;
        assert_eq!(own.values("cache-control"), [private], "{said}");
        assert!(own.values("vary").concat().contains("Cookie"), "{said}: {own:?}");
        let open = get(&site, "/public/x", None).await;
        assert_eq!(open.values("cache-control").join(","), public, "{said}: the app's own word");
        let known = get(&site, "/public/x", Some(&user)).await;
        assert!(known.values("vary").concat().contains("Cookie"), "{said}: the app was told who it is");
    }
    site.app.answers(reply("Vary: Accept-Encoding"));
    assert_eq!(get(&site, "/page", Some(&user)).await.values("vary").join(", "), "Accept-Encoding, Cookie");
}

#[tokio::test]
async fn an_answer_with_a_new_cookie_is_kept_by_nobody() {
    // threat-model B7
    let site = Site::start().await;
    let long_ago = UnixTime::from_seconds(SystemClock.now().as_seconds() - 7_200);
    let two_hours_old = Claims {
        issued_at: Some(long_ago),
        auth_time: Some(long_ago),
        expires: Some(SystemClock.now().plus(Duration::from_hours(24))),
        ..alice()
    };
    let cookie = site.cookie(&two_hours_old);
    site.app.answers(reply(
        "Cache-Control: public, max-age=60|Set-Cookie: theme=dark|Expires: Wed, 01 Jan 2070 00:00:00 GMT",
    ));
    for target in ["/page", "/public/x"] {
        let answer = get(&site, target, Some(&cookie)).await;
        let set = answer.values("set-cookie");
        let ours = set.iter().filter(|line| line.starts_with(&format!("{}=", site.policy.name))).count();
        assert!(ours == 1 && set.contains(&"theme=dark"), "{target}: {set:?}");
        assert_eq!(answer.values("cache-control"), ["no-store"], "{target}");
    }
    for edge in Edge::ALL {
        let answer = site.check(edge, ("GET", "/page"), &lines(&[("Cookie", &cookie)])).await;
        let set = answer.values("set-cookie");
        assert_eq!(answer.values("x-hallpass-set-cookie-0"), set[..1], "{edge:?}");
        assert_eq!(answer.values("x-hallpass-session"), ["refreshed"], "{edge:?}");
        assert_eq!(answer.values("cache-control"), ["no-store"], "{edge:?}");
    }
    let refused = site.ask(head("GET /page HTTP/1.1", [("Host", HOST)])).await;
    assert_eq!((refused.status, refused.values("cache-control")), (401, vec!["no-store"]));
}
