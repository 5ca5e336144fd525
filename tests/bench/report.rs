//! The report: every number of several runs, and what people noticed while things broke.
//!
//! Why: one number of one run on one machine says little. Here stand the middle and the spread of several, the machine they
//! are from, and what failed, if anything did: a report that leaves out what it could not measure would be a lie.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use hallpass_tests::{folder::Folder, redis::Redis};

use crate::{
    gate,
    numbers::{Number, merge},
    say,
    site::Site,
    storm,
};

#[cfg(feature = "containers")]
mod faults;
mod machine;
mod plot;
mod storm_plot;
mod tables;
mod words;

/// The role of a process that measures once, for one of several runs.
pub(crate) const RUN: &str = "run";
const RUNS: usize = 5;
/// How long the backend takes for a refresh in the storm of the picture: long enough that all have come by then.
const TAKES: Duration = Duration::from_millis(250);

/// Whether there is a walk through the faults.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Faults {
    Walk,
    LeftOut,
}

/// Whether copies go to where the repository shows them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Copies {
    Written,
    None,
}

#[derive(Debug)]
struct Wanted {
    out: PathBuf,
    faults: Faults,
    copies: Copies,
}

/// What came out of the walk through the faults.
#[derive(Debug, Default)]
struct Walked {
    table: String,
    picture: Option<String>,
    /// What must not be.
    failures: Vec<String>,
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn wanted(arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let out = top().join("tests/output/report");
    let mut wanted = Wanted { out, faults: Faults::Walk, copies: Copies::None };
    for argument in arguments {
        match argument.as_str() {
            "--write" => wanted.copies = Copies::Written,
            "--without-containers" => wanted.faults = Faults::LeftOut,
            option if option.starts_with('-') => return Err(format!("{option} is unknown; {USAGE}")),
            folder => wanted.out = folder.into(),
        }
    }
    if wanted.copies == Copies::Written && wanted.faults == Faults::LeftOut {
        return Err("--write writes the table of faults, so it needs the containers".into());
    }
    Ok(wanted)
}

/// Measures everything and writes it down.
pub(crate) async fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let wanted = match wanted(arguments) {
        Ok(wanted) => wanted,
        Err(why) => return complain(&[why]),
    };
    let missing = missing(&wanted);
    if !missing.is_empty() {
        return complain(&missing);
    }
    std::fs::create_dir_all(&wanted.out).unwrap();
    let load = machine::load();
    let numbers = numbers().await;
    say("One storm, answer by answer");
    let storm = storm_plot::draw(&told().await, TAKES);
    let walked = match wanted.faults {
        Faults::Walk => walk().await,
        Faults::LeftOut => Walked { table: words::LEFT_OUT.into(), ..Walked::default() },
    };
    let mut failures: Vec<_> = numbers.iter().filter(|number| number.failed()).map(tables::failure).collect();
    failures.extend(walked.failures.iter().cloned());
    let machine = machine::description(&load);
    let report = text(&machine, &numbers, &walked, &failures);
    std::fs::write(wanted.out.join("report.md"), report).unwrap();
    std::fs::write(wanted.out.join("storm.svg"), &storm).unwrap();
    if let Some(picture) = &walked.picture {
        std::fs::write(wanted.out.join("rolling-restart.svg"), picture).unwrap();
    }
    say(&format!("{}", wanted.out.join("report.md").display()));
    if !failures.is_empty() {
        return complain(&failures);
    }
    if wanted.copies == Copies::Written {
        copy(&storm, &walked);
    }
    ExitCode::SUCCESS
}

/// Puts the table of faults and the pictures where the repository shows them.
fn copy(storm: &str, walked: &Walked) {
    let images = top().join("manual/images");
    std::fs::write(images.join("storm.svg"), storm).unwrap();
    std::fs::write(images.join("rolling-restart.svg"), walked.picture.as_deref().unwrap()).unwrap();
    let faults = format!("# {}\n\n{}\n\n{}", words::FAULTS, words::faults(&machine::short()), walked.table);
    std::fs::write(top().join("deploy/faults.md"), faults).unwrap();
    say("deploy/faults.md, manual/images/storm.svg, manual/images/rolling-restart.svg");
}

