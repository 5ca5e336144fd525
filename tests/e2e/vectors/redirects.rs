//! NextAuth's default redirect rule beside ours.
//!
//! Ours answers with the serialised URL that it judged, where NextAuth hands the input back: a default port
//! goes, an upper-case host becomes lower case, a bare origin gets its slash. Such spellings are one address
//! and count as equal here.

use hallpass_shared::{domain::ParentDomain, return_to::ReturnPolicy};
use serde::Deserialize;
use url::Url;

use super::cases;

#[derive(Deserialize)]
struct Case {
    base_url: String,
    url: String,
    /// Missing where NextAuth throws.
    result: Option<String>,
    /// A harder answer that NextAuth's maintainers would call right as well.
    stricter_result: Option<String>,
}

const HOME: &str = "/";

/// Where we lead elsewhere than NextAuth, for each base URL alike.
const DIFFERENT: [(&str, &str, &str); 8] = [
    ("//evil.example", HOME, "off the site once somebody emits the path alone"),
    ("/\\evil.example", HOME, "browsers read a backslash as a slash"),
    ("https://user:pw@app.example.com/x", HOME, "nobody's link to us has a password in it"),
    ("https:app.example.com/x", HOME, "absolute to some parsers, relative to others"),
    ("blob:https://app.example.com/uuid", HOME, "no page of ours, though of our origin"),
    ("dashboard", HOME, "NextAuth throws; a bad address never breaks a sign-in"),
    ("?next=/x", HOME, "NextAuth throws; a bad address never breaks a sign-in"),
    ("https://other.example.com/", "https://other.example.com/", "siblings share the sign-in"),
];

fn policy(base: &str) -> ReturnPolicy {
    let base = Url::parse(base).unwrap();
    let domain = if base.scheme() == "https" { "example.com" } else { "example.localhost" };
    ReturnPolicy::new(&base, ParentDomain::parse(domain).unwrap(), &base)
}

#[test]
fn redirects_lead_where_nextauth_leads_them() {
    // threat-model O1, O2, O8
    let cases: Vec<Case> = cases(include_str!("../../vectors/redirects.json"));
    for case in &cases {
        let at = format!("{:?} on {}", case.url, case.base_url);
        let policy = policy(&case.base_url);
        let ours = policy.parse(&case.url).unwrap_or_else(|_| policy.home());
        let theirs = case.result.as_deref().map(|result| Url::parse(result).unwrap().to_string());
        let Some((_, lead, why)) = DIFFERENT.iter().find(|(url, ..)| *url == case.url) else {
            assert_eq!(Some(ours.as_str()), theirs.as_deref(), "{at}");
            continue;
        };
        let lead = policy.base().join(lead).unwrap();
        assert_eq!(ours.as_str(), lead.as_str(), "{at}: {why}");
        assert_ne!(theirs.as_deref(), Some(lead.as_str()), "{at} is listed for nothing: {why}");
        if let Some(stricter) = &case.stricter_result {
            assert_eq!(lead, Url::parse(stricter).unwrap(), "{at}: the hardening that is known");
        }
    }
    for (url, ..) in DIFFERENT {
        assert!(cases.iter().any(|case| case.url == url), "{url:?} is no case");
    }
}
