//! What the placeholders of `bad-cookies.json` stand for: tokens of alice, of mallory, broken ones, pieces.
//!
//! Why: the same lines are tried on the authenticator with a fixed clock, and on whole programs with the real one.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    clock::UnixTime,
    cookie::{CookiePolicy, chunk},
    dialect::{Dialect, Scheme},
    secret::Secret,
    token::{Claims, Codec},
};

use super::{example_com, ring};

const DAY: Duration = Duration::from_hours(24);

/// Placeholders and their texts, for one deployment on `https://*.example.com` and one moment.
pub(crate) struct Placeholders {
    stem: &'static str,
    pairs: Vec<(String, String)>,
}

fn before(now: UnixTime, seconds: i64) -> UnixTime {
    UnixTime::from_seconds(now.as_seconds() - seconds)
}

/// Fresh in every respect.
fn alice(now: UnixTime) -> Claims {
    Claims {
        sub: Some("alice".into()),
        sid: Some("sid-of-alice".into()),
        issued_at: Some(before(now, 60)),
        expires: Some(now.plus(DAY)),
        access_token: Some(Secret::new("access")),
        access_token_expires: Some(now.plus(DAY)),
        refresh_token: Some(Secret::new("refresh")),
        ..Claims::default()
    }
}

/// The access token is over, so whoever followed these claims would ask for a new one.
fn stale(claims: Claims) -> Claims {
    Claims { access_token_expires: claims.issued_at, ..claims }
}

fn large(mut claims: Claims) -> Claims {
    claims.user.insert("pad".into(), "p".repeat(6500).into());
    claims
}

impl Placeholders {
    pub(crate) fn new(dialect: Dialect, secret: &str, now: UnixTime) -> Self {
        let policy = CookiePolicy::new(dialect, example_com(), Scheme::Https);
        let codec = Codec::for_session(dialect, &ring(&[secret]), &policy.name).unwrap();
        let wrong_key = Codec::for_session(dialect, &ring(&["another secret"]), &policy.name).unwrap();
        let other_purpose = Codec::for_purpose(dialect, &ring(&[secret]), &policy.csrf_name).unwrap();
        let alice = alice(now);
        let mallory = Claims {
            sub: Some("mallory".into()),
            sid: Some("sid-of-mallory".into()),
            ..stale(alice.clone())
        };
        let old = Claims { issued_at: Some(before(now, 600)), ..alice.clone() };
        let expired = Claims { absolute_expires: Some(before(now, 60)), ..stale(alice.clone()) };
        let valid = seal(&codec, &alice);
        let (front, back) = valid.split_at(valid.len() / 2);
        let mut pairs = vec![
            ("{NAME}".to_owned(), policy.name.clone()),
            ("{VALID_OLD}".to_owned(), seal(&codec, &old)),
            ("{VALID_TAMPERED}".to_owned(), flip_a_bit_of_the_tag(&valid)),
            ("{VALID_HEAD}".to_owned(), front.to_owned()),
            ("{VALID_TAIL}".to_owned(), back.to_owned()),
            ("{OTHER}".to_owned(), seal(&codec, &mallory)),
            ("{EXPIRED}".to_owned(), seal(&codec, &expired)),
            ("{WRONGKEY}".to_owned(), seal(&wrong_key, &stale(alice.clone()))),
            ("{OTHERPURPOSE}".to_owned(), seal(&other_purpose, &stale(alice.clone()))),
        ];
        for (stem, claims) in [("BIG", alice), ("OTHER", mallory)] {
            let token = seal(&codec, &large(claims));
            let pieces: Vec<&str> = chunk::split(&token, policy.chunk_chars).collect();
            assert_eq!(pieces.len(), 3, "{} characters", token.len());
            let named = pieces.iter().enumerate();
            pairs.extend(named.map(|(n, piece)| (format!("{{{stem}.{n}}}"), (*piece).to_owned())));
        }
        pairs.push(("{VALID}".to_owned(), valid));
        Self { stem: dialect.cookie_stem, pairs }
    }

    /// The bytes of a line, which may hold what no header can.
    pub(crate) fn expand(&self, line: &str) -> Vec<u8> {
        let mut line = line.replace("authjs", self.stem);
        for (placeholder, text) in &self.pairs {
            line = line.replace(placeholder, text);
        }
        line = expand_each(&line, "{SEQ:", |spec| {
            let [prefix, count, suffix] = *spec.splitn(3, ':').collect::<Vec<_>>() else { panic!("{spec}") };
            (0..count.parse::<usize>().unwrap())
                .flat_map(|n| [prefix.to_owned(), n.to_string(), suffix.to_owned()])
                .collect()
        });
        line = expand_each(&line, "{REPEAT:", |spec| {
            let (text, count) = spec.rsplit_once(':').unwrap();
            text.repeat(count.parse().unwrap())
        });
        line.chars().map(|char| u8::try_from(char).unwrap()).collect()
    }

    /// The tokens and pieces of tokens, which no log is to hold.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(|(placeholder, _)| placeholder != "{NAME}").map(|(_, text)| text.as_str())
    }
}

fn seal(codec: &Codec, claims: &Claims) -> String {
    codec.seal(claims).unwrap().expose().to_owned()
}

fn flip_a_bit_of_the_tag(token: &str) -> String {
    let (front, tag) = token.rsplit_once('.').unwrap();
    let mut tag = URL_SAFE_NO_PAD.decode(tag).unwrap();
    tag[7] ^= 1;
    format!("{front}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Puts `text_of` what stands between `open` and the next `}` in its place.
fn expand_each(line: &str, open: &str, text_of: impl Fn(&str) -> String) -> String {
    let mut expanded = line.to_owned();
    while let Some((front, rest)) = expanded.split_once(open) {
        let (spec, back) = rest.split_once('}').unwrap();
        expanded = format!("{front}{}{back}", text_of(spec));
    }
    expanded
}
