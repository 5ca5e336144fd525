//! Session tokens and their cookies, both ways: theirs opened by us, ours opened as theirs are.

use std::time::Duration;

use hallpass_shared::{
    clock::UnixTime,
    cookie::{CookiePolicy, RequestCookies, SessionCookie},
    dialect::{ContentEncryption, Dialect, Scheme},
    key::Key,
    secret::Secret,
    token::{Claims, ClaimsError, Codec, OpenError, SealedToken, SealedWith},
};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;

use super::{Format, cases, example_com, independent, ring};

#[derive(Deserialize)]
struct Case {
    name: String,
    format: Format,
    secret: String,
    secrets: Vec<String>,
    cookie_name: String,
    salt: String,
    hkdf_info: String,
    derived_key_hex: String,
    kid: Option<String>,
    header: String,
    iv_hex: String,
    plaintext: String,
    claims: Value,
    now: i64,
    token: String,
    cookies: Vec<Cookie>,
    expect: Verdict,
    reason: Option<String>,
    made_by: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Cookie {
    name: String,
    value: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Accept,
    Reject,
}

/// What NextAuth takes for a token of its own and we do not take for a session.
const STRICTER: [(&str, ClaimsError, &str); 2] = [
    ("v4-explicit-salt-not-a-session-token", ClaimsError::Nobody, "the claims of a state cookie name nobody"),
    ("v5-no-exp-claim", ClaimsError::NoEnd, "a session has an end"),
];

fn all() -> Vec<Case> {
    cases(include_str!("../../vectors/session-tokens.json"))
}

impl Case {
    /// The derivation that a session token has; another one is of another purpose.
    fn is_session(&self) -> bool {
        let (salt, info) = self.format.dialect().session_derivation(&self.cookie_name);
        (salt, info) == (self.salt.clone(), self.hkdf_info.clone())
    }

    fn codec(&self) -> Codec {
        let (dialect, ring) = (self.format.dialect(), ring(&self.secrets));
        if self.is_session() {
            Codec::for_session(dialect, &ring, &self.cookie_name).unwrap()
        } else {
            Codec::for_purpose(dialect, &ring, &self.salt).unwrap()
        }
    }

    fn sealed(&self) -> SealedToken {
        SealedToken::from_wire(self.token.clone()).unwrap_or_else(|| panic!("{}: no outline", self.name))
    }

    fn cookie(&self) -> SessionCookie {
        let scheme = if self.cookie_name.starts_with("__Secure-") { Scheme::Https } else { Scheme::Http };
        let policy = CookiePolicy::new(self.format.dialect(), example_com(), scheme);
        SessionCookie::new(CookiePolicy { name: self.cookie_name.clone(), ..policy })
    }

    /// The key that we seal with.
    fn newest_key(&self) -> Vec<u8> {
        let len = self.format.dialect().seals_with.key_len();
        independent::derive(&self.secrets[0], &self.salt, &self.hkdf_info, len)
    }
}

fn header_under(dialect: Dialect, key: &[u8]) -> String {
    match dialect.seals_with {
        ContentEncryption::A256Gcm => r#"{"alg":"dir","enc":"A256GCM"}"#.to_owned(),
        ContentEncryption::A256CbcHs512 => {
            format!(r#"{{"alg":"dir","enc":"A256CBC-HS512","kid":"{}"}}"#, independent::kid(key))
        }
    }
}

#[test]
fn keys_and_key_ids_are_derived_as_in_nextauth() {
    for case in all() {
        let name = &case.name;
        if !case.is_session() {
            let derivation = case.format.dialect().cookie_derivation(&case.salt);
            assert_eq!(derivation, (case.salt.clone(), case.hkdf_info.clone()), "{name}: salt and info");
        }
        let expected = independent::unhex(&case.derived_key_hex);
        let ours =
            Key::derive(&Secret::new(&*case.secret), &case.salt, &case.hkdf_info, expected.len()).unwrap();
        assert_eq!(ours.bytes(), expected, "{name}: key");
        let again = independent::derive(&case.secret, &case.salt, &case.hkdf_info, expected.len());
        assert_eq!(again, expected, "{name}: key by the independent derivation");
        if let Some(kid) = &case.kid {
            assert_eq!(&ours.thumbprint().unwrap(), kid, "{name}: key id");
            assert_eq!(&independent::kid(&expected), kid, "{name}: key id by the independent derivation");
        }
    }
}

#[test]
fn the_independent_cipher_makes_every_token_byte_for_byte() {
    for case in all() {
        let key = independent::unhex(&case.derived_key_hex);
        let made = independent::seal(&key, &independent::unhex(&case.iv_hex), &case.header, &case.plaintext);
        assert_eq!(made, case.token, "{}", case.name);
        let plaintext: Value = serde_json::from_str(&case.plaintext).unwrap();
        assert_eq!(plaintext, case.claims, "{}", case.name);
    }
}

#[test]
fn tokens_of_nextauth_open_with_the_claims_that_went_in() {
    for case in all().into_iter().filter(|case| case.expect == Verdict::Accept) {
        let (name, now) = (&case.name, UnixTime::from_seconds(case.now));
        let opened = case.codec().open_any(&case.sealed(), now);
        let opened = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&*opened.claims).unwrap(), case.claims, "{name}: claims");
        let own_cipher = independent::unhex(&case.derived_key_hex).len() == case.newest_key().len();
        let newest = case.secret == case.secrets[0] && own_cipher;
        let with = if newest { SealedWith::Newest } else { SealedWith::Older };
        assert_eq!(opened.sealed_with, with, "{name}: which secret");
        let session = case.codec().open(&case.sealed(), now).map(|_| ());
        match STRICTER.iter().find(|(stricter, ..)| stricter == name) {
            Some((_, error, why)) => assert_eq!(session, Err(OpenError::Claims(*error)), "{name}: {why}"),
            None => assert_eq!(session, Ok(()), "{name}"),
        }
    }
    for (name, ..) in STRICTER {
        assert!(all().iter().any(|case| case.name == name), "{name} is no case");
    }
}

