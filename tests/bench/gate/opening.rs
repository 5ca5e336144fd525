//! Opening a session's token, beside the least that has to be done for it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    dialect::Dialect,
    key::Key,
    secret::{Secret, SecretRing},
    token::{Codec, SealedToken},
};
use hallpass_tests::SECRET;
use openssl::symm::{Cipher, decrypt_aead};
use tokio::time::Instant;

use crate::{
    numbers::{Number, Part, median},
    say,
};

const TIMES: u32 = 100_000;
const PART: Part = Part("Opening a session's token");

pub(crate) fn measure() -> Vec<Number> {
    let text = super::session();
    let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
    let codec = Codec::for_session(Dialect::NEXT_AUTH_V4, &ring, "next-auth.session-token").unwrap();
    let token = SealedToken::from_wire(text.clone()).unwrap();
    let now = SystemClock.now();
    let key = Key::derive(&Secret::new(SECRET), "", "NextAuth.js Generated Encryption Key", 32).unwrap();
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let begun = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(codec.open_any(std::hint::black_box(&token), now).unwrap());
        }
        ours.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
        let begun = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(least(std::hint::black_box(&text), key.bytes()));
        }
        raw.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
    }
    let ratios: Vec<_> = ours.iter().zip(&raw).map(|(ours, raw)| ours / raw).collect();
    let numbers = vec![
        PART.lower(format!("a token of {} characters", text.len()), "µs", &ours),
        PART.lower("OpenSSL's AES-GCM and serde_json alone", "µs", &raw),
        PART.lower("ratio", "×", &ratios).aim(2.0),
    ];
    let (ours, raw) = (median(ours), median(raw));
    say(&format!(
        "\nOpening a session's token of {} characters: {ours:.2} µs; OpenSSL's AES-GCM and serde_json alone: {raw:.2} µs; \
         ratio {:.2}, aim 2",
        text.len(),
        ours / raw
    ));
    numbers
}

fn least(token: &str, key: &[u8]) -> serde_json::Value {
    let parts: Vec<&str> = token.split('.').collect();
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let (iv, sealed, tag) = (bytes(parts[2]), bytes(parts[3]), bytes(parts[4]));
    let plain =
        decrypt_aead(Cipher::aes_256_gcm(), key, Some(&iv), parts[0].as_bytes(), &sealed, &tag).unwrap();
    serde_json::from_slice(&plain).unwrap()
}
