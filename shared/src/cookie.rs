//! The session cookie: found among what the browser sent, written, deleted.
//!
//! Why: a browser may send several cookies of one name: a leftover for this host, one tossed by a sibling,
//! chunks of an older session. By the order of arrival one cannot know which is ours, so every one is a
//! candidate and the codec decides (threat-model C2 to C6). Nothing changes in the caller's hands:
//! [`SetCookies`] is returned.
//!
//! `Cookie` is split at `;` only (RFC 6265 section 4.2.1): no quoting, no decoding of names.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::token::SealedToken;

pub mod chunk;
mod policy;

pub use policy::{CookiePolicy, Scope};

/// The `Cookie` lines of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestCookies<'h>(&'h HeaderMap);

impl<'h> RequestCookies<'h> {
    /// Reads the headers when asked; copies nothing.
    pub fn new(headers: &'h HeaderMap) -> Self {
        Self(headers)
    }

    /// Names and values in order of arrival. A pair that is not ASCII, or without a name, is left out.
    pub fn pairs(self) -> impl Iterator<Item = (&'h str, &'h str)> {
        self.0.get_all(header::COOKIE).iter().flat_map(|line| split(line.as_bytes())).filter_map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
            (!name.is_empty()).then_some((name, value))
        })
    }

    /// Every value of the cookie `name`.
    pub fn values(self, name: &str) -> impl Iterator<Item = &'h str> {
        self.pairs().filter_map(move |(found, value)| (found == name).then_some(value))
    }
}

/// The pairs of a `Cookie` line, blanks and all (RFC 6265 section 4.2.1).
pub fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr::memchr(b';', line);
        rest = end.and_then(|end| line.get(end + 1..));
        line.get(..end.unwrap_or(line.len()))
    })
}

/// `Set-Cookie` lines to add to a response.
#[derive(Clone, Debug, Default)]
#[must_use = "cookies that are not added to the response are lost"]
pub struct SetCookies(Vec<HeaderValue>);

impl SetCookies {
    /// No line at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These lines and `line`.
    pub fn and(mut self, line: HeaderValue) -> Self {
        self.0.push(line);
        self
    }

    /// The lines.
    pub fn lines(&self) -> &[HeaderValue] {
        &self.0
    }

    /// Adds the lines to a response; one that sets a cookie is never kept by a cache (threat-model B7).
    pub fn add_to(self, headers: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for line in self.0 {
            headers.append(header::SET_COOKIE, line);
        }
    }
}

/// The token needs more cookies than browsers and proxies carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session needs {chunks} cookies, and at most {} are written", chunk::MAX_WRITTEN)]
pub struct TooLarge {
    /// How many it would take.
    pub chunks: usize,
}

/// The session cookie of a deployment.
#[derive(Clone, Debug)]
pub struct SessionCookie {
    policy: CookiePolicy,
}

/// Most plain cookies of one request that are tried with the key (threat-model C2); chunks have a bound of their own.
const MAX_CANDIDATES: usize = 4;
/// Most stray chunks deleted in one response.
const MAX_DELETED: usize = 16;

impl SessionCookie {
    /// Follows `policy`.
    pub fn new(policy: CookiePolicy) -> Self {
        Self { policy }
    }

    /// The policy it follows.
    pub fn policy(&self) -> &CookiePolicy {
        &self.policy
    }

    /// Everything in the request that could be the session: each plain cookie, and the chunks as they may belong together.
    pub fn candidates(&self, cookies: RequestCookies<'_>) -> Vec<SealedToken> {
        let mut plain = Vec::new();
        let mut chunks = chunk::Chunks::default();
        for (form, value) in self.ours(cookies) {
            match form {
                Form::Plain if plain.contains(&value) || plain.len() > MAX_DELETED => {}
                Form::Plain => plain.push(value),
                Form::Chunk(index) => chunks.add(index, value),
            }
        }
        let plain =
            plain.into_iter().map(str::to_owned).filter_map(SealedToken::from_wire).take(MAX_CANDIDATES);
        plain.chain(chunks.joins().filter_map(SealedToken::from_wire)).collect()
    }

    /// Whether the request has any cookie of the session's name, good or bad.
    pub fn is_present(&self, cookies: RequestCookies<'_>) -> bool {
        self.ours(cookies).next().is_some()
    }

    /// Lines that keep `token` for `max_age` and delete what else the request had of the name.
    ///
    /// # Errors
    /// [`TooLarge`]: all chunks or none (threat-model C8).
    pub fn write(
        &self,
        cookies: RequestCookies<'_>,
        token: &SealedToken,
        max_age: Duration,
    ) -> Result<SetCookies, TooLarge> {
        let pieces: Vec<&str> = chunk::split(token.expose(), self.policy.chunk_chars).collect();
        if pieces.len() > chunk::MAX_WRITTEN {
            return Err(TooLarge { chunks: pieces.len() });
        }
        let single = pieces.len() == 1;
        let written: Vec<String> = (0..pieces.len())
            .map(|index| if single { self.policy.name.clone() } else { self.chunk_name(index) })
            .collect();
        let mut set = SetCookies::none();
        for (name, times) in self.names_of(cookies) {
            if !written.contains(&name) {
                set = set.and(self.policy.expire(&name, Scope::Domain));
            }
            if times > 1 || !written.contains(&name) {
                set = set.and(self.policy.expire(&name, Scope::HostOnly));
            }
        }
        for (name, piece) in written.iter().zip(pieces) {
            set = set.and(self.policy.keep(name, piece, max_age));
        }
        Ok(set)
    }

    /// Lines that delete every form of the cookie, for the domain and for this host.
    pub fn clear(&self, cookies: RequestCookies<'_>) -> SetCookies {
        let mut names: Vec<String> = self.names_of(cookies).into_iter().map(|(name, _)| name).collect();
        if !names.contains(&self.policy.name) {
            names.push(self.policy.name.clone());
        }
        names.iter().fold(SetCookies::none(), |set, name| {
            set.and(self.policy.expire(name, Scope::Domain)).and(self.policy.expire(name, Scope::HostOnly))
        })
    }

    fn ours<'h>(&self, cookies: RequestCookies<'h>) -> impl Iterator<Item = (Form, &'h str)> {
        cookies.pairs().filter_map(|(name, value)| {
            let suffix = name.strip_prefix(self.policy.name.as_str())?;
            if suffix.is_empty() {
                return Some((Form::Plain, value));
            }
            chunk::number(suffix.strip_prefix('.')?).map(|index| (Form::Chunk(index), value))
        })
    }

    /// The names that are ours in the request, and how often each came.
    fn names_of(&self, cookies: RequestCookies<'_>) -> Vec<(String, usize)> {
        let mut names: Vec<(String, usize)> = Vec::new();
        for (form, _) in self.ours(cookies) {
            let name = match form {
                Form::Plain => self.policy.name.clone(),
                Form::Chunk(index) => self.chunk_name(index),
            };
            if let Some((_, times)) = names.iter_mut().find(|(known, _)| *known == name) {
                *times += 1;
            } else if names.len() < MAX_DELETED {
                names.push((name, 1));
            }
        }
        names
    }

    fn chunk_name(&self, index: usize) -> String {
        format!("{}.{index}", self.policy.name)
    }
}

/// How a cookie of ours is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The session's name.
    Plain,
    /// With a chunk's number.
    Chunk(usize),
}

#[cfg(test)]
mod tests;
