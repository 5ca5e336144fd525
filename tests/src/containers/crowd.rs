//! People who are signed in and go on working, and what they notice.
//!
//! Why: a fault is judged by the people who were there. Each is somebody else, with cookies of their own, and looks at each
//! answer: is it meant for me, and am I still signed in?

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{Answer, Visitor};

use super::Deployment;

/// What a visit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Served, to the one who asked.
    Served,
    /// 503: something is down, try again; the session stays.
    Unavailable,
    /// There was no answer at all: the edge is down.
    NoAnswer,
    /// Asked to sign in, or its session's cookie was taken.
    SignedOut,
    /// Served as if it was somebody else.
    SomebodyElse,
    /// An answer that broke off.
    Broken,
    /// Any other status.
    Other(u16),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served => f.write_str("served"),
            Self::Unavailable => f.write_str("503"),
            Self::NoAnswer => f.write_str("no connection"),
            Self::SignedOut => f.write_str("signed out"),
            Self::SomebodyElse => f.write_str("somebody else"),
            Self::Broken => f.write_str("broken off"),
            Self::Other(status) => write!(f, "{status}"),
        }
    }
}

/// One visit.
#[derive(Clone, Debug)]
pub struct Visit {
    /// When it began.
    pub began: Instant,
    /// How long its answer took.
    pub took: Duration,
    /// Whose: his number among the people.
    pub who: usize,
    /// Where.
    pub host: &'static str,
    /// What it came to.
    pub outcome: Outcome,
    /// The answer, where that is not what one hopes for.
    pub detail: String,
}

/// Somebody who is signed in.
#[derive(Debug)]
pub struct Person {
    email: String,
    visitor: Visitor,
}

/// All of them, at work until they are told to stop.
#[derive(Debug)]
pub struct Crowd {
    visits: Arc<Mutex<Vec<Visit>>>,
    stop: watch::Sender<bool>,
    people: Vec<JoinHandle<Person>>,
}

const PASSWORD: &str = "a long enough password";
/// Between two visits of one person.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes `count` accounts, admins all of them, and signs each in.
///
/// # Panics
/// If one cannot sign in.
pub async fn sign_in(deployment: &Deployment, count: usize) -> Vec<Person> {
    let accounts = json!({ "count": count, "password": PASSWORD, "is_admin": true });
    deployment.tell_backend("/test/users", Some(&accounts)).await;
    let mut people = Vec::new();
    for number in 0..count {
        let (email, mut visitor) = (format!("storm-{number}@example.com"), deployment.visitor());
        let answer = visitor.sign_in(&email, PASSWORD).await;
        assert!(
            answer.status.is_redirection() && !answer.location().contains("error"),
            "{email}: {answer:?}"
        );
        people.push(Person { email, visitor });
    }
    people
}

impl Crowd {
    /// Sends them to work: each visits one host after the other; every other one only the apps, where nobody but their
    /// satellites renews the session.
    pub fn at_work(people: Vec<Person>) -> Self {
        let visits = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = watch::channel(false);
        let people = people
            .into_iter()
            .enumerate()
            .map(|(number, person)| tokio::spawn(work(person, number, Arc::clone(&visits), stopped.clone())));
        let people = people.collect();
        Self { visits, stop, people }
    }

    /// What happened since the last call.
    ///
    /// # Panics
    /// Never.
    pub fn since_last_asked(&self) -> Vec<Visit> {
        std::mem::take(&mut *self.visits.lock().unwrap())
    }

