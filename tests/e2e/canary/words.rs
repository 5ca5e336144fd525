//! What must not be seen, in every form it could be written in.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Where a word may be seen after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Neither printed nor answered.
    Nowhere,
    /// In an answer, because the browser needs it or sent it itself; never printed.
    InAnswers,
}

/// Everything that must not be seen.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<Word>);

#[derive(Debug)]
struct Word {
    name: &'static str,
    text: String,
    shown: Shown,
    /// In lower case, as the text that is searched.
    forms: Vec<String>,
}

/// A text this long is nobody else's.
const ENOUGH: usize = 24;

impl Words {
    pub(super) fn add(&mut self, name: &'static str, text: &str, shown: Shown) {
        if self.0.iter().any(|known| known.text == text) {
            return;
        }
        assert!(text.len() >= 10, "{name} is too short to be told apart: {text}");
        let mut forms = vec![text.to_owned(), text.chars().take(ENOUGH).collect()];
        forms.push(url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
        forms.push(percent(text));
        forms.push(serde_json::to_string(text).unwrap().trim_matches('"').to_owned());
        forms.push(hexadecimal(text));
        let numbers: Vec<String> = text.bytes().take(12).map(|byte| byte.to_string()).collect();
        forms.push(numbers.join(", "));
        for shift in 0..3 {
            // What stands before decides how the letters fall; the ones at the edges belong to the neighbours too.
            let shifted = [&b"xyz"[..shift], text.as_bytes()].concat();
            for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                forms.push(encoded.chars().take(encoded.len() - 4).skip(4).collect());
            }
        }
        let forms = forms.into_iter().map(|form| form.to_lowercase()).collect();
        self.0.push(Word { name, text: text.to_owned(), shown, forms });
    }

    /// A compact JWE or JWT: the whole and each part that is not the same for everybody.
    pub(super) fn add_token(&mut self, name: &'static str, token: &str) {
        self.add(name, token, Shown::Nowhere);
        for part in token.split('.').skip(1).filter(|part| part.len() >= 10) {
            self.add(name, part, Shown::Nowhere);
        }
    }

    /// The first word that `text`, of a place of this kind, must not have, and a piece of the text around it.
    pub(super) fn found_in(&self, text: &str, place: Shown) -> Option<(&'static str, String)> {
        let text = text.to_lowercase();
        let hidden = |word: &&Word| place == Shown::Nowhere || word.shown == Shown::Nowhere;
        self.0.iter().filter(hidden).find_map(|word| {
            let (before, after) = word.forms.iter().find_map(|form| text.split_once(form.as_str()))?;
            let before: String = before.chars().rev().take(300).collect();
            let before: String = before.chars().rev().collect();
            let after: String = after.chars().take(100).collect();
            Some((word.name, format!("{before}[HERE]{after}")))
        })
    }

    pub(super) fn are_not_in(&self, name: &str, text: &str, place: Shown) {
        if let Some((word, around)) = self.found_in(text, place) {
            panic!("{name} has the {word}:\n{around}");
        }
    }
}

pub(super) fn hexadecimal(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// As `encodeURIComponent`.
fn percent(text: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}
