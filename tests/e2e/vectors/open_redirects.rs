//! Addresses that attackers ask us to return to, and harmless ones that must not be caught with them.

use hallpass_shared::{domain::ParentDomain, return_to::ReturnPolicy};
use serde::Deserialize;
use url::Url;

use super::cases;

#[derive(Deserialize)]
struct Case {
    id: String,
    callback_url: String,
    base_url: String,
    cookie_domain: String,
    allowed: bool,
    class: String,
    why: String,
}

impl Case {
    /// What follows the authority, as it was typed.
    fn tail(&self) -> &str {
        match self.callback_url.split_once("://") {
            Some((_, rest)) if !self.callback_url.starts_with('/') => {
                rest.find('/').map_or("", |at| rest.split_at(at).1)
            }
            _ => &self.callback_url,
        }
    }
}

#[test]
fn what_is_ours_is_followed_and_nothing_else() {
    // threat-model O1, O2, O3, O8
    for case in cases::<Case>(include_str!("../../vectors/open-redirects.json")) {
        let at = format!("{} ({}): {}", case.id, case.class, case.why);
        let base = Url::parse(&case.base_url).unwrap();
        let domain = ParentDomain::parse(&case.cookie_domain).unwrap();
        let answer = ReturnPolicy::new(&base, domain.clone(), &base).parse(&case.callback_url);
        assert_eq!(answer.is_ok(), case.allowed, "{at}: {answer:?}");
        let Ok(accepted) = answer else { continue };
        // A browser resolves a Location against the page that sent it.
        let seen = base.join("/login?x#y").unwrap().join(accepted.as_str()).unwrap();
        assert_eq!(seen.as_str(), accepted.as_str(), "{at}: serialised once, the same ever after");
        assert_eq!(seen, base.join(&case.callback_url).unwrap(), "{at}: the address that was asked for");
        assert_eq!(seen.scheme(), "https", "{at}");
        assert!(domain.covers(seen.host_str().unwrap()), "{at}: {seen}");
        assert!(accepted.as_str().ends_with(case.tail()), "{at}: {seen} changed what was typed");
    }
}
