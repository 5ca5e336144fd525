//! Page loads, which are sent to the sign-in page, and everything else, which is told that nobody is signed in.
//!
//! Why: a script or a socket that is redirected to a page ends in an error that nobody understands (threat-model O10).

use hallpass_tests::{
    raw::{RawAnswer, head},
    visitor::parameter,
};

use super::{Edge, Site, Who, lines, with_host};

const NAVIGATE: [(&str, &str); 2] = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];

async fn at_the_proxy(site: &Site, method: &str, told: &[(&str, &str)]) -> RawAnswer {
    let told = lines(told);
    site.ask(head(&format!("{method} /a%20page?x=1&y=%26 HTTP/1.1"), with_host(&told))).await
}

#[tokio::test]
async fn only_page_loads_are_sent_to_the_sign_in_page() {
    // threat-model O10
    let site = Site::start().await;
    let html = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    for (method, told, navigates) in [
        ("GET", NAVIGATE.to_vec(), true),
        ("HEAD", NAVIGATE.to_vec(), true),
        ("POST", NAVIGATE.to_vec(), true),
        ("GET", vec![html], true),
        ("GET", vec![], false),
        ("GET", vec![("Accept", "*/*")], false),
        ("GET", vec![("Accept", "application/json")], false),
        ("GET", vec![("Accept", "text/event-stream")], false),
        ("GET", vec![html, ("X-Requested-With", "XMLHttpRequest")], false),
        ("GET", vec![html, ("Sec-Fetch-Mode", "cors")], false),
        ("GET", vec![html, ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")], false),
        ("PUT", vec![html], false),
        ("DELETE", vec![html], false),
    ] {
        let asked = at_the_proxy(&site, method, &told).await;
        let expected: &[u16] = if navigates { &[302, 303] } else { &[401] };
        assert!(expected.contains(&asked.status), "{method} {told:?}: {asked:?}");
        if navigates {
            sent_to_sign_in(&asked, method);
        } else {
            told_to_sign_in(&asked);
        }
        for edge in Edge::ALL {
            let asked = site.check(edge, (method, "/a%20page?x=1&y=%26"), &lines(&told)).await;
            let expected = match (navigates, edge) {
                (false, _) | (true, Edge::Nginx) => 401,
                (true, _) if method == "POST" => 303,
                (true, _) => 302,
            };
            assert_eq!(asked.status, expected, "{edge:?}, {method} {told:?}: {asked:?}");
            if navigates { sent_to_sign_in(&asked, method) } else { told_to_sign_in(&asked) }
        }
    }
    assert!(site.app.take().is_empty());
}

/// What somebody is told who loads a page with this method.
fn sent_to_sign_in(answer: &RawAnswer, method: &str) {
    let page = if matches!(method, "GET" | "HEAD") { "a%20page?x=1&y=%26" } else { "" };
    leads_to_sign_in(answer, "location", &format!("https://app.example.com/{page}"));
}

/// What a script is told.
fn told_to_sign_in(answer: &RawAnswer) {
    leads_to_sign_in(answer, "x-hallpass-location", "https://app.example.com/");
    assert!(answer.values("location").is_empty(), "{answer:?}");
    assert_eq!(answer.values("www-authenticate"), ["Bearer"]);
}

fn leads_to_sign_in(answer: &RawAnswer, header: &str, back: &str) {
    let to = answer.values(header).concat();
    assert!(to.starts_with("https://auth.example.com/login?callbackUrl="), "{answer:?}");
    assert_eq!(parameter(&to, "callbackUrl").as_deref(), Some(back), "{answer:?}");
    assert_eq!(answer.values("cache-control"), ["no-store"], "{answer:?}");
}

#[tokio::test]
async fn whoever_signs_in_comes_back_to_the_very_page() {
    // threat-model O10
    let site = Site::start().await;
    for target in
        ["/", "/?x=1", "/page", "/page?", "/page?x=1&y=%26", "/a%20b/?next=https://evil.com", "/page?/../x"]
    {
        let page = format!("https://app.example.com{target}");
        let asked = site.ask(head(&format!("GET {target} HTTP/1.1"), with_host(&lines(&NAVIGATE)))).await;
        let mut all = vec![("the proxy".to_owned(), asked)];
        for edge in Edge::ALL {
            all.push((format!("{edge:?}"), site.check(edge, ("GET", target), &lines(&NAVIGATE)).await));
        }
        for (at, asked) in all {
            let back = parameter(&asked.values("location").concat(), "callbackUrl");
            assert_eq!(back.as_ref(), Some(&page), "{at}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_preflight_passes_unasked_where_a_rule_says_so_and_for_nobody() {
    // threat-model B8, H3
    const PREFLIGHT: [(&str, &str); 2] =
        [("Origin", "https://friend.example.com"), ("Access-Control-Request-Method", "PUT")];
    let site = Site::start().await;
    let user = site.cookie_of(Who::User).unwrap();
    for (method, target, told, passes) in [
        ("OPTIONS", "/cors", &PREFLIGHT[..], true),
        ("OPTIONS", "/cors/x", &PREFLIGHT[..], true),
        ("OPTIONS", "/page", &PREFLIGHT[..], false),
        ("OPTIONS", "/corsx", &PREFLIGHT[..], false),
        ("OPTIONS", "/cors", &PREFLIGHT[..1], false),
        ("OPTIONS", "/cors", &PREFLIGHT[1..], false),
        ("OPTIONS", "/cors", &[], false),
        ("GET", "/cors", &PREFLIGHT[..], false),
        ("POST", "/cors", &PREFLIGHT[..], false),
        ("options", "/cors", &PREFLIGHT[..], false),
    ] {
        let at = format!("{method} {target} {told:?}");
        for cookie in [None, Some(user.as_str())] {
            if cookie.is_some() && !passes {
                continue;
            }
            let told = lines(
                &[told, &cookie.map(|cookie| ("Cookie", cookie)).into_iter().collect::<Vec<_>>()].concat(),
            );
            let answer = site.ask(head(&format!("{method} {target} HTTP/1.1"), with_host(&told))).await;
            let seen = site.app.take();
            assert_eq!(
                (answer.status, seen.len()),
                match method {
                    "options" => (405, 0),
                    _ if passes => (200, 1),
                    _ => (401, 0),
                },
                "{at}: {answer:?}"
            );
            for seen in seen {
                let known = [seen.folded("x-auth-user"), seen.folded("authorization")].concat();
                assert!(known.is_empty(), "{at}: {seen:?}");
            }
            for edge in Edge::ALL {
                let answer = site.check(edge, (method, target), &told).await;
                let refused = if method == "options" { 400 } else { 401 };
                assert_eq!(answer.status, if passes { 200 } else { refused }, "{edge:?}, {at}: {answer:?}");
                assert_eq!(answer.values("x-auth-user").concat(), "", "{edge:?}, {at}");
                assert_eq!(answer.values("authorization").concat(), "", "{edge:?}, {at}");
            }
        }
    }
}
