//! Just enough HTTP/2 to send one request that no library would (RFC 9113, RFC 7541).
//!
//! Why: headers of a connection, doubled pseudo-headers and a `host` beside `:authority` are refused by clients before
//! they are sent; what a server makes of them is what counts.

use std::net::Ipv4Addr;

use super::{Connection, latin1};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM_AND_HEADERS: u8 = 5;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with this status.
    Answered(u16),
    /// The stream or the connection was ended.
    Refused,
}

/// Sends one request without a body, its fields as they are and in this order.
pub async fn ask(port: u16, from: Ipv4Addr, fields: &[(&str, &str)]) -> Outcome {
    let mut connection = Connection::open(port, from).await;
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    connection
        .send(
            [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, END_STREAM_AND_HEADERS, 1, &block)]
                .concat(),
        )
        .await;
    loop {
        let head = connection.bytes(9).await;
        let [a, b, c, kind, _, _, _, _, stream] = head[..] else { return Outcome::Refused };
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let payload = connection.bytes(length).await;
        match (kind, stream) {
            (HEADERS, 1) => return Outcome::Answered(status(&payload)),
            (RST_STREAM, 1) | (GOAWAY, _) => return Outcome::Refused,
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// RFC 7541 section 6.2.2, without Huffman.
fn literal(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

fn string(text: &str) -> Vec<u8> {
    let bytes = latin1(text);
    let mut coded = Vec::new();
    if bytes.len() < 127 {
        coded.push(u8::try_from(bytes.len()).unwrap());
    } else {
        coded.push(127);
        let mut rest = bytes.len() - 127;
        while rest >= 128 {
            coded.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        coded.push(u8::try_from(rest).unwrap());
    }
    [coded, bytes].concat()
}

/// `:status`, which comes first.
fn status(block: &[u8]) -> u16 {
    let start = block.iter().position(|byte| byte & 0b1110_0000 != 0b0010_0000).unwrap();
    let block = &block[start..];
    let known = [200, 204, 206, 304, 400, 404, 500];
    match block[0] {
        indexed @ 0x88..=0x8e => known[usize::from(indexed - 0x88)],
        named if matches!(named & 0x0f, 8..=14) && named < 0x50 => {
            let length = usize::from(block[1] & 127);
            let coded = &block[2..2 + length];
            let digits =
                if block[1] & 128 == 0 { String::from_utf8(coded.to_vec()).unwrap() } else { digits(coded) };
            digits.parse().unwrap()
        }
        other => panic!("no status: {other:#x}"),
    }
}

/// Three digits in the code of RFC 7541 appendix B: five bits for 0 to 2, six for the others.
fn digits(coded: &[u8]) -> String {
    let mut bits = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut digits = String::new();
    while digits.len() < 3 {
        let mut code = bits.by_ref().take(5).fold(0, |code, bit| code << 1 | bit);
        if code > 2 {
            code = (code << 1 | bits.next().unwrap()) - 0x19 + 3;
        }
        digits.push(char::from(b'0' + code));
    }
    digits
}
