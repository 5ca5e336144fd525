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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        dialect::{Dialect, Scheme},
        domain::ParentDomain,
    };

    fn session_cookie() -> SessionCookie {
        let domain = ParentDomain::parse("example.com").unwrap();
        SessionCookie::new(CookiePolicy::new(Dialect::NEXT_AUTH_V4, domain, Scheme::Http))
    }

    fn headers(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())])
    }

    fn names(set: SetCookies) -> Vec<String> {
        let mut headers = HeaderMap::new();
        set.add_to(&mut headers);
        let short = |line: &HeaderValue| {
            let line = line.to_str().unwrap().to_owned();
            let scope = if line.contains("Domain=") { "domain" } else { "host" };
            let fate = if line.contains("Max-Age=0") { "delete" } else { "set" };
            format!("{fate} {} {scope}", line.split('=').next().unwrap())
        };
        headers.get_all(header::SET_COOKIE).iter().map(short).collect()
    }

    fn token(chars: usize) -> SealedToken {
        SealedToken::from_wire(format!("a..a.{}.a", "b".repeat(chars - 7))).unwrap()
    }

    #[test]
    fn writing_one_form_deletes_the_other() {
        // threat-model C4
        let cookie = session_cookie();
        let day = Duration::from_hours(24);
        let before = headers("next-auth.session-token=x");
        let three = cookie.write(RequestCookies::new(&before), &token(9000), day).unwrap();
        assert_eq!(
            names(three),
            [
                "delete next-auth.session-token domain",
                "delete next-auth.session-token host",
                "set next-auth.session-token.0 domain",
                "set next-auth.session-token.1 domain",
                "set next-auth.session-token.2 domain",
            ]
        );
        let before =
            headers("next-auth.session-token.0=x; next-auth.session-token.1=y; next-auth.session-token.0=z");
        let one = cookie.write(RequestCookies::new(&before), &token(100), day).unwrap();
        assert_eq!(
            names(one),
            [
                "delete next-auth.session-token.0 domain",
                "delete next-auth.session-token.0 host",
                "delete next-auth.session-token.1 domain",
                "delete next-auth.session-token.1 host",
                "set next-auth.session-token domain",
            ]
        );
    }

    #[test]
    fn all_chunks_or_none() {
        // threat-model C8
        let none = HeaderMap::new();
        let write = |chars| {
            session_cookie()
                .write(RequestCookies::new(&none), &token(chars), Duration::from_secs(1))
                .map(names)
        };
        assert_eq!(write(3933).unwrap().len(), 1);
        assert_eq!(write(3934).unwrap().len(), 2);
        assert_eq!(write(4 * 3933).unwrap().len(), 4);
        assert_eq!(write(4 * 3933 + 1).unwrap_err(), TooLarge { chunks: 5 });
    }

    #[test]
    fn a_foreign_cookie_that_starts_with_our_name_is_left_alone() {
        let request = headers("next-auth.session-token-evil=1; next-auth.session-token.x=2; other=3");
        assert_eq!(
            names(session_cookie().clear(RequestCookies::new(&request))),
            ["delete next-auth.session-token domain", "delete next-auth.session-token host"]
        );
    }

    #[test]
    fn a_stray_chunk_of_another_host_or_time_hides_no_session() {
        // threat-model C2, C4
        let cookie = session_cookie();
        let none = HeaderMap::new();
        let set = cookie.write(RequestCookies::new(&none), &token(6000), Duration::from_secs(1)).unwrap();
        let mut answer = HeaderMap::new();
        set.add_to(&mut answer);
        let lines = answer.get_all(header::SET_COOKIE).iter();
        let kept: Vec<_> = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap()).collect();
        let good = kept.join("; ");
        for index in [0, 1, 2, 3, 7, 9, 42] {
            let stray = format!("{}=a.b.c", cookie.chunk_name(index));
            for header in [format!("{stray}; {good}"), format!("{good}; {stray}")] {
                let request = headers(&header);
                let found = cookie.candidates(RequestCookies::new(&request));
                assert!(found.iter().any(|found| found.expose() == token(6000).expose()), "{stray}");
                let set = cookie
                    .write(RequestCookies::new(&request), &token(6000), Duration::from_secs(1))
                    .unwrap();
                assert!(
                    set.0.iter().any(|line| line.to_str().unwrap().contains("Max-Age=0")),
                    "the stray goes"
                );
            }
        }
    }

    #[test]
    fn a_whole_set_of_another_secret_hides_no_session() {
        // threat-model C2, C4
        let cookie = session_cookie();
        let none = HeaderMap::new();
        let pairs = |token: &SealedToken| {
            let set = cookie.write(RequestCookies::new(&none), token, Duration::from_secs(1)).unwrap();
            let pair = |line: &HeaderValue| line.to_str().unwrap().split(';').next().unwrap().to_owned();
            set.0.iter().map(pair).collect::<Vec<_>>().join("; ")
        };
        for chars in [5000, 9000, 13_000] {
            for old in [chars - 1, chars - 500, 5001, 9001, 13_001] {
                let old_token = format!("x..x.{}.x", "y".repeat(old - 7));
                let (ours, theirs) =
                    (pairs(&token(chars)), pairs(&SealedToken::from_wire(old_token).unwrap()));
                for header in [[&theirs, &ours], [&ours, &theirs]] {
                    let request =
                        headers(&format!("{}; {}; {}=a..b.c.d", header[0], header[1], cookie.policy().name));
                    let found = cookie.candidates(RequestCookies::new(&request));
                    assert!(
                        found.iter().any(|found| found.expose() == token(chars).expose()),
                        "{chars} {old}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_cookie_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), mine in any::<bool>()) {
            let mut line = if mine { b"next-auth.session-token".to_vec() } else { Vec::new() };
            line.extend(bytes);
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
                let cookies = RequestCookies::new(&headers);
                let _ = (session_cookie().candidates(cookies).len(), session_cookie().is_present(cookies));
                let _ = names(session_cookie().clear(cookies));
            }
        }

        #[test]
        fn what_was_written_is_found_whatever_else_is_there(chars in 100usize..9000, junk in "[a-z=;. ]{0,40}") {
            let cookie = session_cookie();
            let none = HeaderMap::new();
            let set = cookie.write(RequestCookies::new(&none), &token(chars), Duration::from_secs(1)).unwrap();
            let mut answer = HeaderMap::new();
            set.add_to(&mut answer);
            let kept: Vec<_> = answer.get_all(header::SET_COOKIE).iter()
                .map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
            for line in answer.get_all(header::SET_COOKIE) {
                prop_assert!(line.len() <= 4096);
            }
            let request = headers(&format!("{junk}; {}", kept.join("; ")));
            let found = cookie.candidates(RequestCookies::new(&request));
            prop_assert_eq!(found.len(), 1);
            let written = token(chars);
            prop_assert_eq!(found[0].expose(), written.expose());
        }
    }
}