fn complain(reasons: &[String]) -> ExitCode {
    for reason in reasons {
        eprintln!("report: {reason}");
    }
    ExitCode::FAILURE
}

/// What has to be installed before anything is measured.
fn missing(wanted: &Wanted) -> Vec<String> {
    let programs = [("redis-server", "redis-server"), ("nginx", "nginx"), ("wrk", "wrk")];
    let mut missing: Vec<_> = programs
        .iter()
        .filter(|(program, _)| !crate::which(program))
        .map(|(program, package)| format!("there is no {program}: apt-get install {package}"))
        .collect();
    if wanted.faults == Faults::Walk {
        if cfg!(not(feature = "containers")) {
            missing.push("this was built without the feature `containers`; build with --all-features, or leave the faults out: --without-containers".into());
        } else if !machine::succeeds("docker", &["info"]) {
            missing.push("no Docker engine answers: start it, or look at `docker info`; or leave the faults out: --without-containers".into());
        }
    }
    missing
}

/// All parts but the faults; those in this process again and again in processes of their own, so that no run finds memory
/// or connections of one before.
async fn numbers() -> Vec<Number> {
    let folder = Folder::new("bench-report");
    let mut numbers = Vec::new();
    for run in 1..=RUNS {
        say(&format!("Storms, renewals, sign-ins, checks, memory: run {run} of {RUNS}"));
        let file = folder.path().join(format!("{run}.json"));
        let mut measure = Command::new(std::env::current_exe().unwrap());
        measure.env(gate::ROLE, RUN).arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(measure.status().unwrap().success(), "run {run} has failed");
        let text = std::fs::read(&file).unwrap();
        merge(&mut numbers, serde_json::from_slice(&text).unwrap());
    }
    say("Beside others");
    numbers.extend(gate::measure(RUNS).await);
    numbers
}

/// Keeps the numbers of one run for the process that has started this one.
pub(crate) fn keep(file: impl AsRef<Path>, numbers: &[Number]) {
    std::fs::write(file, serde_json::to_vec(numbers).unwrap()).unwrap();
}

async fn told() -> storm::Story {
    let redis = Redis::start().await;
    storm::story(&Site::before(&redis.url(), TAKES).await, 10_000).await
}

#[cfg(feature = "containers")]
async fn walk() -> Walked {
    faults::walk().await
}

#[cfg(not(feature = "containers"))]
async fn walk() -> Walked {
    std::future::ready(Walked::default()).await
}

fn text(machine: &str, numbers: &[Number], walked: &Walked, failures: &[String]) -> String {
    let mut text = format!("# Report\n\n{machine}\n## Failures\n\n");
    if failures.is_empty() {
        text += "None: each request of each run was answered as it should be.\n";
    }
    for failure in failures {
        writeln!(text, "- {failure}").unwrap();
    }
    write!(text, "\n## Numbers\n\n{}\n", words::NUMBERS).unwrap();
    text += &tables::of_numbers(numbers);
    write!(text, "\n## {}\n\n{}\n", words::STORM, words::storm(TAKES)).unwrap();
    let faults = match walked.table.as_str() {
        words::LEFT_OUT => String::new(),
        _ => words::faults(&machine::short()) + "\n\n",
    };
    write!(text, "\n## {}\n\n{faults}{}\n", words::FAULTS, walked.table).unwrap();
    if walked.picture.is_some() {
        writeln!(text, "{}", words::RESTART).unwrap();
    }
    write!(text, "\n## What these numbers do not say\n\n{}\n", words::LIMITS).unwrap();
    text
}

const USAGE: &str = "bench report [FOLDER] [--write] [--without-containers]";
