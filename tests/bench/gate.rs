//! Forward-auth, the layer and the proxy, beside servers that do the same without any check.
//!
//! Why: what matters is what the check costs where people put it. Everything runs as a process of its own on this machine,
//! one after the other in turns, so that what the machine does besides hits all alike; of each the median counts.

use std::{
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use axum::{Router, routing::any};
use hallpass_satellite::{Satellite, Settings};
use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    dialect::Dialect,
    secret::{Secret, SecretRing},
    settings::Texts,
    token::{Claims, Codec},
};
use hallpass_tests::{SECRET, folder::Folder};
use tokio::time::Instant;

use crate::{
    numbers::{Number, merge},
    say,
};

mod compare;
mod idle;
mod load;
mod opening;

pub(crate) const ROLE: &str = "BENCH_ROLE";
const HOST: &str = "app.example.localhost";
/// Ports of this measurement, all on the loopback.
const BARE: u16 = 29_101;
const LAYER: u16 = 29_102;
const PROXY: u16 = 29_103;
const CHECKS: u16 = 29_104;
const ADMIN: u16 = 29_105;
const APP: u16 = 29_106;
const NGINX: u16 = 29_107;
const ASKS: u16 = 29_108;
const ASKS_ANYBODY: u16 = 29_109;
const NOBODY: u16 = 29_110;

/// Which server this process is to be, if it was started by another.
#[expect(clippy::disallowed_methods, reason = "a measurement starts itself")]
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Is that server.
pub(crate) fn play(role: &str) -> ExitCode {
    if role == "satellite" {
        return hallpass_satellite::cli::run();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (router, port) = match role {
            "bare" => (answers_alike(), BARE),
            _ => (layered(), LAYER),
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let limits = hallpass_shared::server::Limits { connections: 20_000, trusted: Vec::new() };
        hallpass_shared::server::serve(listener, router, limits, std::future::pending()).await.unwrap();
    });
    ExitCode::SUCCESS
}

/// What forward-auth answers to the session below, without looking at anything.
fn answers_alike() -> Router {
    let headers = [
        ("remote-user", "1"),
        ("remote-email", "user@example.com"),
        ("remote-name", "A User"),
        ("remote-groups", "staff"),
        ("cookie", ""),
        ("x-hallpass-session", "fresh"),
        ("cache-control", "no-store"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("x-content-type-options", "nosniff"),
    ];
    Router::new().fallback(any(async move || headers))
}

fn layered() -> Router {
    let satellite =
        Satellite::build(Settings::read(&Texts::from_toml(&settings("")).unwrap()).unwrap()).unwrap();
    satellite.protect(answers_alike())
}

fn settings(more: &str) -> String {
    format!(
        "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\nauth_url = \"http://auth.example.localhost:{NOBODY}\"\n\
         refresh.auth_server = \"http://127.0.0.1:{NOBODY}\"\nlog.level = \"error\"\n\
         revocation.when_unreachable = \"allow-for 1d\"\n\
         [server]\nlisten = \"127.0.0.1:{PROXY}\"\nadmin_listen = \"127.0.0.1:{ADMIN}\"\n\
         [satellite]\nurl = \"http://{HOST}\"\n{more}"
    )
}

/// A session of about 1.4 KB, good for a day.
pub(crate) fn session() -> String {
    let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
    let codec = Codec::for_session(Dialect::NEXT_AUTH_V4, &ring, "next-auth.session-token").unwrap();
    codec.seal(&claims()).unwrap().expose().to_owned()
}

pub(crate) fn claims() -> Claims {
    let now = SystemClock.now();
    let user = serde_json::json!({
        "email": "user@example.com", "name": "A User", "groups": ["staff"], "isAdmin": false, "id": 1,
        "contactAddress": {"street": "Long Street 1", "city": "Brno", "country": "CZ"},
    });
    Claims {
        sub: Some("1".into()),
        sid: Some("5f0c6c1e-8f57-4b0e-9f0e-1b1f1c3f5a77".into()),
        issued_at: Some(now),
        auth_time: Some(now),
        expires: Some(now.plus(Duration::from_hours(24))),
        absolute_expires: Some(now.plus(Duration::from_hours(240))),
        token_id: Some("0f0c6c1e-8f57-4b0e-9f0e-1b1f1c3f5a77".into()),
        access_token: Some(Secret::new("a".repeat(320))),
        access_token_expires: Some(now.plus(Duration::from_hours(24))),
        refresh_token: Some(Secret::new("r".repeat(240))),
        refresh_token_expires: Some(now.plus(Duration::from_hours(240))),
        user: user.as_object().unwrap().clone(),
        ..Claims::default()
    }
}

/// Processes that end with this.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // A signal that can be heard: nginx ends its workers.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

fn start(role: &str, arguments: &[String]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().unwrap()
}

fn satellite(folder: &Folder) -> (PathBuf, Vec<String>) {
    let file = folder.path().join("satellite.toml");
    let gate = format!(
        "upstream = \"http://127.0.0.1:{APP}\"\n[satellite.forward_auth]\nlisten = \"127.0.0.1:{CHECKS}\"\n\
         trusted_peers = [\"127.0.0.0/8\"]\nhosts = [\"{HOST}\"]\n"
    );
    std::fs::write(&file, settings(&gate)).unwrap();
    (file.clone(), vec!["--config".into(), file.display().to_string()])
}

fn nginx(folder: &Folder) -> Child {
    let file = folder.path().join("nginx.conf");
    let text = include_str!("nginx.conf").replace("FOLDER", &folder.path().display().to_string());
    let ports = [
        ("@APP", APP),
        ("@NGINX", NGINX),
        ("@ASKS_ANYBODY", ASKS_ANYBODY),
        ("@ASKS", ASKS),
        ("@CHECKS", CHECKS),
        ("@BARE", BARE),
    ];
    let text = ports.iter().fold(text, |text, (name, port)| text.replace(name, &port.to_string()));
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-c", &file.display().to_string(), "-p", &folder.path().display().to_string()]);
    command.stderr(Stdio::null()).spawn().unwrap()
}

async fn listens(port: u16) -> Duration {
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing listens on {port}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

/// Measures all of it, and says it as Markdown; what a start and an open connection take, so many `times`.
pub(crate) async fn measure(times: usize) -> Vec<Number> {
    if !crate::which("nginx") || !crate::which("wrk") {
        say("\nForward-auth and the proxy are measured with nginx and wrk: apt-get install nginx wrk");
        return Vec::new();
    }
    let folder = Folder::new("bench-gate");
    let mut numbers = opening::measure();
    let (_, arguments) = satellite(&folder);
    let running = Running(vec![
        start("bare", &[]),
        start("layer", &[]),
        start("satellite", &arguments),
        nginx(&folder),
    ]);
    for port in [BARE, LAYER, PROXY, CHECKS, APP, NGINX, ASKS, ASKS_ANYBODY] {
        listens(port).await;
    }
    let cookie = format!("Cookie: next-auth.session-token={}", session());
    compare::first(&cookie).await;
    numbers.extend(compare::rates(&cookie));
    numbers.extend(compare::added(&cookie).await);
    drop(running);
    numbers.extend(idle::starts(&arguments).await);
    for _ in 0..times {
        merge(&mut numbers, idle::memory(&arguments, &session()).await);
    }
    numbers
}
