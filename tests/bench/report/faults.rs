//! The walk through the faults, as a table and a picture.
//!
//! Why: the tests judge the same walk; here stands how much was noticed, and for how long.

use std::{collections::BTreeMap, fmt::Write as _, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use hallpass_tests::containers::{
    Deployment, Plan,
    crowd::{Crowd, Outcome, Person, sign_in, tally},
    faults::{ALL, Fault, Walk, Which},
};

use super::Walked;
use crate::say;

mod plot;
mod watch;

use plot::Restart;

/// Two auth servers over Redis, and access tokens that live for seconds: renewals all the time.
const TWO: Plan = Plan {
    name: ("hallpass-report", 7),
    auth_servers: 2,
    changes: &[],
    variables: &[("ACCESS_SECONDS", "12")],
};
/// One auth server, whose store is a file on a small disk.
const DISK: Plan = Plan { name: ("hallpass-report-disk", 8), auth_servers: 1, changes: &["disk"], ..TWO };
const PEOPLE: usize = 20;
/// How long before a rolling restart its picture begins.
const BEFORE: Duration = Duration::from_secs(3);

/// What was seen so far; a walk that breaks off leaves what it has.
#[derive(Debug, Default)]
struct Seen {
    faults: Vec<Fault>,
    picture: Option<String>,
    /// How many were signed in at the end, where it was not all.
    missing: Vec<usize>,
}

pub(crate) async fn walk() -> Walked {
    let mut seen = Seen::default();
    let walk = AssertUnwindSafe(through(&mut seen)).catch_unwind().await;
    let mut failures = failures(&seen);
    if let Err(why) = walk {
        let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
        failures.push(format!("the walk through the faults broke off: {why}"));
    }
    Walked { table: table(&seen.faults), picture: seen.picture, failures }
}

impl Seen {
    fn add(&mut self, fault: Fault) {
        say(&format!("  {}: {}; slowest {:.1?}", fault.what, tally(&fault.visits), fault.slowest()));
        self.faults.push(fault);
    }

    fn come_home(&mut self, people: Vec<Person>) {
        let signed_in = people.into_iter().filter(Person::is_signed_in).count();
        self.missing.extend((signed_in != PEOPLE).then_some(PEOPLE - signed_in));
    }
}

async fn through(seen: &mut Seen) {
    say("Faults: images and containers");
    let deployment = Deployment::start(TWO).await;
    let people = sign_in(&deployment, PEOPLE).await;
    let walk = Walk { deployment: &deployment, crowd: Crowd::at_work(people) };
    seen.add(walk.calm(Duration::from_secs(15)).await);
    seen.add(walk.kill("auth-server", Which::First).await);
    for service in
        ["redis", "auth-server", "backend", "app-satellite", "app", "admin-satellite", "admin", "edge"]
    {
        seen.add(walk.kill(service, Which::Every).await);
    }
    seen.add(walk.cut("renewal", &["app-satellite", "admin-satellite"]).await);
    seen.add(walk.cut("store", &["redis"]).await);
    seen.add(walk.cut("backend", &["backend"]).await);
    rolling_restart(&walk, seen).await;
    seen.add(walk.rotation("another-secret-of-more-than-32-characters").await);
    for seconds in [120, -120] {
        seen.add(walk.skew(seconds).await);
    }
    seen.come_home(walk.crowd.stop().await);
    drop(deployment);
    full_disk(seen).await;
}

async fn full_disk(seen: &mut Seen) {
    let deployment = Deployment::start(DISK).await;
    let people = sign_in(&deployment, PEOPLE).await;
    let walk = Walk { deployment: &deployment, crowd: Crowd::at_work(people) };
    seen.add(walk.full_disk("store").await);
    seen.come_home(walk.crowd.stop().await);
}

async fn rolling_restart(walk: &Walk<'_>, seen: &mut Seen) {
    let before = walk.calm(BEFORE).await;
    let watch = watch::Watch::start(TWO.name.0);
    let fault = walk.rolling_restart(&ALL).await;
    let restarts = watch.restarts(fault.began);
    let visits: Vec<_> = before.visits.iter().chain(&fault.visits).collect();
    seen.picture = Some(plot::draw(&visits, &restarts, fault.began));
    seen.add(fault);
}

/// What must never be.
fn failures(seen: &Seen) -> Vec<String> {
    let mut failures = Vec::new();
    for fault in &seen.faults {
        for outcome in [Outcome::SignedOut, Outcome::SomebodyElse] {
            // Not the answer itself: it has the cookie of somebody.
            let count = fault.count("", outcome);
            failures.extend((count > 0).then(|| format!("{}: {outcome}, {count} times", fault.what)));
        }
    }
    for missing in &seen.missing {
        failures
            .push(format!("at the end of the walk {missing} of {PEOPLE} people are not signed in any more"));
    }
    failures
}

fn table(faults: &[Fault]) -> String {
    let mut table = "| what went wrong | lasted | requests | served | 503 | no connection | signed out | wrong identity | other \
                     | slowest | all served after |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for fault in faults {
        let counts = [
            Outcome::Served,
            Outcome::Unavailable,
            Outcome::NoAnswer,
            Outcome::SignedOut,
            Outcome::SomebodyElse,
        ]
        .map(|outcome| fault.count("", outcome).to_string())
        .join(" | ");
        let (lasted, healed) = fault.lasted;
        let healed = if healed.is_zero() { "–".to_owned() } else { seconds(healed) };
        let (what, all, other) = (&fault.what, fault.visits.len(), other(fault));
        let (lasted, slowest) = (seconds(lasted), seconds(fault.slowest()));
        writeln!(table, "| {what} | {lasted} | {all} | {counts} | {other} | {slowest} | {healed} |").unwrap();
    }
    table
}

/// What has no column of its own, such as `12 × 502`.
fn other(fault: &Fault) -> String {
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    for visit in &fault.visits {
        if matches!(visit.outcome, Outcome::Other(_) | Outcome::Broken) {
            *counts.entry(visit.outcome).or_default() += 1;
        }
    }
    let counts: Vec<_> = counts.iter().map(|(outcome, count)| format!("{count} × {outcome}")).collect();
    if counts.is_empty() { "0".to_owned() } else { counts.join(", ") }
}

fn seconds(time: Duration) -> String {
    let digits = if time < Duration::from_millis(950) { 2 } else { 1 };
    format!("{:.digits$} s", time.as_secs_f64())
}
