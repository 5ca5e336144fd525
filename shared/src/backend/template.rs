//! What is sent to the backend: a shape from the settings, with slots for what a user typed.
//!
//! Why: credentials spliced into text could change what it means (threat-model S8). A shape is typed: a slot takes
//! its value as (part of) one string, and whoever writes the string escapes it. What is written is zeroed when it
//! has been sent.

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _},
};
use serde_json::Value;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A place for a value, written `{username}` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Username,
    Password,
    RefreshToken,
    AccessToken,
}

/// What the slots are filled with.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'v> {
    pub(super) username: Option<&'v Secret>,
    pub(super) password: Option<&'v Secret>,
    pub(super) refresh_token: Option<&'v Secret>,
    pub(super) access_token: Option<&'v Secret>,
}

/// A slot that nothing is known for.
#[derive(Debug, thiserror::Error)]
#[error("has `{{{name}}}`, which nothing is known for; there may be {known}")]
pub(super) struct UnknownSlot {
    name: String,
    known: String,
}

impl Slot {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::AccessToken => "access_token",
        }
    }

    fn named(name: &str, allowed: &[Self]) -> Result<Self, UnknownSlot> {
        allowed.iter().copied().find(|slot| slot.name() == name).ok_or_else(|| {
            let known: Vec<String> = allowed.iter().map(|slot| format!("`{{{}}}`", slot.name())).collect();
            let known = if known.is_empty() { "none here".into() } else { known.join(" and ") };
            UnknownSlot { name: name.into(), known }
        })
    }
}

impl<'v> Values<'v> {
    fn of(&self, slot: Slot) -> Option<&'v str> {
        let secret = match slot {
            Slot::Username => self.username,
            Slot::Password => self.password,
            Slot::RefreshToken => self.refresh_token,
            Slot::AccessToken => self.access_token,
        };
        secret.map(Secret::expose)
    }

    fn len(&self) -> usize {
        let values = [self.username, self.password, self.refresh_token, self.access_token];
        values.into_iter().flatten().map(|secret| secret.expose().len()).sum()
    }
}

/// A string with slots.
#[derive(Clone)]
pub(super) struct Text(Vec<Piece>);

#[derive(Clone)]
enum Piece {
    Plain(String),
    Slot(Slot),
}

impl Piece {
    fn fill<'f>(&'f self, values: &Values<'f>) -> Option<&'f str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Slot(slot) => values.of(*slot),
        }
    }
}

impl Text {
    /// Braces around anything but a lower-case word are braces.
    pub(super) fn parse(text: &str, allowed: &[Slot]) -> Result<Self, UnknownSlot> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            rest = match after.split_once('}') {
                Some((name, tail)) if is_name(name) => {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                    pieces.push(Piece::Slot(Slot::named(name, allowed)?));
                    tail
                }
                _ => {
                    plain.push('{');
                    after
                }
            };
        }
        plain.push_str(rest);
        pieces.push(Piece::Plain(plain));
        Ok(Self(pieces))
    }

    /// `None` if a value is missing.
    pub(super) fn fill<'v>(&'v self, values: &Values<'v>) -> Option<Zeroizing<String>> {
        // Of the right size from the start: a string that grows leaves its contents behind.
        let parts: Vec<&str> = self.0.iter().map(|piece| piece.fill(values)).collect::<Option<_>>()?;
        let mut filled = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in parts {
            filled.push_str(part);
        }
        Some(filled)
    }

    pub(super) fn uses(&self, wanted: Slot) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Slot(slot) if *slot == wanted))
    }
}

/// JSON with slots in its strings.
#[derive(Clone)]
pub(super) enum Shape {
    Fixed(Value),
    Text(Text),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Shape {
    pub(super) fn parse(value: Value, allowed: &[Slot]) -> Result<Self, UnknownSlot> {
        Ok(match value {
            Value::String(text) => Self::Text(Text::parse(&text, allowed)?),
            Value::Array(items) => Self::List(
                items.into_iter().map(|item| Self::parse(item, allowed)).collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => {
                let member = |(name, value)| Ok((name, Self::parse(value, allowed)?));
                Self::Object(members.into_iter().map(member).collect::<Result<_, _>>()?)
            }
            fixed => Self::Fixed(fixed),
        })
    }

    pub(super) fn uses(&self, slot: Slot) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Text(text) => text.uses(slot),
            Self::List(items) => items.iter().any(|item| item.uses(slot)),
            Self::Object(members) => members.iter().any(|(_, member)| member.uses(slot)),
        }
    }

    /// Whether it can be written as a form: one level of plain values.
    pub(super) fn is_flat(&self) -> bool {
        let plain = |shape: &Self| match shape {
            Self::Fixed(value) => !value.is_null(),
            Self::Text(_) => true,
            Self::List(_) | Self::Object(_) => false,
        };
        matches!(self, Self::Object(members) if members.iter().all(|(_, member)| plain(member)))
    }

