//! The CSRF cookie and the form's token, both ways.
//!
//! Every request here carries the `Origin` of our own page: where a request comes from is our rule on top of
//! NextAuth's, and has a test of its own below.

use hallpass_shared::{
    cookie::{CookiePolicy, RequestCookies},
    csrf::{CsrfError, CsrfGuard},
    dialect::{Dialect, Scheme},
};
use http::{HeaderMap, HeaderValue, Method, header};
use openssl::sha::sha256;
use serde::Deserialize;
use url::Url;

use super::{cases, example_com, independent::unhex, ring};

#[derive(Deserialize)]
struct Case {
    name: String,
    applies_to: String,
    secret: Option<String>,
    secrets: Option<Vec<String>>,
    token: String,
    cookie_value_on_the_wire: String,
    method: String,
    body_csrf_token: Option<String>,
    expect: Verdict,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
struct Verdict {
    /// The cookie is kept and no new one is issued.
    cookie_trusted: bool,
    /// The request passes.
    verified: bool,
}

const GOOD: Verdict = Verdict { cookie_trusted: true, verified: true };
const BAD: Verdict = Verdict { cookie_trusted: false, verified: false };

/// Where our verdict is not NextAuth's: with several secrets Auth.js signs with all of them joined by
/// commas, we with the newest alone.
const DIFFERENT: [(&str, Verdict, &str); 2] = [
    ("secret-array-joined", BAD, "no single secret of the ring signed it"),
    ("secret-array-vs-single", GOOD, "so that a form outlives a change of the secrets"),
];

const ORIGIN: &str = "https://auth.example.com";

fn all() -> Vec<Case> {
    cases(include_str!("../../vectors/csrf.json"))
}

/// A guard and the name of its cookie.
fn guard(dialect: Dialect, secrets: &[String]) -> (CsrfGuard, String) {
    let policy = CookiePolicy::new(dialect, example_com(), Scheme::Https);
    (CsrfGuard::new(ring(secrets), &policy, &Url::parse(ORIGIN).unwrap()), policy.csrf_name)
}

fn request(cookie: &str, value: &str, origin: &str) -> HeaderMap {
    let cookie = HeaderValue::try_from(format!("{cookie}={value}")).unwrap();
    HeaderMap::from_iter([(header::COOKIE, cookie), (header::ORIGIN, HeaderValue::try_from(origin).unwrap())])
}

impl Case {
    fn dialects(&self) -> &'static [Dialect] {
        match self.applies_to.as_str() {
            "v4+v5" => &[Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5],
            "v5" => &[Dialect::AUTHJS_V5],
            other => panic!("{}: applies to {other}", self.name),
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.clone().or_else(|| self.secret.clone().map(|secret| vec![secret])).unwrap()
    }

    fn verify(&self, dialect: Dialect, origin: &str) -> (Verdict, Result<(), CsrfError>) {
        let (guard, cookie) = guard(dialect, &self.secrets());
        let headers = request(&cookie, &self.cookie_value_on_the_wire, origin);
        let issued = guard.issue(RequestCookies::new(&headers)).unwrap();
        let cookie_trusted = issued.cookie.is_none();
        assert_eq!(cookie_trusted, issued.token == self.token, "{}: the token issued", self.name);
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let answer = guard.verify(&method, &headers, self.body_csrf_token.as_deref()).map(|_| ());
        (Verdict { cookie_trusted, verified: answer.is_ok() }, answer)
    }
}

#[test]
fn cookies_and_forms_are_judged_as_in_nextauth() {
    // threat-model B3
    for case in all() {
        let name = &case.name;
        let different = DIFFERENT.iter().find(|(different, ..)| different == name);
        if let Some((_, ours, why)) = different {
            assert_ne!(*ours, case.expect, "{name} is listed for nothing: {why}");
        }
        let expected = different.map_or(case.expect, |(_, ours, _)| *ours);
        for &dialect in case.dialects() {
            assert_eq!(case.verify(dialect, ORIGIN).0, expected, "{name}, {dialect:?}");
        }
    }
    for (name, ..) in DIFFERENT {
        assert!(all().iter().any(|case| case.name == name), "{name} is no case");
    }
}

#[test]
fn a_good_token_from_another_origin_is_worth_nothing() {
    // threat-model B1
    for case in all() {
        for &dialect in case.dialects() {
            for origin in ["https://evil.com", "https://app.example.com", "http://auth.example.com", "null"] {
                let (verdict, answer) = case.verify(dialect, origin);
                let expected =
                    if case.method == "POST" { CsrfError::ForeignOrigin } else { CsrfError::Token };
                assert_eq!(answer, Err(expected), "{}, {dialect:?}, from {origin}: {verdict:?}", case.name);
            }
        }
    }
}

#[test]
fn what_we_issue_nextauth_accepts() {
    for dialect in [Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5] {
        let (guard, name) = guard(dialect, &["csrf-secret-one".into()]);
        let none = HeaderMap::new();
        let issued = guard.issue(RequestCookies::new(&none)).unwrap();
        let cookie = issued.cookie.unwrap();
        let (token, hash) = cookie.split_once("%7C").unwrap();
        assert_eq!(token, issued.token, "{dialect:?}");
        assert_eq!(unhex(token).len(), 32, "{dialect:?}");
        assert_eq!(unhex(hash), sha256(format!("{token}csrf-secret-one").as_bytes()), "{dialect:?}");
        let answer = guard.verify(&Method::POST, &request(&name, &cookie, ORIGIN), Some(token));
        assert!(answer.is_ok(), "{dialect:?}: {answer:?}");
    }
}
