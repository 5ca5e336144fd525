//! Splits one session token over several cookies, and joins them again.
//!
//! Why: browsers keep at most 4096 bytes for a cookie's name, value and attributes together (RFC 6265
//! section 6.1) and drop the rest without a word; an encrypted session outgrows that.
//!
//! Chunks are `NAME.0`, `NAME.1` and so on, as in NextAuth; unlike there, a chunk counts only where its number
//! follows on, so a cookie whose name merely starts with ours is never joined in (threat-model C4).

/// Most chunks joined on reading.
pub const MAX_READ: usize = 8;

/// Most chunks written: three fit everywhere, four nearly so.
pub const MAX_WRITTEN: usize = 4;

/// The chunks of one request, gathered by number.
#[derive(Debug, Default)]
pub struct Chunks<'h> {
    parts: [Option<&'h str>; MAX_READ],
    void: bool,
}

impl<'h> Chunks<'h> {
    /// Takes chunk `index`. One out of range, or a second one with another value, voids the set.
    pub fn add(&mut self, index: usize, value: &'h str) {
        match self.parts.get_mut(index) {
            Some(slot @ None) => *slot = Some(value),
            Some(Some(known)) if *known == value => {}
            _ => self.void = true,
        }
    }

    /// The token, if the chunks are numbered from 0 without a gap.
    pub fn join(&self) -> Option<String> {
        let count = self.parts.iter().take_while(|part| part.is_some()).count();
        let gap = self.parts.iter().skip(count).any(Option::is_some);
        if self.void || gap || count == 0 {
            return None;
        }
        Some(self.parts.iter().flatten().copied().collect())
    }
}

/// The pieces of a token of at most `chars` characters each, which must be ASCII.
pub fn split(token: &str, chars: usize) -> impl Iterator<Item = &str> {
    let chars = chars.max(1);
    (0..token.len().div_ceil(chars)).map(move |piece| {
        let start = piece * chars;
        token.get(start..token.len().min(start + chars)).unwrap_or_default()
    })
}

/// The number of the chunk called `suffix` after the session's name and a dot: canonical decimal.
pub fn number(suffix: &str) -> Option<usize> {
    let canonical = suffix == "0" || !suffix.starts_with('0');
    let digits = (1..=2).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { suffix.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(parts: &[(usize, &str)]) -> Option<String> {
        let mut chunks = Chunks::default();
        for (index, value) in parts {
            chunks.add(*index, value);
        }
        chunks.join()
    }

    #[test]
    fn only_a_whole_set_is_joined() {
        // threat-model C4
        assert_eq!(join(&[(1, "b"), (0, "a"), (0, "a")]), Some("ab".into()));
        assert_eq!(join(&[(0, "a"), (2, "c")]), None);
        assert_eq!(join(&[(1, "b")]), None);
        assert_eq!(join(&[(0, "a"), (0, "x")]), None);
        assert_eq!(join(&[(0, "a"), (8, "x")]), None);
        assert_eq!(join(&[]), None);
    }

    #[test]
    fn numbers_are_canonical() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("10"), Some(10));
        for text in ["", "00", "01", "+1", "-1", "x", "1x", "100", "٣"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn join_undoes_split(token in "[A-Za-z0-9._-]{1,800}", chars in 100usize..300) {
            let mut chunks = Chunks::default();
            for (index, piece) in split(&token, chars).enumerate() {
                prop_assert!(!piece.is_empty() && piece.len() <= chars);
                chunks.add(index, piece);
            }
            prop_assert_eq!(chunks.join(), Some(token));
        }
    }
}
