//! Two ways to say how long a body is, or none that means anything.
//!
//! Why: the length is the wall between two requests (RFC 9112 sections 6.1 and 6.3); who reads it otherwise than the next
//! one in line lets a body pass for a request.

use super::{Case, Expected, case, none_confuses};

const HEAD: &str = "POST /public/x HTTP/1.1|Host: HOST|";

fn with(name: &'static str, rest: &str, expected: Expected) -> Case {
    case(name, &format!("{HEAD}{rest}"), expected)
}

fn both() -> Vec<Case> {
    use Expected::Refused;
    vec![
        with(
            "length, then chunks",
            "Content-Length: LENGTH|Transfer-Encoding: chunked||0||SMUGGLED",
            Refused,
        ),
        with("chunks, then length", "Transfer-Encoding: chunked|Content-Length: 5||0||SMUGGLED", Refused),
        with(
            "length 4, then chunks",
            "Content-Length: 4|Transfer-Encoding: chunked||14|POST /admin/smuggled|0||",
            Refused,
        ),
        with("length 0, then chunks", "Content-Length: 0|Transfer-Encoding: chunked||0||SMUGGLED", Refused),
        with("chunks and no length", "Transfer-Encoding: chunked|Content-Length: x||0||SMUGGLED", Refused),
        with(
            "chunks in another case",
            "transfer-encoding: CHUNKED|content-length: LENGTH||0||SMUGGLED",
            Refused,
        ),
    ]
}

fn lengths() -> Vec<Case> {
    use Expected::{OneOrRefused, Refused};
    vec![
        with("two lengths", "Content-Length: 3|Content-Length: 5||abcSMUGGLED", Refused),
        with("two lengths, the other way", "Content-Length: 5|Content-Length: 3||abcdeSMUGGLED", Refused),
        with("two lengths in one line", "Content-Length: 3, 5||abcSMUGGLED", Refused),
        with("the same length twice", "Content-Length: 3|Content-Length: 3||abc", OneOrRefused("abc")),
        with("the same length twice in one line", "Content-Length: 3, 3||abc", OneOrRefused("abc")),
        with("a length with a sign", "Content-Length: +3||abcSMUGGLED", Refused),
        with("a negative length", "Content-Length: -3||abcSMUGGLED", Refused),
        with("a length in hexadecimal", "Content-Length: 0x3||abcSMUGGLED", Refused),
        with("a length with a letter", "Content-Length: 3a||abcSMUGGLED", Refused),
        with("a length with a blank in it", "Content-Length: 3 0||abcSMUGGLED", Refused),
        with("an empty length", "Content-Length: ||SMUGGLED", Refused),
        with("a length beyond measure", "Content-Length: 18446744073709551619||abcSMUGGLED", Refused),
        with("another beyond measure", "Content-Length: 99999999999999999999999999||abcSMUGGLED", Refused),
    ]
}

fn codings() -> Vec<Case> {
    use Expected::{OneOrRefused, Refused};
    vec![
        with("chunked, identity", "Transfer-Encoding: chunked, identity||0||SMUGGLED", Refused),
        with("identity", "Transfer-Encoding: identity||0||SMUGGLED", Refused),
        with("identity with a length", "Transfer-Encoding: identity|Content-Length: 3||abcSMUGGLED", Refused),
        with("xchunked", "Transfer-Encoding: xchunked||0||SMUGGLED", Refused),
        with("xchunked with a length", "Transfer-Encoding: xchunked|Content-Length: 3||abcSMUGGLED", Refused),
        with("chunkedx", "Transfer-Encoding: chunkedx||0||SMUGGLED", Refused),
        with("chunked in quotes", "Transfer-Encoding: \"chunked\"||0||SMUGGLED", Refused),
        with("no coding", "Transfer-Encoding: ||0||SMUGGLED", Refused),
        with("gzip", "Transfer-Encoding: gzip||0||SMUGGLED", Refused),
        with("chunked, gzip", "Transfer-Encoding: chunked, gzip||0||SMUGGLED", Refused),
        with("gzip, chunked", "Transfer-Encoding: gzip, chunked||3|abc|0||", Refused),
        with(
            "chunked, then identity in another line",
            "Transfer-Encoding: chunked|Transfer-Encoding: identity||0||SMUGGLED",
            Refused,
        ),
        with(
            "identity, then chunked in another line",
            "Transfer-Encoding: identity|Transfer-Encoding: chunked||3|abc|0||",
            Refused,
        ),
        with("chunked twice", "Transfer-Encoding: chunked, chunked||3|abc|0||", Refused),
        with(
            "chunked in two lines",
            "Transfer-Encoding: chunked|Transfer-Encoding: chunked||3|abc|0||",
            Refused,
        ),
        with("chunked behind a vertical tab", "Transfer-Encoding: \u{b}chunked||0||SMUGGLED", Refused),
        with("chunked behind a tab", "Transfer-Encoding: \tchunked||3|abc|0||", OneOrRefused("abc")),
        with("chunked before a blank", "Transfer-Encoding: chunked ||3|abc|0||", OneOrRefused("abc")),
        with("chunked with a parameter", "Transfer-Encoding: chunked;q=1||0||SMUGGLED", Refused),
        with(
            "an underscore in the name",
            "Transfer_Encoding: chunked|Content-Length: 3||abc",
            OneOrRefused("abc"),
        ),
    ]
}

#[tokio::test]
async fn a_body_with_two_lengths_is_no_body() {
    // threat-model H12
    none_confuses(both().into_iter().chain(lengths()).collect()).await;
}

#[tokio::test]
async fn a_coding_that_is_not_plainly_chunked_is_refused() {
    // threat-model H12
    none_confuses(codings()).await;
}
