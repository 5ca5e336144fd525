//! Lines of a head that two readers could end in two places, and first lines of all sorts.
//!
//! Why: a header that only the next one in line sees is one that nobody checked (RFC 9112 sections 2.2, 3.2 and 5.1).

use super::{Case, Expected, case, none_confuses};

fn ends() -> Vec<Case> {
    use Expected::{OneOrRefused, Refused};
    let head = "POST /public/x HTTP/1.1|Host: HOST|";
    let with = |name, rest: &str, expected| case(name, &format!("{head}{rest}"), expected);
    vec![
        with("a blank before the colon", "Content-Length : LENGTH||SMUGGLED", Refused),
        with("a tab before the colon", "Transfer-Encoding\t: chunked||0||SMUGGLED", Refused),
        with("a blank before the name", " Content-Length: LENGTH||SMUGGLED", Refused),
        with("a folded coding", "Transfer-Encoding:| chunked||0||SMUGGLED", Refused),
        with("a folded length", "Content-Length:| LENGTH||SMUGGLED", Refused),
        with("a folded note", "X-Note: a| Content-Length: LENGTH|Content-Length: 0||", Refused),
        with("a line without a colon", "Content-Length LENGTH||SMUGGLED", Refused),
        with("a line without a name", ": x|Content-Length: 3||abc", Refused),
        with("NUL in a value", "X-Note: a\0b|Content-Length: 3||abc", Refused),
        with("NUL in a name", "X-No\0te: a|Content-Length: 3||abc", Refused),
        with("NUL before the coding", "Transfer-Encoding: \0chunked||0||SMUGGLED", Refused),
        with(
            "a bare CR in a value",
            "X-Note: a\rContent-Length: LENGTH|Content-Length: 0||SMUGGLED",
            Refused,
        ),
        with("a bare CR in a name", "X\rNote: a|Content-Length: 3||abc", Refused),
        with("a bare CR as an end", "X-Note: a\r\rSMUGGLED", Refused),
        with("DEL in a value", "X-Note: a\x7fb|Content-Length: 3||abc", OneOrRefused("abc")),
        with("a byte beyond ASCII in a name", "X-N\u{f6}te: a|Content-Length: 3||abc", Refused),
        with("a name in brackets", "X[0]: a|Content-Length: 3||abc", Refused),
        with("a length after a bare LF", "X-Note: a\nContent-Length: 3||abc", OneOrRefused("abc")),
        with("a head that ends with bare LFs", "Content-Length: 3\n\nabc", OneOrRefused("abc")),
        case(
            "nothing but bare LFs",
            "POST /public/x HTTP/1.1\nHost: HOST\nContent-Length: 3\n\nabc",
            OneOrRefused("abc"),
        ),
    ]
}

fn hosts() -> Vec<Case> {
    use Expected::{One, Refused};
    vec![
        case("two hosts", "GET /public/x HTTP/1.1|Host: HOST|Host: evil.com|Connection: close||", Refused),
        case(
            "two hosts, the other way",
            "GET /public/x HTTP/1.1|Host: evil.com|Host: HOST|Connection: close||",
            Refused,
        ),
        case(
            "the same host twice",
            "GET /public/x HTTP/1.1|Host: HOST|Host: HOST|Connection: close||",
            Refused,
        ),
        case("no host", "GET /public/x HTTP/1.1|Connection: close||", Refused),
        case("no host in HTTP/1.0", "GET /public/x HTTP/1.0||", Refused),
        case("another host", "GET /public/x HTTP/1.1|Host: evil.com|Connection: close||", Refused),
        case(
            "a host with a comma",
            "GET /public/x HTTP/1.1|Host: HOST, evil.com|Connection: close||",
            Refused,
        ),
        case(
            "a whole address with another host",
            "GET http://HOST/public/x HTTP/1.1|Host: evil.com|Connection: close||",
            Refused,
        ),
        case(
            "a whole address of another site",
            "GET http://evil.com/public/x HTTP/1.1|Host: evil.com|Connection: close||",
            Refused,
        ),
        case(
            "a whole address of another site, our host",
            "GET http://evil.com/public/x HTTP/1.1|Host: HOST|Connection: close||",
            Refused,
        ),
        case(
            "a whole address with a user",
            "GET http://HOST@evil.com/public/x HTTP/1.1|Host: HOST|Connection: close||",
            Refused,
        ),
        case(
            "another with a user",
            "GET http://evil.com@HOST/public/x HTTP/1.1|Host: HOST|Connection: close||",
            Refused,
        ),
        case("a whole address of ours", "GET http://HOST/public/x HTTP/1.1|Host: HOST||", One("")),
        case(
            "a whole address in capitals",
            "GET HTTP://APP.EXAMPLE.COM/public/x HTTP/1.1|Host: HOST||",
            One(""),
        ),
    ]
}

