//! The one reading of a path.
//!
//! Why: a rule, a proxy and an app that read `/public/%2e%2e/admin` in three ways are a hole in each of them
//! (threat-model P1, P2). Rules see a [`CanonicalPath`] and nothing else; what has none is refused. The reverse proxy
//! sends on what was judged; where an edge sends on what the browser wrote, only a path that is canonical already passes.
//!
//! What stays escaped is compared as what it stands for, so that `%40` and `@` are one and the same to every rule.
//!
//! Escapes of unreserved characters are decoded, others kept with capital digits (RFC 3986 section 6.2.2); dot segments
//! and empty segments are removed, unless their order would matter.

use std::borrow::Cow;

mod pattern;

pub(crate) use pattern::PathPattern;

/// A path that can be read in one way only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'p>(Cow<'p, str>);

/// Why a path has no one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path does not start with /")]
    NotAbsolute,
    /// A blank, a control character, a backslash, `#`, or a byte outside ASCII.
    #[error("the path has a character that is read in different ways")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("the path has a broken escape")]
    Escape,
    /// An escaped slash, backslash, percent sign or control character, or bytes that are no UTF-8.
    #[error("the path has an escape that is read in different ways")]
    Ambiguous,
    /// Dots or nothing with parameters, or dots between empty segments.
    #[error("the path has dots or parameters that are read in different ways")]
    Dots,
}

impl<'p> CanonicalPath<'p> {
    /// Reads a path as it came, without query.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn parse(raw: &'p str) -> Result<Self, PathError> {
        if !raw.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if is_plain(raw) {
            return Ok(Self(Cow::Borrowed(raw)));
        }
        let decoded = decode(raw)?;
        if decoded.split('/').any(is_dots_with_parameters) {
            return Err(PathError::Dots);
        }
        let dots_first = merge_slashes(&remove_dots(&decoded));
        if dots_first != remove_dots(&merge_slashes(&decoded)) {
            return Err(PathError::Dots);
        }
        Ok(Self(if dots_first == raw { Cow::Borrowed(raw) } else { Cow::Owned(dots_first) }))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, as an app reads them. No segment has a slash in it.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0
            .split('/')
            .skip(1)
            .map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy())
    }

    /// Whether it came as it is.
    pub fn is_as_sent(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The same for as long as one likes.
    pub fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath(Cow::Owned(self.0.into_owned()))
    }
}

/// Most paths: nothing in them could be read in two ways.
fn is_plain(raw: &str) -> bool {
    let mut before = b' ';
    raw.bytes().all(|byte| {
        let fits = match byte {
            b'/' | b'.' => before != b'/' || byte == b'.',
            b'-' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'='
            | b':' | b'@' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        let fits = fits && !(before == b'/' && byte == b'.');
        before = byte;
        fits
    })
}

fn decode(raw: &str) -> Result<String, PathError> {
    let mut canonical = String::with_capacity(raw.len());
    // For the question whether the escapes are UTF-8.
    let mut all = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if !(0x21..=0x7e).contains(&byte) || matches!(byte, b'\\' | b'#' | b'?') {
            return Err(PathError::Character);
        }
        if byte != b'%' {
            canonical.push(char::from(byte));
            all.push(byte);
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(PathError::Escape);
        let value = u8::try_from(digit()? * 16 + digit()?).map_err(|_| PathError::Escape)?;
        if value < 0x20 || matches!(value, 0x7f | b'/' | b'\\' | b'%') {
            return Err(PathError::Ambiguous);
        }
        all.push(value);
        if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~') {
            canonical.push(char::from(value));
        } else {
            const DIGITS: [char; 16] =
                ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
            let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or('0');
            canonical.extend(['%', digit(value >> 4), digit(value & 15)]);
        }
    }
    if std::str::from_utf8(&all).is_err() {
        return Err(PathError::Ambiguous);
    }
    Ok(canonical)
}

/// `..;x`, which some take for `..`; and `;x`, which some take for no segment at all.
fn is_dots_with_parameters(segment: &str) -> bool {
    name_of(segment).is_some_and(|name| name.bytes().all(|byte| byte == b'.'))
}

/// What is before the parameters of a segment, if it has any.
fn name_of(segment: &str) -> Option<&str> {
    let end = segment.find(';').into_iter().chain(segment.find("%3B")).min()?;
    segment.get(..end)
}

/// RFC 3986 section 5.2.4.
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    kept.iter().fold(String::with_capacity(path.len()), |path, segment| path + "/" + segment)
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    if merged.is_empty() { "/".into() } else { merged }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str) -> Result<String, PathError> {
        CanonicalPath::parse(raw).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn a_path_has_one_reading_or_none() {
        // threat-model P1, P2
        for (raw, path) in [
            ("/", "/"),
            ("/a/b.c/", "/a/b.c/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/%61dmin", "/admin"),
            ("/a/./b", "/a/b"),
            ("/public/../admin", "/admin"),
            ("/public/%2e%2E/admin", "/admin"),
            ("/../..", "/"),
            ("//a///b", "/a/b"),
            ("/a;x=1/b", "/a;x=1/b"),
            ("/%c5%a1kola", "/%C5%A1kola"),
            ("/a%20b", "/a%20b"),
        ] {
            assert_eq!(canonical(raw), Ok(path.into()), "{raw}");
        }
        for (raw, error) in [
            ("admin", PathError::NotAbsolute),
            ("/a\\b", PathError::Character),
            ("/a#b", PathError::Character),
            ("/a b", PathError::Character),
            ("/%", PathError::Escape),
            ("/%u002e", PathError::Escape),
            ("/a%2fb", PathError::Ambiguous),
            ("/a%5cb", PathError::Ambiguous),
            ("/%2561", PathError::Ambiguous),
            ("/a%00", PathError::Ambiguous),
            ("/%c0%ae", PathError::Ambiguous),
            ("/..;/a", PathError::Dots),
            ("/.%3bx/a", PathError::Dots),
            ("/;/admin", PathError::Dots),
            ("/a/;x=1/admin", PathError::Dots),
            ("/%3B/admin", PathError::Dots),
            ("/a//../b", PathError::Dots),
        ] {
            assert_eq!(canonical(raw), Err(error), "{raw}");
        }
        assert!(CanonicalPath::parse("/a/b").unwrap().is_as_sent());
        assert!(CanonicalPath::parse("/a%20b").unwrap().is_as_sent());
        assert!(!CanonicalPath::parse("/a%2Db").unwrap().is_as_sent());
    }

    proptest! {
        #[test]
        fn what_is_canonical_stays(raw in "/[a-cA-C/.;%2eE0-9]{0,24}") {
            if let Ok(path) = CanonicalPath::parse(&raw) {
                prop_assert_eq!(canonical(path.as_str()), Ok(path.as_str().to_owned()));
                prop_assert!(CanonicalPath::parse(path.as_str()).unwrap().is_as_sent());
            }
        }

        #[test]
        fn no_path_panics(raw in "\\PC{0,60}") {
            let _ = CanonicalPath::parse(&raw).is_ok();
        }
    }
}