    /// As JSON; `None` if a value is missing.
    pub(super) fn json(&self, values: &Values<'_>) -> Option<Zeroizing<Vec<u8>>> {
        // A character of a value becomes six at most, `\u001f`.
        let room = self.len() + 6 * values.len();
        let mut written = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *written, &Filled { shape: self, values }).ok()?;
        Some(written)
    }

    /// As `application/x-www-form-urlencoded`; `None` if a value is missing.
    pub(super) fn form(&self, values: &Values<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let Self::Object(members) = self else { return None };
        // A byte of a value becomes three at most, `%20`.
        let mut form =
            form_urlencoded::Serializer::new(String::with_capacity(3 * (self.len() + values.len())));
        for (name, member) in members {
            match member {
                Self::Text(text) => form.append_pair(name, &text.fill(values)?),
                Self::Fixed(value) => form.append_pair(name, &value.to_string()),
                Self::List(_) | Self::Object(_) => return None,
            };
        }
        Some(Zeroizing::new(form.finish().into_bytes()))
    }

    /// Enough room for all but the values.
    fn len(&self) -> usize {
        match self {
            Self::Fixed(value) => value.to_string().len(),
            Self::Text(Text(pieces)) => {
                let plain = |piece: &Piece| if let Piece::Plain(text) = piece { 6 * text.len() } else { 0 };
                2 + pieces.iter().map(plain).sum::<usize>()
            }
            Self::List(items) => 2 + items.iter().map(|item| 1 + item.len()).sum::<usize>(),
            Self::Object(members) => {
                2 + members.iter().map(|(name, member)| 4 + 6 * name.len() + member.len()).sum::<usize>()
            }
        }
    }
}

struct Filled<'f> {
    shape: &'f Shape,
    values: &'f Values<'f>,
}

impl Serialize for Filled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |shape| Filled { shape, values: self.values };
        match self.shape {
            Shape::Fixed(value) => value.serialize(serializer),
            Shape::Text(text) => {
                let filled = text.fill(self.values).ok_or_else(|| S::Error::custom("a value is missing"))?;
                serializer.serialize_str(&filled)
            }
            Shape::List(items) => serializer.collect_seq(items.iter().map(inner)),
            Shape::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(name, &inner(member))?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BOTH: [Slot; 2] = [Slot::Username, Slot::Password];

    #[test]
    fn a_value_cannot_leave_its_string() {
        // threat-model S8
        let body =
            json!({"email": "{username}", "login": {"with": ["p:{password}!"]}, "n": 1, "braces": "{1} {"});
        let shape = Shape::parse(body, &BOTH).unwrap();
        for text in [
            r#"","isAdmin":true,"x":""#,
            "{password}",
            "&password=other",
            "\\",
            "\u{0}\u{1f}\r\n\"'",
            "{\"$gt\":\"\"}",
            "héslo ✓ 山",
        ] {
            let secret = Secret::new(text);
            let values = Values { username: Some(&secret), password: Some(&secret), ..Values::default() };
            let sent: Value = serde_json::from_slice(&shape.json(&values).unwrap()).unwrap();
            let login = json!({"with": [format!("p:{text}!")]});
            assert_eq!(sent, json!({"email": text, "login": login, "n": 1, "braces": "{1} {"}));
            let flat = Shape::parse(json!({"a&b": "{username}", "c": 1, "d": "{password}"}), &BOTH).unwrap();
            let form = flat.form(&values).unwrap();
            let read: Vec<_> = form_urlencoded::parse(&form).into_owned().collect();
            let expected =
                [("a&b", text), ("c", "1"), ("d", text)].map(|(k, v)| (k.to_owned(), v.to_owned()));
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn what_is_written_never_outgrows_its_first_buffer() {
        let shape = Shape::parse(json!({"\u{1}": "\u{2}{username}", "l": [true, null, {}]}), &BOTH).unwrap();
        let secret = Secret::new("\u{1f}".repeat(1000));
        let values = Values { username: Some(&secret), ..Values::default() };
        assert!(shape.json(&values).unwrap().len() <= shape.len() + 6 * values.len());
    }

    #[test]
    fn unknown_slots_and_missing_values_are_noticed() {
        let unknown = Text::parse("{usernme}", &BOTH).err().unwrap().to_string();
        assert_eq!(
            unknown,
            "has `{usernme}`, which nothing is known for; there may be `{username}` and `{password}`"
        );
        assert!(Text::parse("{refresh_token}", &BOTH).is_err());
        let shape = Shape::parse(json!(["{username}"]), &BOTH).unwrap();
        assert!(shape.json(&Values::default()).is_none());
        assert!(shape.uses(Slot::Username) && !shape.uses(Slot::Password));
        assert!(!Shape::parse(json!({"a": ["{username}"]}), &BOTH).unwrap().is_flat());
    }
}
