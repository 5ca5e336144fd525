//! What it costs: storms, refreshes, sign-ins, revocations, memory; forward-auth and the proxy beside others.
//!
//! Why: speed is a promise, so it is measured, on the machine in question, and never asserted by a test that a busy
//! machine would fail. `cargo run --release -p hallpass-tests --bin bench`. The backend is a stub that answers at once;
//! client, servers and stub share the processor, so the numbers are floors. `… bench gate` measures the last part alone.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::future_not_send,
    reason = "a broken measurement ends"
)]

use std::{io::Write as _, sync::Arc, time::Duration};

use hallpass_tests::redis::Redis;

mod gate;
mod memory;
mod site;
mod storm;

use site::Site;

/// As the programs have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

fn main() -> std::process::ExitCode {
    if let Some(role) = gate::role() {
        return gate::play(&role);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if std::env::args().nth(1).as_deref() != Some("gate") {
            all().await;
        }
        gate::measure().await;
    });
    std::process::ExitCode::SUCCESS
}

async fn all() {
    let folder = hallpass_tests::folder::Folder::new("bench");
    let file = format!("file:{}/bench.redb", folder.path().display());
    let redis = if which("redis-server") { Some(Redis::start().await) } else { None };
    let mut stores = vec![("memory", "memory:".to_owned()), ("file", file)];
    match &redis {
        Some(redis) => stores.push(("redis", redis.url())),
        None => say("redis-server is not installed: nothing is measured over Redis"),
    }

    say("A storm: requests with one expired access token, all at once, at a satellite");
    for (name, url) in &stores {
        storm::measure(name, &Site::start(url).await, 10_000).await;
    }
    say("\nRefreshes through one auth server, each of another session, 64 at a time");
    for (name, url) in &stores {
        let site = Arc::new(Site::start(url).await);
        site::refreshes(name, &site, 20_000).await;
    }
    say("\nSign-ins through one auth server, 64 at a time");
    for (name, url) in &stores {
        let site = Arc::new(Site::start(url).await);
        site::sign_ins(name, &site, 20_000).await;
    }
    say("\nThe check of a session at a satellite, its access token fresh");
    site::checks(&Arc::new(Site::start("memory:").await), 200_000).await;
    say("\nMemory");
    memory::revocations();
    memory::sessions(&Arc::new(Site::start("memory:").await)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
