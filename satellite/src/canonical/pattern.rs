//! How a rule names a path.
//!
//! Why: what opens must fit exactly, and what protects must fit whatever an app could take for its path: in capitals, with
//! parameters, or with characters escaped that need not be (threat-model P1, P3, P4).

use std::{borrow::Cow, fmt};

use super::CanonicalPath;

/// A path, and perhaps all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern {
    written: String,
    segments: Vec<String>,
    reach: Reach,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    ThatOnly,
    AndBelow,
}

impl PathPattern {
    /// All paths.
    pub(crate) fn everything() -> Self {
        Self { written: "/".into(), segments: Vec::new(), reach: Reach::AndBelow }
    }

    /// `path` and all below it.
    pub(crate) fn below(path: &CanonicalPath<'_>) -> Self {
        let mut segments: Vec<String> = path.segments().map(Cow::into_owned).collect();
        // `/a/` means the same as `/a`.
        if segments.last().is_some_and(String::is_empty) {
            segments.pop();
        }
        Self { written: path.as_str().to_owned(), segments, reach: Reach::AndBelow }
    }

    /// `path` and no other.
    pub(crate) fn only(path: &CanonicalPath<'_>) -> Self {
        let segments = path.segments().map(Cow::into_owned).collect();
        Self { written: path.as_str().to_owned(), segments, reach: Reach::ThatOnly }
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.written
    }

    /// Letter for letter: for rules that open.
    pub(crate) fn is_exactly(&self, path: &CanonicalPath<'_>) -> bool {
        self.fits(path, |own, theirs| own == theirs, |_| false)
    }

    /// Whatever an app could take for it: for rules that protect.
    pub(crate) fn could_be(&self, path: &CanonicalPath<'_>) -> bool {
        let alike = |own: &str, theirs: &str| {
            let theirs = theirs.split(';').next().unwrap_or(theirs);
            own.eq_ignore_ascii_case(theirs)
                || (!(own.is_ascii() && theirs.is_ascii()) && caseless(own) == caseless(theirs))
        };
        // Many apps take `/one/` for `/one`.
        self.fits(path, alike, str::is_empty)
    }

    /// `same` compares segments; `ends` says whether a last segment is none.
    fn fits(
        &self,
        path: &CanonicalPath<'_>,
        same: impl Fn(&str, &str) -> bool,
        ends: impl Fn(&str) -> bool,
    ) -> bool {
        let mut theirs = path.segments();
        let begins = self.segments.iter().all(|own| theirs.next().is_some_and(|theirs| same(own, &theirs)));
        begins
            && match (self.reach, theirs.next(), theirs.next()) {
                (Reach::AndBelow, ..) | (Reach::ThatOnly, None, _) => true,
                (Reach::ThatOnly, Some(last), None) => ends(&last),
                (Reach::ThatOnly, Some(_), Some(_)) => false,
            }
    }
}

/// For letters beyond ASCII: ones that differ in case only, or that only one case has, are alike.
fn caseless(text: &str) -> String {
    text.to_lowercase().to_uppercase().to_lowercase()
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = match self.reach {
            Reach::ThatOnly => "that path only",
            Reach::AndBelow => "and below",
        };
        write!(f, "{} ({reach})", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pattern: &PathPattern, raw: &str) -> (bool, bool) {
        let path = CanonicalPath::parse(raw).unwrap();
        (pattern.is_exactly(&path), pattern.could_be(&path))
    }

    fn below(path: &str) -> PathPattern {
        PathPattern::below(&CanonicalPath::parse(path).unwrap())
    }

    #[test]
    fn opening_is_exact_and_protecting_is_not() {
        // threat-model P3, P4
        let admin = below("/admin");
        assert_eq!(at(&admin, "/admin"), (true, true));
        assert_eq!(at(&admin, "/admin/x"), (true, true));
        assert_eq!(at(&admin, "/administrator"), (false, false));
        assert_eq!(at(&admin, "/ADMIN/x"), (false, true));
        assert_eq!(at(&admin, "/admin;a=1/x"), (false, true));
        assert_eq!(at(&admin, "/admin%3Ba"), (false, true));
        assert_eq!(at(&below("/"), "/"), (true, true));
        assert_eq!(at(&below("/"), "/x"), (true, true));
        assert_eq!(at(&below("/a/"), "/a"), (true, true));
        let one = PathPattern::only(&CanonicalPath::parse("/one").unwrap());
        assert_eq!(at(&one, "/one"), (true, true));
        assert_eq!(at(&one, "/one/two"), (false, false));
        assert_eq!(at(&one, "/one/"), (false, true));
        assert_eq!(at(&one, "/one//"), (false, true));
        assert_eq!(at(&one, "/One"), (false, true));
    }

    #[test]
    fn two_spellings_of_one_path_are_one_to_every_rule() {
        // threat-model P1: every character that a path may have with or without an escape
        for letter in "@!$&'()*+,=:".chars() {
            let (plain, escaped) = (format!("/{letter}a"), format!("/%{:02X}a", u32::from(letter)));
            for rule in [&plain, &escaped] {
                for path in [&plain, &escaped] {
                    assert_eq!(at(&below(rule), path), (true, true), "{rule} {path}");
                }
            }
        }
        assert_eq!(at(&below("/%C5%A1kola"), "/%C5%A0KOLA/x"), (false, true));
        assert_eq!(at(&below("/desk"), "/de%C5%BF%E2%84%AA"), (false, true));
        assert_eq!(at(&below("/desk"), "/de%C5%BFt"), (false, false));
    }
}
