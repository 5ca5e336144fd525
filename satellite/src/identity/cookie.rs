//! `Cookie` as an app gets it.
//!
//! Why: with the session an app could act as its user on every host of the domain (threat-model C10).

use hallpass_shared::cookie;
use http::{HeaderMap, HeaderValue, header};

/// `Cookie` without what is ours, the rest as it came; nothing if nothing is left (threat-model C10).
pub(crate) fn reduced_cookie(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> Option<HeaderValue> {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let first = lines.next()?;
    let kept = |pair: &&[u8]| {
        let name = pair
            .iter()
            .position(|byte| *byte == b'=')
            .and_then(|end| pair.get(..end))
            .unwrap_or(pair)
            .trim_ascii();
        // A pair without a name is read as its value's name by some.
        !pair.trim_ascii().is_empty()
            && !name.is_empty()
            && std::str::from_utf8(name).is_ok_and(|name| !is_ours(name))
    };
    if lines.next().is_none() && pairs(first).all(|pair| kept(&pair)) {
        return Some(first.clone());
    }
    let all = headers.get_all(header::COOKIE).iter().flat_map(pairs);
    let rest: Vec<&[u8]> = all.filter(kept).map(<[u8]>::trim_ascii).collect();
    if rest.is_empty() { None } else { HeaderValue::from_bytes(&rest.join(&b"; "[..])).ok() }
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    cookie::split(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_ours_go_and_the_others_stay_as_they_are() {
        // threat-model C10
        let reduced = |line: &'static str| {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(line))]);
            reduced_cookie(&headers, |name| name == "ours").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(reduced("a=1;b=2").unwrap(), "a=1;b=2");
        assert_eq!(reduced("a=1; ours=x; b=\"2 3\"").unwrap(), "a=1; b=\"2 3\"");
        assert_eq!(reduced("ours =x; =ours=x; a").unwrap(), "a");
        assert_eq!(reduced("ours=x"), None);
    }
}