fn first_lines() -> Vec<Case> {
    use Expected::{One, OneOrRefused, Refused};
    let with = |name, first: &str, expected| {
        case(name, &format!("{first}|Host: HOST|Connection: close||"), expected)
    };
    vec![
        with("CONNECT", "CONNECT app.example.com:443 HTTP/1.1", Refused),
        with("CONNECT of a path", "CONNECT /public/x HTTP/1.1", Refused),
        with("TRACE", "TRACE /public/x HTTP/1.1", Refused),
        with("OPTIONS of the server", "OPTIONS * HTTP/1.1", Refused),
        with("GET of the server", "GET * HTTP/1.1", Refused),
        with("no path", "GET HTTP/1.1", Refused),
        with("a path without a slash", "GET public/x HTTP/1.1", Refused),
        with("a second version", "GET /public/x HTTP/1.1 HTTP/1.1", Refused),
        with("a blank in the path", "GET /public/x y HTTP/1.1", Refused),
        with("a tab in the path", "GET /public/x\ty HTTP/1.1", Refused),
        with("NUL in the path", "GET /public/\0 HTTP/1.1", Refused),
        with("a byte beyond ASCII in the path", "GET /public/\u{e9} HTTP/1.1", Refused),
        with("two blanks", "GET  /public/x HTTP/1.1", OneOrRefused("")),
        with("a method with a blank before it", " GET /public/x HTTP/1.1", Refused),
        with("HTTP/1.2", "GET /public/x HTTP/1.2", Refused),
        with("HTTP/3.0", "GET /public/x HTTP/3.0", Refused),
        with("http/1.1", "GET /public/x http/1.1", Refused),
        with("HTTP/01.1", "GET /public/x HTTP/01.1", Refused),
        with("no version", "GET /public/x", Refused),
        with("an empty line before", "|GET /public/x HTTP/1.1", OneOrRefused("")),
        with("a method of one's own", "FROB /public/x HTTP/1.1", One("")),
        case("HTTP/1.0", "GET /public/x HTTP/1.0|Host: HOST||", One("")),
        case("HTTP/1.0 that stays", "GET /public/x HTTP/1.0|Host: HOST|Connection: keep-alive||", One("")),
        case(
            "HTTP/1.0 with chunks",
            "POST /public/x HTTP/1.0|Host: HOST|Transfer-Encoding: chunked||0||SMUGGLED",
            Refused,
        ),
        case("HTTP/0.9", "GET /public/x|", Refused),
        case(
            "a switch to HTTP/2",
            "GET /public/x HTTP/1.1|Host: HOST|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAAP__||",
            One(""),
        ),
        case(
            "a switch to HTTP/2 with a body",
            "POST /public/x HTTP/1.1|Host: HOST|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAAP__|Content-Length: 3||abc",
            One("abc"),
        ),
        case(
            "a switch to TLS",
            "GET /public/x HTTP/1.1|Host: HOST|Connection: Upgrade|Upgrade: TLS/1.2||",
            One(""),
        ),
    ]
}

#[tokio::test]
async fn a_line_ends_where_it_ends_for_everybody() {
    // threat-model H12
    none_confuses(ends()).await;
}

#[tokio::test]
async fn one_host_is_named_once() {
    // threat-model H13
    none_confuses(hosts()).await;
}

#[tokio::test]
async fn a_first_line_is_a_method_a_path_and_a_version() {
    // threat-model H12, P2
    none_confuses(first_lines()).await;
}
