//! `header-spoofing.json`: who a client says it is, in every spelling, and what the app hears of it.

use hallpass_shared::dialect::Dialect;
use hallpass_tests::raw::{
    Connection, Lines, RawAnswer, Seen, fold, head,
    http2::{self, Outcome},
    latin1,
};

use super::{CLIENT, EDGE, Edge, HOST, Site, alice, none_failed, overridden, with_host};

mod cases;

pub(super) use cases::{Case, Expect, File, Mode, Names, Request};

/// Where our verdict is another one: the status, and why.
const DIFFERENT: [(&str, u16, &str); 1] =
    [("hs-39", 403, "an identity in a check is refused before anybody looks for a session")];

impl Case {
    fn claims(&self) -> Option<hallpass_shared::token::Claims> {
        match self.session.as_str() {
            "none" => None,
            "alice" | "alice_admin_name_crlf" => Some(overridden(alice(), &self.expect.claim_overrides)),
            other => panic!("{}: whose session is {other}?", self.id),
        }
    }

    /// The client's lines; the session is in the one `Cookie` line.
    pub(super) fn lines(&self, site: &Site) -> Lines {
        let mut lines = self.request.headers.clone();
        let Some(session) = self.claims().map(|claims| site.cookie(&claims)) else { return lines };
        match lines.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
            Some((_, own)) => *own = format!("{own}; {session}"),
            None => lines.push(("Cookie".into(), session)),
        }
        lines
    }

    fn bytes(&self, site: &Site) -> Vec<u8> {
        let Request { method, target, http, headers, trailers } = &self.request;
        let lines = self.lines(site);
        let mut bytes = latin1(&head(&format!("{method} {target} HTTP/{http}"), with_host(&lines)));
        if headers.iter().any(|(name, _)| name == "Transfer-Encoding") {
            let trailers: Vec<_> =
                trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let trailers = trailers.concat();
            bytes.extend(latin1(&format!("3\r\nabc\r\n0\r\n{trailers}\r\n")));
        } else if headers.iter().any(|(name, _)| name == "Content-Length") {
            bytes.extend(b"abcde");
        }
        bytes
    }

    async fn over_http2(&self, site: &Site) -> Option<u16> {
        let lines = self.lines(site);
        let lower: Vec<_> = lines.iter().map(|(name, value)| (name.to_lowercase(), value.as_str())).collect();
        let own = [
            (":method", self.request.method.as_str()),
            (":scheme", "https"),
            (":authority", HOST),
            (":path", self.request.target.as_str()),
        ];
        let fields: Vec<_> =
            own.into_iter().chain(lower.iter().map(|(name, value)| (name.as_str(), *value))).collect();
        match http2::ask(site.gate.port, CLIENT, &fields).await {
            Outcome::Answered(status) => Some(status),
            Outcome::Refused => None,
        }
    }

    /// What is wrong with the proxy, if anything is.
    async fn at_the_proxy(&self, site: &Site) -> Result<(), String> {
        let expect = &self.expect;
        let (status, closed) = if self.request.http == "2" {
            (self.over_http2(site).await, true)
        } else {
            let mut connection = site.connect().await;
            connection.send(self.bytes(site)).await;
            let status = connection.answer().await.map(|answer| answer.status);
            (status, !expect.connection_closed || connection.is_closed().await)
        };
        let seen = site.app.take();
        let passes = matches!(status, Some(200 | 101)) && seen.len() == 1;
        let refused = seen.is_empty() && status.is_none_or(|status| (300..500).contains(&status));
        let fine = match (expect.reject, expect.reject_ok) {
            (true, _) => refused,
            (false, true) => passes || refused,
            (false, false) => passes,
        };
        let fine = fine
            && (passes
                || expect.status_any_of.is_empty()
                || status.is_some_and(|status| expect.status_any_of.contains(&status)));
        match seen.first() {
            _ if !fine => Err(format!("{status:?}, and the app saw {seen:?}")),
            _ if !closed => Err("the connection stayed open".into()),
            Some(seen) => expect.at_the_app(seen, site),
            None => Ok(()),
        }
    }

    /// What is wrong with an edge's check, if anything is.
    async fn at_an_edge(&self, site: &Site, edge: Edge) -> Result<(), String> {
        let check = edge.check(&self.request.method, &self.request.target, &self.lines(site));
        let mut connection = Connection::open(site.edges, EDGE).await;
        connection.send(latin1(&check)).await;
        let answer = connection.answer().await.ok_or("no answer")?;
        let expect = &self.expect;
        if answer.status != expect.auth_response_status.unwrap_or(0) {
            let refused = (300..500).contains(&answer.status) && (expect.reject || expect.reject_ok);
            let different = DIFFERENT.iter().find(|(id, ..)| *id == self.id);
            let listed = match different {
                Some((_, status, _)) => *status == answer.status && !expect.status_any_of.contains(status),
                None => expect.status_any_of.is_empty() || expect.status_any_of.contains(&answer.status),
            };
            return if refused && listed { Ok(()) } else { Err(format!("{edge:?}: {answer:?}")) };
        }
        exactly(&expect.auth_response_exactly, &answer).map_err(|problem| format!("{edge:?}: {problem}"))
    }
}

