//! Tokens that were opened a moment ago.
//!
//! Why: a page asks for fifty things with one cookie, and opening it is the same work each time. What is remembered is only
//! what the token says: its times are looked at again with every request, and so are revocations, absolute end and the
//! access token, which are no business of this file. A token is known by every character of it, and only ones that are
//! authentic get in.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use quick_cache::{Equivalent, Weighter, sync::Cache};
use zeroize::Zeroizing;

use super::{Opened, SealedToken};

/// Most characters of tokens that are remembered. Their claims take about as much again.
const MAX_CHARS: u64 = 8 * 1024 * 1024;
/// For a session of usual size.
const USUAL_CHARS: u64 = 2 * 1024;

/// Shared by all who open with the same keys.
#[derive(Clone)]
pub(super) struct Memory(Arc<Cache<Token, Opened, Chars>>);

struct Token(Zeroizing<String>);

#[derive(Clone)]
struct Chars;

impl Memory {
    pub(super) fn new() -> Self {
        let items = usize::try_from(MAX_CHARS / USUAL_CHARS).unwrap_or(1024);
        Self(Arc::new(Cache::with_weighter(items, MAX_CHARS, Chars)))
    }

    pub(super) fn recall(&self, token: &SealedToken) -> Option<Opened> {
        self.0.get(token.expose())
    }

    pub(super) fn keep(&self, token: &SealedToken, opened: &Opened) {
        self.0.insert(Token(Zeroizing::new(token.expose().to_owned())), opened.clone());
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tokens", &self.0.len()).finish_non_exhaustive()
    }
}

impl Weighter<Token, Opened> for Chars {
    fn weight(&self, token: &Token, _: &Opened) -> u64 {
        token.0.len() as u64
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Token {}

impl Equivalent<Token> for str {
    fn equivalent(&self, key: &Token) -> bool {
        self == key.0.as_str()
    }
}
