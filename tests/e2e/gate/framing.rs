//! Where one request ends and the next begins: bytes on which two readers could disagree.
//!
//! Each case is sent to the proxy as it stands. What the app sees is as many requests as were judged, and no byte that was
//! a body for one reader is a request for another.

use std::time::Duration;

use hallpass_tests::raw::{Connection, Next, RawAnswer, Seen, latin1};

use super::{HOST, Site, none_failed};

mod ambiguous;
mod chunks;
mod lines;

/// What may become of a case.
#[derive(Clone, Debug)]
enum Expected {
    /// It is refused, the connection is closed, and the app hears nothing.
    Refused,
    /// It is one request with this body, or refused.
    OneOrRefused(&'static str),
    /// It is one request with this body.
    One(&'static str),
    /// The app hears at most the beginning of one request, which breaks off.
    Broken,
}

struct Case {
    name: &'static str,
    bytes: String,
    expected: Expected,
}

/// A request that nobody sends by itself, and that nobody may see.
const SMUGGLED: &str = "GET /admin/smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n";

/// Lines are parted by `|`; `SMUGGLED` is a whole request, `LENGTH` the number of its bytes.
fn case(name: &'static str, text: &str, expected: Expected) -> Case {
    let bytes = text
        .replace('|', "\r\n")
        .replace("HOST", HOST)
        .replace("SMUGGLED", SMUGGLED)
        .replace("LENGTH", &SMUGGLED.len().to_string());
    Case { name, bytes, expected }
}

/// What came of a case.
struct Outcome {
    answers: Vec<RawAnswer>,
    closed: bool,
    seen: Vec<Seen>,
}

impl Case {
    async fn outcome(&self, site: &Site) -> Outcome {
        let mut connection = site.connect().await;
        connection.send(latin1(&self.bytes)).await;
        let (answers, closed) = all(&mut connection).await;
        drop(connection);
        site.all_is_in_order(self.name).await;
        let mut seen = site.app.take();
        // The last is the one that asked whether all is in order.
        let last = seen.pop();
        assert_eq!(
            last.map(|last| last.target().to_owned()).as_deref(),
            Some("/public/fence"),
            "{}",
            self.name
        );
        Outcome { answers, closed, seen }
    }

    /// What is wrong, if anything is.
    async fn problem(&self, site: &Site) -> Option<String> {
        let outcome = self.outcome(site).await;
        let Outcome { answers, closed, seen } = &outcome;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let smuggled = seen.iter().any(|seen| seen.first.contains("smuggled"));
        let refused = seen.is_empty() && *closed && matches!(statuses[..], [] | [400..=431 | 501 | 505]);
        let one = |body: &str| {
            matches!(&seen[..], [seen] if seen.whole && seen.body == body.as_bytes())
                && statuses.first() == Some(&200)
        };
        let fine = !smuggled
            && match &self.expected {
                Expected::Refused => refused,
                Expected::OneOrRefused(body) => refused || one(body),
                Expected::One(body) => one(body),
                Expected::Broken => {
                    let told = matches!(statuses[..], [] | [400..=431]);
                    seen.len() <= 1 && seen.iter().all(|seen| !seen.whole) && *closed && told
                }
            };
        (!fine).then(|| {
            format!(
                "{}: answers {statuses:?}, closed: {closed}, instead of {:?}; the app saw {seen:?}",
                self.name, self.expected
            )
        })
    }
}

/// All answers there are, and whether the connection ended.
async fn all(connection: &mut Connection) -> (Vec<RawAnswer>, bool) {
    let mut answers = Vec::new();
    loop {
        // A machine may be slow with the first; the others would come at once.
        let patience = if answers.is_empty() { Duration::from_secs(5) } else { Duration::from_millis(400) };
        match connection.next(patience).await {
            Next::Answer(answer) => answers.push(answer),
            Next::End => return (answers, true),
            Next::Silence => return (answers, false),
        }
    }
}

async fn none_confuses(cases: Vec<Case>) {
    let site = Site::start().await;
    let mut failures = Vec::new();
    for case in cases {
        failures.extend(case.problem(&site).await);
    }
    none_failed(&failures);
}