fn exactly(wanted: &Lines, answer: &RawAnswer) -> Result<(), String> {
    for (name, value) in wanted {
        let told: Vec<_> = answer.headers.iter().filter(|(known, _)| fold(known) == fold(name)).collect();
        if !matches!(told[..], [(_, only)] if only == value) {
            return Err(format!("{name} is {told:?} instead of {value:?}"));
        }
    }
    Ok(())
}

impl Expect {
    pub(super) fn at_the_app(&self, seen: &Seen, site: &Site) -> Result<(), String> {
        for (name, value) in &self.upstream_exactly {
            if seen.folded(name) != [value] {
                return Err(format!("{name} is {:?} instead of {value:?}", seen.folded(name)));
            }
        }
        for name in &self.upstream_absent {
            if !seen.folded(name).is_empty() {
                return Err(format!("{name} is {:?}", seen.folded(name)));
            }
        }
        for (name, value) in &self.upstream_values_absent {
            if seen.folded(name).contains(&value.as_str()) {
                return Err(format!("{name} is {value}"));
            }
        }
        let all = seen.folded("cookie").concat();
        if self.upstream_no_session_cookie && all.contains(&site.policy.name) {
            return Err(format!("the app has the session: {all}"));
        }
        Ok(())
    }
}

async fn all_cases(names: Names) {
    let site = Site::with(Dialect::NEXT_AUTH_V4, names.settings()).await;
    let mut failures = Vec::new();
    for case in names.file().cases {
        let said = match case.mode {
            Mode::ReverseProxy => vec![case.at_the_proxy(&site).await],
            Mode::ForwardAuth => {
                let mut said = Vec::new();
                for edge in Edge::ALL {
                    said.push(case.at_an_edge(&site, edge).await);
                }
                said
            }
            Mode::Middleware => continue,
        };
        let failed = said.into_iter().filter_map(Result::err);
        failures.extend(failed.map(|problem| format!("{} ({}): {problem}", case.id, case.why)));
    }
    none_failed(&failures);
}

#[tokio::test]
async fn nobody_is_whom_they_say_they_are() {
    // threat-model H1 to H7, H9 to H14, B6, C10
    all_cases(Names::Own).await;
}

#[tokio::test]
async fn nobody_is_whom_they_say_they_are_by_the_names_of_the_defaults() {
    // threat-model H1 to H7, H9 to H14, B6, C10
    all_cases(Names::Default).await;
}

#[tokio::test]
async fn http_2_is_as_good_as_http_1() {
    // threat-model H1, H12: what the case of a header of the connection is compared with.
    let site = Site::start().await;
    let cookie = site.cookie(&alice());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", "/page"),
        ("cookie", &cookie),
    ];
    assert_eq!(http2::ask(site.gate.port, CLIENT, &fields).await, Outcome::Answered(200));
    let seen = site.app.take();
    assert_eq!(seen[0].values("x-auth-user"), ["42"], "{seen:?}");
}
