//! Where one WebSocket frame ends and the next begins.
//!
//! Why: a socket whose session is over is closed with a reason that the page can read (code 1008, RFC 6455 section
//! 7.4.1), and a close frame may stand between two frames only. Nothing of what passes is changed or kept.

/// A close frame from a server: policy violation.
pub(super) const CLOSE_POLICY: [u8; 4] = [0x88, 0x02, 0x03, 0xf0];
/// A close frame from a server: going away.
pub(super) const CLOSE_GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// Follows the frames in one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The head of a frame that has not come whole.
    head: Vec<u8>,
    /// Bytes of the frame that are still to come.
    left: u64,
}

impl Frames {
    /// Takes note of what passed.
    pub(super) fn passed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            if let Some(left) = payload(&self.head) {
                self.left = left;
                self.head.clear();
            }
        }
    }

    /// Whether the last frame came to its end.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }
}

/// What follows a head, once the head is whole (RFC 6455 section 5.2).
fn payload(head: &[u8]) -> Option<u64> {
    let second = head.get(1)?;
    let length = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(*head.get(2..)?.first_chunk()?)),
        127 => u64::from_be_bytes(*head.get(2..)?.first_chunk()?),
        short => u64::from(short),
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    Some(length.saturating_add(mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_frame_is_found_however_it_comes() {
        let mut wire = vec![0x81, 0x03, b'a', b'b', b'c'];
        wire.extend([0x82, 126, 0x01, 0x00]);
        wire.extend([7; 256]);
        wire.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        wire.extend(vec![7; 65_536]);
        wire.extend([0x89, 0x00, 0x81, 0x82, 1, 2, 3, 4, 5, 6]);
        let ends = [5, 265, 265 + 65_546, 265 + 65_548, wire.len()];
        for step in [1, 2, 3, 7, 1000, wire.len()] {
            let mut frames = Frames::default();
            let mut passed = 0;
            for part in wire.chunks(step) {
                frames.passed(part);
                passed += part.len();
                assert_eq!(frames.is_between(), ends.contains(&passed), "{step} {passed}");
            }
        }
    }
}
