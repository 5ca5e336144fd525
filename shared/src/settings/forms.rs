//! Values with a form of their own: lengths of time, rates, addresses, networks.
//!
//! Why: what a person writes (`"30d"`, `"10/5m"`) is read in one place, and an error says which form was expected.

use std::{fmt, net::SocketAddr, time::Duration};

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Unexpected, Visitor},
};

use crate::{clock::UnixTime, revocation::Revocations};

/// A length of time, written as `30d`, `1h 30m` or `0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| humantime::parse_duration(text).ok().map(Self);
        deserializer.deserialize_str(Form { expected: "a length of time such as 30s, 15m, 1h or 30d", read })
    }
}

/// As a person would write it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(86_400, "d"), (3600, "h"), (60, "m")];
        let fits = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
        let (unit, name) = fits.unwrap_or((1, "s"));
        write!(f, "{}{name}", seconds / unit)
    }
}

/// How often in what time, written as `10/5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At most this often
    pub count: u32,
    /// within this time.
    pub per: Duration,
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let (count, per) = text.split_once('/')?;
            let per = humantime::parse_duration(per.trim()).ok().filter(|per| !per.is_zero())?;
            Some(Self { count: count.trim().parse().ok().filter(|count| *count > 0)?, per })
        };
        deserializer.deserialize_str(Form { expected: "a rate such as 10/5m", read })
    }
}

/// What a node does that hears of no sign-outs, written as `allow-for 15m` or `refuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenUnreachable {
    /// Goes on admitting sessions for this long.
    AllowFor(Duration),
    /// Admits nobody until it hears again.
    Refuse,
}

impl WhenUnreachable {
    /// Signs of life come each second; this many missing ones are an outage.
    const NOTICED: Duration = Duration::from_secs(5);

    /// The list of what was revoked, for a process that starts `now`.
    pub fn list(self, now: UnixTime) -> Revocations {
        Revocations::followed(self.oldest(), matches!(self, Self::AllowFor(_)).then_some(now))
    }

    /// How old a list of what was revoked may be.
    fn oldest(self) -> Duration {
        match self {
            Self::AllowFor(span) => span.max(Self::NOTICED),
            Self::Refuse => Self::NOTICED,
        }
    }
}

impl Default for WhenUnreachable {
    fn default() -> Self {
        Self::AllowFor(Duration::from_mins(15))
    }
}

impl<'de> Deserialize<'de> for WhenUnreachable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match text.split_once(' ') {
            Some(("allow-for", span)) => humantime::parse_duration(span.trim()).ok().map(Self::AllowFor),
            None if text == "refuse" => Some(Self::Refuse),
            _ => None,
        };
        deserializer
            .deserialize_str(Form { expected: "`refuse`, or `allow-for` with a time such as 15m", read })
    }
}

/// Where to listen.
pub(super) fn listener<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let expected = "an address with a port such as 127.0.0.1:3000 or [::]:3000";
    deserializer.deserialize_str(Form { expected, read: |text: &str| text.parse().ok() })
}

/// Networks whose members are trusted.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    deserializer.deserialize_seq(Networks)
}

/// A text in a form that `read` knows.
struct Form<F> {
    expected: &'static str,
    read: F,
}

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Form<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct Networks;

impl<'de> Visitor<'de> for Networks {
    type Value = Vec<IpNet>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of networks such as [\"10.0.0.0/8\", \"192.0.2.7/32\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<IpNet>, A::Error> {
        let mut networks = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            let network = text.parse();
            networks.push(network.map_err(|_| {
                let expected = "a network such as 10.0.0.0/8 or, for one address, 192.0.2.7/32";
                A::Error::invalid_value(Unexpected::Str(&text), &expected)
            })?);
        }
        Ok(networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        span: Option<Span>,
        rate: Option<Rate>,
        when: Option<WhenUnreachable>,
        #[serde(default, deserialize_with = "networks")]
        networks: Vec<IpNet>,
    }

    #[test]
    fn what_a_person_writes_is_read() {
        let read = |toml: &str| toml::from_str::<Sample>(toml).map_err(|error| error.message().to_owned());
        assert_eq!(read("span = '1h 30m'").unwrap().span, Some(Span(Duration::from_mins(90))));
        assert_eq!(read("span = '0s'").unwrap().span, Some(Span(Duration::ZERO)));
        for text in ["30d", "90m", "1h", "45s", "0s"] {
            assert_eq!(read(&format!("span = '{text}'")).unwrap().span.unwrap().to_string(), text);
        }
        let per = Duration::from_mins(5);
        assert_eq!(read("rate = ' 10 / 5m'").unwrap().rate, Some(Rate { count: 10, per }));
        let when = |toml: &str| read(toml).unwrap().when;
        assert_eq!(when("when = 'allow-for 90s'"), Some(WhenUnreachable::AllowFor(Duration::from_secs(90))));
        assert_eq!(when("when = 'refuse'"), Some(WhenUnreachable::Refuse));
        assert_eq!(read("networks = ['10.0.0.0/8', '::1/128']").unwrap().networks.len(), 2);
        for (toml, expected) in [
            ("span = '30 dayz'", "a length of time"),
            ("span = 30", "a length of time"),
            ("rate = '0/5m'", "a rate such as"),
            ("rate = '10/0s'", "a rate such as"),
            ("rate = 10", "a rate such as"),
            ("when = 'allow'", "allow-for"),
            ("when = 'allow-for ever'", "allow-for"),
            ("networks = ['10.0.0.1']", "a network such as"),
            ("networks = '10.0.0.0/8'", "a list of networks"),
        ] {
            let error = read(toml).unwrap_err();
            assert!(error.contains(expected), "{toml}: {error}");
        }
    }
}
