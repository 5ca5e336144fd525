//! Cookies as browsers send them, and what is read and written.
//!
//! Why: beside the code these tests are as long as it.

use proptest::prelude::*;

use super::*;
use crate::{
    dialect::{Dialect, Scheme},
    domain::ParentDomain,
};

fn session_cookie() -> SessionCookie {
    let domain = ParentDomain::parse("example.com").unwrap();
    SessionCookie::new(CookiePolicy::new(Dialect::NEXT_AUTH_V4, domain, Scheme::Http))
}

fn headers(line: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())])
}

fn names(set: SetCookies) -> Vec<String> {
    let mut headers = HeaderMap::new();
    set.add_to(&mut headers);
    let short = |line: &HeaderValue| {
        let line = line.to_str().unwrap().to_owned();
        let scope = if line.contains("Domain=") { "domain" } else { "host" };
        let fate = if line.contains("Max-Age=0") { "delete" } else { "set" };
        format!("{fate} {} {scope}", line.split('=').next().unwrap())
    };
    headers.get_all(header::SET_COOKIE).iter().map(short).collect()
}

fn token(chars: usize) -> SealedToken {
    SealedToken::from_wire(format!("a..a.{}.a", "b".repeat(chars - 7))).unwrap()
}

#[test]
fn writing_one_form_deletes_the_other() {
    // threat-model C4
    let cookie = session_cookie();
    let day = Duration::from_hours(24);
    let before = headers("next-auth.session-token=x");
    let three = cookie.write(RequestCookies::new(&before), &token(9000), day).unwrap();
    assert_eq!(
        names(three),
        [
            "delete next-auth.session-token domain",
            "delete next-auth.session-token host",
            "set next-auth.session-token.0 domain",
            "set next-auth.session-token.1 domain",
            "set next-auth.session-token.2 domain",
        ]
    );
    let before =
        headers("next-auth.session-token.0=x; next-auth.session-token.1=y; next-auth.session-token.0=z");
    let one = cookie.write(RequestCookies::new(&before), &token(100), day).unwrap();
    assert_eq!(
        names(one),
        [
            "delete next-auth.session-token.0 domain",
            "delete next-auth.session-token.0 host",
            "delete next-auth.session-token.1 domain",
            "delete next-auth.session-token.1 host",
            "set next-auth.session-token domain",
        ]
    );
}

#[test]
fn all_chunks_or_none() {
    // threat-model C8
    let none = HeaderMap::new();
    let write = |chars| {
        session_cookie().write(RequestCookies::new(&none), &token(chars), Duration::from_secs(1)).map(names)
    };
    assert_eq!(write(3933).unwrap().len(), 1);
    assert_eq!(write(3934).unwrap().len(), 2);
    assert_eq!(write(4 * 3933).unwrap().len(), 4);
    assert_eq!(write(4 * 3933 + 1).unwrap_err(), TooLarge { chunks: 5 });
}

#[test]
fn a_foreign_cookie_that_starts_with_our_name_is_left_alone() {
    let request = headers("next-auth.session-token-evil=1; next-auth.session-token.x=2; other=3");
    assert_eq!(
        names(session_cookie().clear(RequestCookies::new(&request))),
        ["delete next-auth.session-token domain", "delete next-auth.session-token host"]
    );
}

#[test]
fn a_stray_chunk_of_another_host_or_time_hides_no_session() {
    // threat-model C2, C4
    let cookie = session_cookie();
    let none = HeaderMap::new();
    let set = cookie.write(RequestCookies::new(&none), &token(6000), Duration::from_secs(1)).unwrap();
    let mut answer = HeaderMap::new();
    set.add_to(&mut answer);
    let lines = answer.get_all(header::SET_COOKIE).iter();
    let kept: Vec<_> = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap()).collect();
    let good = kept.join("; ");
    for index in [0, 1, 2, 3, 7, 9, 42] {
        let stray = format!("{}=a.b.c", cookie.chunk_name(index));
        for header in [format!("{stray}; {good}"), format!("{good}; {stray}")] {
            let request = headers(&header);
            let found = cookie.candidates(RequestCookies::new(&request));
            assert!(found.iter().any(|found| found.expose() == token(6000).expose()), "{stray}");
            let set =
                cookie.write(RequestCookies::new(&request), &token(6000), Duration::from_secs(1)).unwrap();
            assert!(set.0.iter().any(|line| line.to_str().unwrap().contains("Max-Age=0")), "the stray goes");
        }
    }
}

#[test]
fn a_whole_set_of_another_secret_hides_no_session() {
    // threat-model C2, C4
    let cookie = session_cookie();
    let none = HeaderMap::new();
    let pairs = |token: &SealedToken| {
        let set = cookie.write(RequestCookies::new(&none), token, Duration::from_secs(1)).unwrap();
        let pair = |line: &HeaderValue| line.to_str().unwrap().split(';').next().unwrap().to_owned();
        set.0.iter().map(pair).collect::<Vec<_>>().join("; ")
    };
    for chars in [5000, 9000, 13_000] {
        for old in [chars - 1, chars - 500, 5001, 9001, 13_001] {
            let old_token = format!("x..x.{}.x", "y".repeat(old - 7));
            let (ours, theirs) = (pairs(&token(chars)), pairs(&SealedToken::from_wire(old_token).unwrap()));
            for header in [[&theirs, &ours], [&ours, &theirs]] {
                let request =
                    headers(&format!("{}; {}; {}=a..b.c.d", header[0], header[1], cookie.policy().name));
                let found = cookie.candidates(RequestCookies::new(&request));
                assert!(found.iter().any(|found| found.expose() == token(chars).expose()), "{chars} {old}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_cookie_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), mine in any::<bool>()) {
        let mut line = if mine { b"next-auth.session-token".to_vec() } else { Vec::new() };
        line.extend(bytes);
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
            let cookies = RequestCookies::new(&headers);
            let _ = (session_cookie().candidates(cookies).len(), session_cookie().is_present(cookies));
            let _ = names(session_cookie().clear(cookies));
        }
    }

    #[test]
    fn what_was_written_is_found_whatever_else_is_there(chars in 100usize..9000, junk in "[a-z=;. ]{0,40}") {
        let cookie = session_cookie();
        let none = HeaderMap::new();
        let set = cookie.write(RequestCookies::new(&none), &token(chars), Duration::from_secs(1)).unwrap();
        let mut answer = HeaderMap::new();
        set.add_to(&mut answer);
        let kept: Vec<_> = answer.get_all(header::SET_COOKIE).iter()
            .map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
        for line in answer.get_all(header::SET_COOKIE) {
            prop_assert!(line.len() <= 4096);
        }
        let request = headers(&format!("{junk}; {}", kept.join("; ")));
        let found = cookie.candidates(RequestCookies::new(&request));
        prop_assert_eq!(found.len(), 1);
        let written = token(chars);
        prop_assert_eq!(found[0].expose(), written.expose());
    }
}
