//! A claim as a header's value.
//!
//! Why: a value is one line of ASCII and means one thing, whatever a backend puts into a name or a group (threat-model H11).

use hallpass_shared::token::Claims;
use serde_json::Value;

use crate::rules::look_up;

/// Texts, numbers and yes or no as they are; lists joined by commas. An element with a comma of its own is left out:
/// it would be read as two.
pub(super) fn text_of(claims: &Claims, pointer: &str) -> Option<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let value = match pointer {
        "/sub" => return claims.subject().map(str::to_owned),
        _ => look_up(claims, pointer)?,
    };
    let text = match value.as_ref() {
        Value::Array(items) => {
            let fit = |item: &Value| {
                let text = plain(item)?;
                let fits = !text.contains(',') && !text.is_empty();
                if !fits {
                    tracing::warn!(
                        event = "identity",
                        pointer,
                        "an element with a comma, or an empty one, is left out"
                    );
                }
                fits.then_some(text)
            };
            items.iter().filter_map(fit).collect::<Vec<_>>().join(",")
        }
        other => plain(other)?,
    };
    (!text.is_empty()).then_some(text)
}

/// A text that is all visible ASCII as it is; any other as RFC 8187 section 3.2.1 writes it, `UTF-8''Zo%C3%AB`, which says
/// of itself that it is encoded.
pub(super) fn in_ascii(text: String) -> String {
    const MARK: &str = "UTF-8''";
    let visible = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let blank_ends = text.starts_with(' ') || text.ends_with(' ');
    if visible && !blank_ends && !text.starts_with(MARK) {
        return text;
    }
    let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
    format!("{MARK}{encoded}")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_one_line_of_ascii_and_lists_are_unambiguous() {
        // threat-model H11
        let user = serde_json::json!({
            "name": "Zoë\r\nX-Auth-Is-Admin: true", "plain": "Zoe Novotna", "groups": ["a", "b,c", "", 7], "no": null, "deep": {"x": 1},
            "mark": "UTF-8''x", "empty": [],
        });
        let claims = Claims { user: user.as_object().unwrap().clone(), ..Claims::default() };
        let said = |pointer: &str| text_of(&claims, pointer).map(in_ascii);
        assert_eq!(said("/name").unwrap(), "UTF-8''Zo%C3%AB%0D%0AX%2DAuth%2DIs%2DAdmin%3A%20true");
        assert_eq!(said("/plain").unwrap(), "Zoe Novotna");
        assert_eq!(said("/groups").unwrap(), "a,7");
        assert_eq!(said("/mark").unwrap(), "UTF-8''UTF%2D8%27%27x");
        assert_eq!((said("/no"), said("/deep"), said("/empty"), said("/absent")), (None, None, None, None));
        assert_eq!(said("/deep/x").unwrap(), "1");
    }

    proptest! {
        #[test]
        fn any_text_makes_a_header(text in "\\PC{0,40}|[\\x00-\\x20]{0,5}") {
            let value = in_ascii(text);
            prop_assert!(HeaderValue::try_from(value.as_str()).is_ok() && value.is_ascii());
        }
    }
}
