//! The head of the app's answer, as the browser gets it.
//!
//! Why: an app must not set the domain's session (threat-model H18), and what was made for one user must not be kept by a
//! cache for another (B7).

use hallpass_shared::cookie::CookiePolicy;
use http::{HeaderMap, HeaderValue, header};

use super::head::{remove_hop_by_hop, tokens};

/// Takes away what is for one hop, and cookies that are ours to set.
pub(super) fn clean(headers: &mut HeaderMap, policy: &CookiePolicy) {
    let (upgrade, connection) = (headers.remove(header::UPGRADE), headers.get(header::CONNECTION).cloned());
    remove_hop_by_hop(headers);
    // A switch of protocols is said with both.
    if let (Some(upgrade), Some(connection)) = (upgrade, connection.filter(names_upgrade)) {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, connection);
    }
    let spoken: Vec<_> = headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in spoken {
        headers.remove(name);
    }
    if headers.get_all(header::SET_COOKIE).iter().any(|line| sets_ours(line, policy)) {
        let others: Vec<HeaderValue> = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter(|line| !sets_ours(line, policy))
            .cloned()
            .collect();
        headers.remove(header::SET_COOKIE);
        for line in others {
            headers.append(header::SET_COOKIE, line);
        }
        tracing::warn!(
            event = "upstream_cookie",
            "the app tried to set a cookie that is ours; it was left out"
        );
    }
}

/// What only a satellite says to a browser.
fn is_ours(name: &str) -> bool {
    name.starts_with("x-hallpass-") || name.starts_with("hallpass-")
}

fn names_upgrade(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"upgrade")
}

fn sets_ours(line: &HeaderValue, policy: &CookiePolicy) -> bool {
    let pair = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    // A nameless cookie is sent back as its value alone, which may look like a named one.
    let mut parts = pair.split(|byte| *byte == b'=').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty());
    parts.next().and_then(|name| std::str::from_utf8(name).ok()).is_some_and(|name| policy.is_ours(name))
}

/// At least `private`, whatever the app says, and no longer for anybody else.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    vary_by_cookie(headers);
    let has =
        |name: &str| tokens(headers, &header::CACHE_CONTROL).any(|token| token.eq_ignore_ascii_case(name));
    if has("no-store") || has("private") && !has("public") {
        return;
    }
    let shared = |token: &&str| {
        let name = token.split('=').next().unwrap_or_default().trim();
        ["public", "private", "s-maxage"].iter().any(|shared| name.eq_ignore_ascii_case(shared))
    };
    let mut kept: Vec<&str> =
        tokens(headers, &header::CACHE_CONTROL).filter(|token| !shared(token)).collect();
    kept.insert(0, "private");
    if let Ok(value) = HeaderValue::try_from(kept.join(", ")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// Another cookie, another answer.
pub(super) fn vary_by_cookie(headers: &mut HeaderMap) {
    let named =
        tokens(headers, &header::VARY).any(|token| token == "*" || token.eq_ignore_ascii_case("cookie"));
    if !named {
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_speaks_for_itself_only() {
        // threat-model H18
        let domain = hallpass_shared::domain::ParentDomain::parse("example.com").unwrap();
        let dialect = hallpass_shared::dialect::Dialect::NEXT_AUTH_V4;
        let policy = CookiePolicy::new(dialect, domain, hallpass_shared::dialect::Scheme::Http);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-hallpass-location", "http://evil.test/"),
            ("hallpass-stale", "1"),
            ("set-cookie", "next-auth.session-token.0=x"),
            ("set-cookie", "own=1"),
            ("keep-alive", "timeout=5"),
            ("x-app", "kept"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        clean(&mut headers, &policy);
        let left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.contains(&("set-cookie", "own=1")) && left.contains(&("x-app", "kept")), "{left:?}");
    }

    #[test]
    fn what_is_somebodys_own_is_private() {
        // threat-model B7
        let kept = |value: Option<&'static str>| {
            let mut headers: HeaderMap = value
                .map(|value| (header::CACHE_CONTROL, HeaderValue::from_static(value)))
                .into_iter()
                .collect();
            keep_private(&mut headers);
            headers[header::CACHE_CONTROL].to_str().unwrap().to_owned()
        };
        assert_eq!(kept(None), "private");
        assert_eq!(kept(Some("public, max-age=60, s-maxage=9")), "private, max-age=60");
        assert_eq!(kept(Some("max-age=60")), "private, max-age=60");
        assert_eq!(kept(Some("private, max-age=60")), "private, max-age=60");
        assert_eq!(kept(Some("no-store")), "no-store");
        assert_eq!(kept(Some("public, private")), "private");
    }
}
