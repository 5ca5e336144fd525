//! One entry of the list: whose sessions are over, since when, and until when that matters.
//!
//! Why: it travels and is stored by the million, so it is small and has one form of bytes.

use crate::{clock::UnixTime, key::digest};

/// The digest of a session id or of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevocationKey(pub(super) [u8; 16]);

impl RevocationKey {
    /// For the session `sid`.
    pub fn of_session(sid: &str) -> Self {
        Self::of("hallpass sid", sid)
    }

    /// For all sessions of `subject` so far.
    pub fn of_subject(subject: &str) -> Self {
        Self::of("hallpass sub", subject)
    }

    /// 32 hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// What [`RevocationKey::to_hex`] wrote.
    pub fn from_hex(hex: &str) -> Option<Self> {
        u128::from_str_radix(hex, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    fn of(label: &str, text: &str) -> Self {
        let mut half = [0; 16];
        half.iter_mut().zip(digest(label, text)).for_each(|(to, from)| *to = from);
        Self(half)
    }
}

/// The end of a session, or of all sessions of a subject that began up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub key: RevocationKey,
    /// Sessions of up to this moment are over.
    pub at: UnixTime,
    /// After this moment no such session can live, so the entry may go.
    pub until: UnixTime,
}

impl Revocation {
    /// 16 bytes of the key and twice a big-endian `u32` of seconds since 1970.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let parts = [&self.key.0[..], &seconds(self.at).to_be_bytes(), &seconds(self.until).to_be_bytes()];
        bytes.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// What [`Revocation::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; 24]) -> Self {
        let (key, times) = bytes.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let time = |at: usize| {
            let four = times.get(at..).and_then(|rest| rest.first_chunk::<4>());
            UnixTime::from_seconds(four.map_or(0, |four| u32::from_be_bytes(*four)).into())
        };
        Self { key: RevocationKey(*key), at: time(0), until: time(4) }
    }
}

/// Good until the year 2106.
pub(super) fn seconds(time: UnixTime) -> u32 {
    u32::try_from(time.as_seconds().max(0)).unwrap_or(u32::MAX)
}
