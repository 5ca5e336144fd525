//! What it costs: storms, refreshes, sign-ins, revocations, memory; forward-auth and the proxy beside others.
//!
//! Why: speed is a promise, so it is measured, on the machine in question, and never asserted by a test that a busy
//! machine would fail. `cargo run --release -p hallpass-tests --bin bench`. The backend is a stub that answers at once;
//! client, servers and stub share the processor, so the numbers are floors. `… bench gate` measures the last part alone.
//! `… bench report` measures all of it several times, walks through the faults and writes down what came out; `tests/report`
//! builds and installs what that needs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::future_not_send,
    reason = "a broken measurement ends"
)]

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use hallpass_tests::redis::Redis;

mod gate;
mod memory;
mod numbers;
mod report;
mod site;
mod storm;

use numbers::Number;
use site::Site;

/// As the programs have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many requests each part sends.
struct Sizes {
    storm: usize,
    refreshes: usize,
    sign_ins: usize,
    checks: usize,
}

const ONCE: Sizes = Sizes { storm: 10_000, refreshes: 20_000, sign_ins: 20_000, checks: 200_000 };
/// For one of several runs.
const OFTEN: Sizes = Sizes { storm: 10_000, refreshes: 8_000, sign_ins: 8_000, checks: 100_000 };

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

fn main() -> ExitCode {
    let role = gate::role();
    if let Some(role) = role.as_deref().filter(|role| *role != report::RUN) {
        return gate::play(role);
    }
    let mut arguments = std::env::args().skip(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match (role, arguments.next().as_deref()) {
            (Some(_), file) => report::keep(file.unwrap(), &all(&OFTEN).await),
            (None, Some("report")) => return report::run(arguments).await,
            (None, Some("gate")) => drop(gate::measure(1).await),
            (None, _) => {
                all(&ONCE).await;
                gate::measure(1).await;
            }
        }
        ExitCode::SUCCESS
    })
}

async fn all(sizes: &Sizes) -> Vec<Number> {
    let folder = hallpass_tests::folder::Folder::new("bench");
    let file = format!("file:{}/bench.redb", folder.path().display());
    let redis = if which("redis-server") { Some(Redis::start().await) } else { None };
    let mut stores = vec![("memory", "memory:".to_owned()), ("file", file)];
    match &redis {
        Some(redis) => stores.push(("redis", redis.url())),
        None => say("redis-server is not installed: nothing is measured over Redis"),
    }

    let mut numbers = Vec::new();
    say("A storm: requests with one expired access token, all at once, at a satellite");
    for (name, url) in &stores {
        numbers.extend(storm::measure(name, &Site::start(url).await, sizes.storm).await);
    }
    say("\nRefreshes through one auth server, each of another session, 64 at a time");
    for (name, url) in &stores {
        let site = Arc::new(Site::start(url).await);
        numbers.extend(site::refreshes(name, &site, sizes.refreshes).await);
    }
    say("\nSign-ins through one auth server, 64 at a time");
    for (name, url) in &stores {
        let site = Arc::new(Site::start(url).await);
        numbers.extend(site::sign_ins(name, &site, sizes.sign_ins).await);
    }
    say("\nThe check of a session at a satellite, its access token fresh");
    numbers.extend(site::checks(&Arc::new(Site::start("memory:").await), sizes.checks).await);
    say("\nMemory");
    numbers.extend(memory::revocations());
    numbers.extend(memory::sessions(&Arc::new(Site::start("memory:").await)).await);
    tokio::time::sleep(Duration::from_millis(10)).await;
    numbers
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
