//! The command line: serve, check, secret, hash-password, health.
//!
//! Why: a wrong setting is found before it signs everybody out, and each message says what to do next.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use clap::{Parser, Subcommand};
use hallpass_shared::{
    admin,
    process::{self, Sites},
    secret::Secret,
    settings::{Sources, Texts},
    telemetry,
};

use crate::{App, BuildError, Settings, backend, store::StoreSettings};

/// Signs people in at the backend you have, for every host below one domain.
#[derive(Debug, Parser)]
#[command(name = "auth-server", version)]
struct Arguments {
    /// A settings file (TOML); may be given several times, later ones win.
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Check the settings and reach the backend; say what is wrong.
    Check,
    /// Print a new secret for the settings.
    Secret,
    /// Read a password from standard input and print its hash for a users file.
    HashPassword,
    /// Ask the running server whether it is well; for a container's health check.
    Health,
}

/// Beside those that a satellite has, too.
const COUNTERS: [admin::Counted; 5] = [
    ("hallpass_refreshes_total", Some(("outcome", &["ok", "kept", "refused", "unavailable"]))),
    ("hallpass_sessions_unavailable_total", Some(("cause", &["the store"]))),
    ("hallpass_store_failures_total", None),
    ("hallpass_admin_revocations_total", None),
    ("hallpass_admin_refusals_total", None),
];

/// Runs the program with this process's arguments and environment.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command.unwrap_or(Command::Serve) {
        Command::Secret => print_secret(),
        Command::HashPassword => print_hash(),
        Command::Serve => with_runtime(serve(&arguments.config)),
        Command::Check => with_runtime(check(&arguments.config)),
        Command::Health => with_runtime(health(&arguments.config)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "auth-server: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn with_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn texts(files: &[PathBuf]) -> anyhow::Result<Texts> {
    #[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
    let environment = std::env::vars().collect();
    Ok(Sources { files: files.to_vec(), environment }.read()?)
}

async fn serve(files: &[PathBuf]) -> anyhow::Result<()> {
    let texts = texts(files)?;
    let settings = Settings::read(&texts)?;
    let server = settings.shared.server.clone();
    telemetry::init(settings.shared.log.format, &settings.shared.log.level)?;
    let metrics = admin::collect_metrics("auth-server", &COUNTERS)?;
    tracing::info!(event = "settings", settings = ?settings, "read");
    let app = App::build(settings).map_err(|error| explain(&texts, error))?;
    let admin = admin::router(Some(metrics), Arc::new(app.clone())).merge(app.admin_router());
    let sites = Sites { public: app.router(), admin, edges: None };
    let ended = process::run("auth-server", &server, sites, || app.close()).await;
    ended.map_err(|error| anyhow::Error::from_boxed(error.explain(&texts)))
}

async fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    let texts = texts(files)?;
    let settings = Settings::read(&texts)?;
    say(&format!("settings: ok, {} for *.{}", settings.shared.auth_url, settings.shared.domain))?;
    let reached = settings.backend.reach().await;
    // The store itself is for the server alone.
    let store = settings.store.look().await.map_err(|problem| texts.invalid("store.url", problem))?;
    App::build(Settings { store: StoreSettings::Memory, ..settings })
        .map_err(|error| explain(&texts, error))?;
    if let Some(store) = store {
        say(&store)?;
    }
    say(&reached.map_err(anyhow::Error::msg)?)?;
    say("all is well")
}

/// A brand that cannot be loaded is a setting like any other.
fn explain(texts: &Texts, error: BuildError) -> anyhow::Error {
    match error {
        BuildError::Brand(error) => texts.invalid(&error.key(), &error).into(),
        BuildError::Store(error) => texts.invalid("store.url", &error).into(),
        other => other.into(),
    }
}

async fn health(files: &[PathBuf]) -> anyhow::Result<()> {
    let settings = hallpass_shared::settings::ServerSettings::read(&texts(files)?)?;
    process::health(&settings).await.map_err(anyhow::Error::msg)
}

/// 32 bytes from the operating system.
fn print_secret() -> anyhow::Result<()> {
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes)?;
    say(&STANDARD_NO_PAD.encode(bytes))
}

fn print_hash() -> anyhow::Result<()> {
    if io::stdin().is_terminal() {
        write!(io::stderr(), "Password (it will be seen while you type): ")?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!password.is_empty(), "there is no password on standard input");
    say(&backend::hash_password(&Secret::new(password))?)
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
