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

/// Most ways to join them that are tried: strays of other times and hosts make more than one.
const MAX_WAYS: usize = 16;

/// The chunks of one request, gathered by number: one or two of each.
#[derive(Debug, Default)]
pub struct Chunks<'h> {
    parts: [Vec<&'h str>; MAX_READ],
}

impl<'h> Chunks<'h> {
    /// Takes chunk `index`. One out of range is none of ours, and a third one of a number is not looked at.
    pub fn add(&mut self, index: usize, value: &'h str) {
        if let Some(known) = self.parts.get_mut(index)
            && known.len() < 2
            && !known.contains(&value)
        {
            known.push(value);
        }
    }

    /// What may be the token: the chunks from 0 on without a gap, all of them or, where one is shorter than the first and so
    /// may be the last, without strays behind it; of two with one number each. A stray must not hide a session that is
    /// there; the seal says which of them is one.
    pub fn joins(&self) -> impl Iterator<Item = String> {
        let count = self.parts.iter().take_while(|part| !part.is_empty()).count();
        let ways = (1..=count).rev().flat_map(move |length| {
            let parts = self.parts.get(..length).unwrap_or_default();
            let twice = parts.iter().filter(|part| part.len() > 1).count();
            // Whole sets first: all of those that came first, then all of the others.
            let last = (1_usize << twice) - 1;
            let choices = (0..=last).map(move |number| match number {
                0 => 0,
                1 => last,
                later => later - 1,
            });
            choices.filter_map(move |choice| {
                let picked = pick(parts, choice);
                let shorter = picked.last().map(|last| last.len()) < picked.first().map(|first| first.len());
                (length == count || shorter).then(|| picked.concat())
            })
        });
        ways.take(MAX_WAYS)
    }
}

/// Of each number the first or the second, as the bits of `choice` say for those that are there twice.
fn pick<'h>(parts: &[Vec<&'h str>], choice: usize) -> Vec<&'h str> {
    let mut bits = choice;
    let mut one_of = |part: &Vec<&'h str>| {
        let mut index = 0;
        if part.len() > 1 {
            index = bits & 1;
            bits >>= 1;
        }
        part.get(index).copied()
    };
    parts.iter().filter_map(&mut one_of).collect()
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

    fn joins(parts: &[(usize, &str)]) -> Vec<String> {
        let mut chunks = Chunks::default();
        for (index, value) in parts {
            chunks.add(*index, value);
        }
        chunks.joins().collect()
    }

    #[test]
    fn what_follows_on_is_joined_and_strays_hide_nothing() {
        // threat-model C4
        assert_eq!(joins(&[(1, "b"), (0, "a"), (0, "a")]), ["ab"]);
        assert_eq!(joins(&[(0, "a"), (2, "c")]), ["a"]);
        assert_eq!(joins(&[(1, "b")]), [""; 0]);
        assert_eq!(joins(&[(0, "a"), (0, "x"), (0, "y"), (1, "b")]), ["ab", "xb"]);
        assert_eq!(joins(&[(0, "aa"), (1, "bb"), (2, "c"), (3, "stray")]), ["aabbcstray", "aabbc"]);
        assert_eq!(joins(&[(0, "aa"), (1, "bb"), (2, "c")]), ["aabbc"], "one way where nothing is amiss");
        let old_and_new = joins(&[(0, "x"), (1, "y"), (2, "z"), (0, "a"), (1, "b"), (2, "c")]);
        assert_eq!(old_and_new.get(..2).unwrap(), ["xyz", "abc"], "whole sets first");
        assert_eq!(joins(&[(0, "a"), (8, "x"), (99, "y")]), ["a"]);
        assert_eq!(joins(&[]), [""; 0]);
        let twice: Vec<_> = (0..99).flat_map(|index| [(index, "a"), (index, "b"), (index, "c")]).collect();
        assert_eq!(joins(&twice).len(), MAX_WAYS, "bounded work");
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
            prop_assert_eq!(chunks.joins().next(), Some(token));
        }
    }
}
