//! The walk through the faults, as a table and a picture.
//!
//! Why: the tests judge the same walk; here stands how much was noticed, and for how long.

use std::{collections::BTreeMap, fmt::Write as _, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use hallpass_tests::containers::{
    Deployment, Plan,
    crowd::{Crowd, Outcome, Person, sign_in, tally},
    faults::{Fault, Walk},
    steps::{STEPS, Step, small_disk, two_auth_servers},
};

use super::Walked;
use crate::say;

mod plot;
mod watch;

use plot::Restart;

const TWO: Plan = two_auth_servers(("hallpass-report", 7));
const DISK: Plan = small_disk(("hallpass-report-disk", 8));
const PEOPLE: usize = 20;
/// How long before a rolling restart its picture begins, and what the walk waits for after that.
const BEFORE: Duration = Duration::from_secs(3);

/// What was seen so far; a walk that breaks off leaves what it has.
#[derive(Debug, Default)]
struct Seen {
    faults: Vec<Fault>,
    picture: Option<String>,
    /// What must not be.
    failures: Vec<String>,
}

pub(crate) async fn walk() -> Walked {
    let mut seen = Seen::default();
    let walk = AssertUnwindSafe(through(&mut seen)).catch_unwind().await;
    if let Err(why) = walk {
        let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
        seen.failures.push(format!("the walk through the faults broke off: {why}"));
    }
    Walked { table: table(&seen.faults), picture: seen.picture, failures: seen.failures }
}

impl Seen {
    fn add(&mut self, step: Step, fault: Fault) {
        self.failures.extend(step.judge(&fault));
        say(&format!("  {}: {}; slowest {:.1?}", fault.what, tally(&fault.visits), fault.slowest()));
        self.faults.push(fault);
    }

    fn come_home(&mut self, people: Vec<Person>) {
        let signed_in = people.into_iter().filter(Person::is_signed_in).count();
        let missing = PEOPLE - signed_in;
        let problem =
            || format!("at the end of the walk {missing} of {PEOPLE} people are not signed in any more");
        self.failures.extend((missing > 0).then(problem));
    }
}

async fn through(seen: &mut Seen) {
    say("Faults: images and containers");
    for (plan, steps) in [(TWO, &STEPS[..]), (DISK, &[Step::FullDisk])] {
        let deployment = Deployment::start(plan).await;
        let people = sign_in(&deployment, PEOPLE).await;
        let walk = Walk { deployment: &deployment, crowd: Crowd::at_work(people) };
        for step in steps {
            match step {
                Step::RollingRestart => rolling_restart(&walk, seen).await,
                _ => seen.add(*step, walk.take(*step).await),
            }
        }
        seen.come_home(walk.crowd.stop().await);
    }
}

async fn rolling_restart(walk: &Walk<'_>, seen: &mut Seen) {
    let before = walk.calm(BEFORE).await;
    let watch = watch::Watch::start(TWO.name.0);
    let fault = walk.take(Step::RollingRestart).await;
    let restarts = watch.restarts(fault.began);
    let visits: Vec<_> = before.visits.iter().chain(&fault.visits).collect();
    seen.picture = Some(plot::draw(&visits, &restarts, fault.began));
    seen.add(Step::RollingRestart, fault);
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