    /// Waits until nothing has been wrong for one life of an access token, and each has been served everywhere after that.
    /// Then each session was renewed since, so that whatever goes wrong later has another cause.
    ///
    /// # Panics
    /// If that takes more than a minute.
    pub async fn all_served(&self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_mins(1) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if self.served_since(began) {
                return;
            }
        }
        panic!("not all are served again: {}", tally(&self.since_last_asked()));
    }

    fn served_since(&self, began: Instant) -> bool {
        let visits = self.visits.lock().unwrap();
        let wrong = visits.iter().filter(|visit| visit.outcome != Outcome::Served);
        let last_wrong = wrong.map(|visit| visit.began + visit.took).max();
        let renewed = last_wrong.map_or(began, |last| last.max(began)) + super::ACCESS.1;
        // Whoever still waits for an answer has not been served: it will tell of what is wrong now.
        let served = |who: usize| {
            let theirs = |visit: &&Visit| visit.who == who && visit.began >= renewed;
            let hosts: BTreeSet<_> = visits.iter().filter(theirs).map(|visit| visit.host).collect();
            hosts.len() == hosts_of(who).len()
        };
        (0..self.people.len()).all(served)
    }

    /// Lets everybody come home.
    ///
    /// # Panics
    /// If one of them has failed.
    pub async fn stop(self) -> Vec<Person> {
        self.stop.send_replace(true);
        let mut home = Vec::new();
        for person in self.people {
            home.push(person.await.unwrap());
        }
        home
    }
}

/// How often what happened, and for how long the slowest answer was waited for.
pub fn tally(visits: &[Visit]) -> String {
    let mut counts = BTreeMap::new();
    for visit in visits {
        *counts.entry(visit.outcome).or_insert(0_u32) += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
    counts.join(", ")
}

/// Where this one goes.
fn hosts_of(who: usize) -> &'static [&'static str] {
    if who.is_multiple_of(2) { &super::HOSTS } else { &super::HOSTS[1..] }
}

async fn work(
    mut person: Person,
    number: usize,
    visits: Arc<Mutex<Vec<Visit>>>,
    stopped: watch::Receiver<bool>,
) -> Person {
    let hosts = hosts_of(number);
    for turn in number / 2.. {
        if *stopped.borrow() {
            break;
        }
        let host = hosts[turn % hosts.len()];
        let began = Instant::now();
        let (outcome, detail) = person.visit(host).await;
        visits.lock().unwrap().push(Visit {
            began,
            took: began.elapsed(),
            who: number,
            host,
            outcome,
            detail,
        });
        tokio::time::sleep(PAUSE).await;
    }
    person
}

impl Person {
    /// Visits one host, as a script of its page does.
    async fn visit(&mut self, host: &str) -> (Outcome, String) {
        let target = if host.starts_with("auth.") { "/api/auth/session" } else { "/" };
        let headers =
            [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
        match self.visitor.try_to_send(Method::GET, host, target, (&headers, Vec::new())).await {
            Err(error) => (Outcome::NoAnswer, format!("{error:?}")),
            Ok(answer) => match self.outcome(host, &answer) {
                Outcome::Served => (Outcome::Served, String::new()),
                other => (other, format!("{answer:?}")),
            },
        }
    }

    fn outcome(&self, host: &str, answer: &Answer) -> Outcome {
        let emptied = |line: &&str| line.contains("session-token") && line.contains("Max-Age=0");
        // A cookie that has grown shorter loses its last part, which is no sign-out.
        if answer.set_cookies().iter().any(emptied) && !self.is_signed_in() {
            return Outcome::SignedOut;
        }
        match answer.status.as_u16() {
            200 if !answer.whole => Outcome::Broken,
            200 if host.starts_with("auth.") => self.judge(session_of(answer)),
            200 => self.judge(header_of(answer, "remote-email")),
            503 => Outcome::Unavailable,
            401 | 302 | 303 | 307 => Outcome::SignedOut,
            status => Outcome::Other(status),
        }
    }

    fn judge(&self, email: Option<String>) -> Outcome {
        match email {
            None => Outcome::SignedOut,
            Some(email) if email == self.email => Outcome::Served,
            Some(_) => Outcome::SomebodyElse,
        }
    }

    /// Whether its browser has a session's cookie.
    pub fn is_signed_in(&self) -> bool {
        self.visitor.cookie_names().iter().any(|name| name.contains("session-token"))
    }
}

fn session_of(answer: &Answer) -> Option<String> {
    answer.json()["user"]["email"].as_str().map(ToOwned::to_owned)
}

/// What the app was told in this header, as it says in its answer.
fn header_of(answer: &Answer, wanted: &str) -> Option<String> {
    let seen = answer.json();
    let pair = seen["headers"]
        .as_array()?
        .iter()
        .find(|pair| pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case(wanted)))?;
    pair[1].as_str().filter(|value| !value.is_empty()).map(ToOwned::to_owned)
}
