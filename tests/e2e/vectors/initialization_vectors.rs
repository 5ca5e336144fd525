//! A statistical look at the vectors of many seals.
//!
//! Why: two tokens under one key and one vector give both plaintexts and the key of the tag away (NIST SP
//! 800-38D section 8). 96 random bits allow 2^32 seals; a counter that restarts, or a generator that forgets
//! bits, shows long before.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    dialect::Dialect,
    token::{Claims, Codec},
};

use super::ring;

const SEALS: usize = 30_000;

#[test]
fn no_vector_comes_twice_and_every_bit_of_it_is_random() {
    // threat-model T11
    let dialect = Dialect::NEXT_AUTH_V4;
    let codec = Codec::for_session(dialect, &ring(&["secret"]), "session").unwrap();
    let mut seen = HashSet::with_capacity(SEALS);
    let mut ones = [0usize; 96];
    for _ in 0..SEALS {
        let token = codec.seal(&Claims::default()).unwrap();
        let iv = URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(2).unwrap()).unwrap();
        assert_eq!(iv.len(), dialect.seals_with.iv_len());
        for (bit, count) in ones.iter_mut().enumerate() {
            *count += usize::from(iv[bit / 8] >> (bit % 8) & 1);
        }
        assert!(seen.insert(iv), "one vector twice in {} seals", seen.len());
    }
    // Eight standard deviations, each half the root of the count.
    let half = SEALS / 2;
    let allowed = half - 4 * SEALS.isqrt()..half + 4 * SEALS.isqrt();
    for (bit, count) in ones.into_iter().enumerate() {
        assert!(allowed.contains(&count), "bit {bit} was set in {count} of {SEALS} vectors");
    }
}