#[test]
fn tokens_that_nextauth_rejects_are_refused_for_the_same_reason() {
    for case in all().into_iter().filter(|case| case.expect == Verdict::Reject) {
        let expected = match case.reason.as_deref() {
            Some("exp in the past" | "exp <= now - 15") => OpenError::Claims(ClaimsError::Expired),
            Some("nbf > now + 15") => OpenError::Claims(ClaimsError::NotYetValid),
            Some("kid matches no configured secret" | "no kid: only the first secret is tried") => {
                OpenError::Forged
            }
            other => panic!("{}: no verdict of ours for {other:?}", case.name),
        };
        let (codec, now) = (case.codec(), UnixTime::from_seconds(case.now));
        assert_eq!(codec.open(&case.sealed(), now).err(), Some(expected), "{}", case.name);
        assert_eq!(codec.open_any(&case.sealed(), now).err(), Some(expected), "{}", case.name);
    }
}

#[test]
fn what_we_seal_opens_as_nextauths_own_tokens_do() {
    for case in all() {
        let name = &case.name;
        let claims = Claims::from_json(case.plaintext.as_bytes()).unwrap();
        let token = case.codec().seal(&claims).unwrap();
        let key = case.newest_key();
        let opened = independent::open(&key, token.expose());
        assert_eq!(opened.header, header_under(case.format.dialect(), &key), "{name}: header");
        let plaintext: Value = serde_json::from_str(&opened.plaintext).unwrap();
        assert_eq!(plaintext, case.claims, "{name}: claims");
    }
}

#[test]
fn the_header_that_we_expect_of_ourselves_is_the_librarys() {
    for case in all().into_iter().filter(|case| case.made_by == "library encode") {
        let header = header_under(case.format.dialect(), &independent::unhex(&case.derived_key_hex));
        assert_eq!(header, case.header, "{}", case.name);
    }
}

#[test]
fn cookies_are_split_and_joined_as_in_nextauth() {
    for case in all() {
        let (name, none) = (&case.name, HeaderMap::new());
        let written = case.cookie().write(RequestCookies::new(&none), &case.sealed(), Duration::from_mins(1));
        let mut answer = HeaderMap::new();
        written.unwrap_or_else(|error| panic!("{name}: {error}")).add_to(&mut answer);
        let set: Vec<Cookie> = answer.get_all(header::SET_COOKIE).iter().map(set_cookie).collect();
        assert_eq!(set, case.cookies, "{name}: written");

        let mut pairs: Vec<String> =
            case.cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        for order in ["in order", "backwards"] {
            let line = HeaderValue::try_from(pairs.join("; ")).unwrap();
            let request = HeaderMap::from_iter([(header::COOKIE, line)]);
            let found = case.cookie().candidates(RequestCookies::new(&request));
            let found: Vec<&str> = found.iter().map(SealedToken::expose).collect();
            assert_eq!(found, [case.token.as_str()], "{name}: read {order}");
            pairs.reverse();
        }
    }
}

fn set_cookie(line: &HeaderValue) -> Cookie {
    let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
    let (value, _) = rest.split_once(';').unwrap();
    Cookie { name: name.into(), value: value.into() }
}
