//! Tokens that must not open: damaged, forged, of another cipher, made to cost time or memory.

use hallpass_shared::{
    clock::UnixTime,
    token::{Codec, SealedToken},
};
use serde::Deserialize;

use super::{Format, cases, ring};

#[derive(Deserialize)]
struct Case {
    name: String,
    format: Format,
    secrets: Vec<String>,
    cookie_name: String,
    now: i64,
    token: String,
    reason: String,
    library: String,
}

/// What the library's decoder lets through though no library ever issues it. We take what is issued.
const STRICTER: [(&str, &str); 5] = [
    ("v4-dir-a128cbc-hs256-same-32-byte-key", "one cipher for each dialect, whatever else fits the key"),
    ("v4-zip-def", "nothing is inflated, so there is no bomb"),
    ("v5-zip-def", "nothing is inflated, so there is no bomb"),
    ("v5-duplicate-alg-last-dir", "two parsers read a member that is there twice in two ways"),
    ("v4-a256kw-with-session-key", "the key seals directly and wraps nothing"),
];

fn all() -> Vec<Case> {
    cases(include_str!("../../vectors/bad-session-tokens.json"))
}

#[test]
fn no_bad_token_opens() {
    // threat-model T1 to T7
    for case in all() {
        let (name, why) = (&case.name, &case.reason);
        let codec =
            Codec::for_session(case.format.dialect(), &ring(&case.secrets), &case.cookie_name).unwrap();
        let Some(token) = SealedToken::from_wire(case.token) else { continue };
        let now = UnixTime::from_seconds(case.now);
        assert!(codec.open(&token, now).is_err(), "{name} opened as a session: {why}");
        assert!(codec.open_any(&token, now).is_err(), "{name} opened: {why}");
    }
}

#[test]
fn where_the_library_is_laxer_we_say_so() {
    let accepted: Vec<String> =
        all().into_iter().filter(|case| case.library == "accepts").map(|case| case.name).collect();
    for name in &accepted {
        assert!(STRICTER.iter().any(|(stricter, _)| stricter == name), "{name} is not listed");
    }
    for (name, why) in STRICTER {
        assert!(accepted.iter().any(|accepted| accepted == name), "{name} is listed for nothing: {why}");
    }
}
