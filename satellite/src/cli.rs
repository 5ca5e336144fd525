//! The command line: serve, check, health.
//!
//! Why: the classic failure of this design is a secret that differs, which shows only as everybody being signed
//! out. `serve` compares with the auth server at start and says what differs; `check` does it on demand.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use hallpass_shared::{
    admin,
    process::{self, Listener, Sites},
    settings::{Sources, Texts},
    telemetry,
};

use crate::{Agreement, BuildError, Satellite, Settings, explain};

/// Knows who is signed in on the domain, on any host but the auth server's.
#[derive(Debug, Parser)]
#[command(name = "satellite", version)]
struct Arguments {
    /// A settings file (TOML); may be given several times, later ones win.
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Check the settings and compare them with the auth server's; say what differs.
    Check {
        /// Instead, say which rule decides about a request, and why: `GET https://app.example.com/admin/x`.
        #[arg(long, value_name = "REQUEST")]
        explain: Option<String>,
        /// With --explain: whose request it is, as a JSON file of claims, such as {"sub": "1", "isAdmin": true}.
        #[arg(long = "as", value_name = "FILE", requires = "explain")]
        claims: Option<PathBuf>,
    },
    /// Ask the running server whether it is well; for a container's health check.
    Health,
}

/// Beside those that an auth server has, too.
const COUNTERS: [admin::Counted; 4] = [
    ("hallpass_refreshes_total", Some(("outcome", &["ok", "refused", "unavailable"]))),
    ("hallpass_sessions_unavailable_total", Some(("cause", &["the auth server"]))),
    ("hallpass_feed_breaks_total", None),
    ("hallpass_access_denied_total", None),
];

/// Runs the program with this process's arguments and environment.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let work = async {
        match arguments.command.clone().unwrap_or(Command::Serve) {
            Command::Serve => serve(&arguments.config).await,
            Command::Check { explain: Some(request), claims } => {
                explain_request(&arguments.config, &request, claims.as_deref())
            }
            Command::Check { explain: None, .. } => check(&arguments.config).await,
            Command::Health => health(&arguments.config).await,
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "satellite: {problem:#}");
            ExitCode::FAILURE
        }
    }
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
    let edges = settings.forward_auth.clone();
    telemetry::init(settings.shared.log.format, &settings.shared.log.level)?;
    let metrics = admin::collect_metrics("satellite", &COUNTERS)?;
    tracing::info!(event = "settings", settings = ?settings, "read");
    let satellite = Satellite::build(settings).map_err(|error| explain(&texts, error))?;
    // With another secret everybody would be signed out here without a word: better not to start. An auth server
    // that is not up yet is asked again later.
    let agreement = satellite.agreement().await;
    if agreement.is_denied() {
        anyhow::bail!("{}", agreement.differences.join("\n"));
    }
    tokio::spawn(report_agreement(satellite.clone()));
    let built_in =
        || satellite.hardened(satellite.protect(satellite.built_in_site().layer(satellite.enforce())));
    let public = satellite.proxied_site().unwrap_or_else(built_in);
    let admin = admin::router(Some(metrics), Arc::new(satellite.clone()));
    let edges = edges.zip(satellite.forward_auth_site()).map(|(edges, router)| Listener {
        key: "satellite.forward_auth.listen",
        address: edges.listen,
        trusted: edges.trust.peers,
        router,
    });
    let ended = process::run("satellite", &server, Sites { public, admin, edges }, || ()).await;
    ended.map_err(|error| anyhow::Error::from_boxed(error.explain(&texts)))
}

/// Says at start whether both sides agree. An auth server that is not up yet is asked again; where another agrees that is
/// said once, since it may be one of those that are started when there is more to do.
async fn report_agreement(satellite: Satellite) {
    let mut pause = std::time::Duration::from_secs(1);
    let mut said = Agreement::default();
    loop {
        let agreement = satellite.agreement().await;
        if !agreement.holds() || agreement != said {
            report(&agreement);
        }
        if agreement.is_whole() {
            return;
        }
        said = agreement;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(std::time::Duration::from_mins(1));
    }
}

fn report(agreement: &Agreement) {
    for difference in &agreement.differences {
        tracing::error!(event = "agreement", "sessions cannot be shared: {difference}");
    }
    for problem in &agreement.unreachable {
        tracing::warn!(event = "agreement", "{problem}");
    }
    if agreement.holds() {
        let (reached, away) = (agreement.agreed.len(), agreement.unreachable.len());
        tracing::info!(
            event = "agreement",
            reached,
            away,
            "secret, cookie and dialect agree with the auth server's"
        );
    }
}

async fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    let texts = texts(files)?;
    let settings = Settings::read(&texts)?;
    say(&format!("settings: ok, {} under {}", settings.url, settings.shared.auth_url))?;
    let mut problems = Vec::new();
    for upstream in settings.proxy.iter().flat_map(|proxy| &proxy.upstreams) {
        match explain::reach(upstream).await {
            Ok(reached) => say(&reached)?,
            Err(problem) => problems.push(problem),
        }
    }
    let agreement = Satellite::build(settings).map_err(|error| explain(&texts, error))?.agreement().await;
    if agreement.holds() {
        say(&format!("auth server: {}", agreement.sentence()))?;
        for away in agreement.unreachable {
            say(&format!("note: {away}"))?;
        }
    } else {
        problems.extend(agreement.differences.into_iter().chain(agreement.unreachable));
    }
    if problems.is_empty() { say("all is well") } else { anyhow::bail!("{}", problems.join("\n")) }
}

fn explain_request(files: &[PathBuf], request: &str, claims: Option<&std::path::Path>) -> anyhow::Result<()> {
    let settings = Settings::read(&texts(files)?)?;
    let claims = claims.map(|file| {
        std::fs::read(file).map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", file.display()))
    });
    say(&explain::explain(&settings, request, claims.transpose()?.as_deref()).map_err(anyhow::Error::msg)?)
}

/// A brand that cannot be loaded is a setting like any other.
fn explain(texts: &Texts, error: BuildError) -> anyhow::Error {
    match error {
        BuildError::Brand(error) => texts.invalid(&error.key(), &error).into(),
        other => other.into(),
    }
}

async fn health(files: &[PathBuf]) -> anyhow::Result<()> {
    let settings = hallpass_shared::settings::ServerSettings::read(&texts(files)?)?;
    process::health(&settings).await.map_err(anyhow::Error::msg)
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
