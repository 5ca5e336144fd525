//! Our programs as processes: run to their end, or serving.
//!
//! Why: what an operator meets is a program, its exit status and what it prints; nothing of that is seen from within.

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::{
    Answer, SECRET, Visitor,
    folder::Folder,
    process::{Process, program},
};

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; -1 if a signal ended it.
    pub code: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// Runs one of our programs in `folder` to its end, with these variables and no others.
///
/// # Panics
/// If it cannot be started, or goes on for ten seconds.
pub async fn run<A: AsRef<OsStr> + Sync>(
    name: &str,
    folder: &Path,
    arguments: &[A],
    environment: &[(&str, &str)],
) -> Ended {
    run_with_input(name, folder, (arguments, environment), "").await
}

/// As [`run`], and gives it something to read.
///
/// # Panics
/// As [`run`].
pub async fn run_with_input<A: AsRef<OsStr> + Sync>(
    name: &str,
    folder: &Path,
    (arguments, environment): (&[A], &[(&str, &str)]),
    input: &str,
) -> Ended {
    let mut command = Command::new(program(name));
    command.env_clear().envs(environment.iter().copied()).current_dir(folder).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    // It may not want to read at all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{name} goes on")).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: ended.status.code().unwrap_or(-1), stdout: text(ended.stdout), stderr: text(ended.stderr) }
}

/// One of our servers, serving until this is dropped.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    /// Its public side.
    pub port: u16,
    /// Health, readiness and metrics.
    pub admin: u16,
    /// Where it runs.
    pub folder: Folder,
    name: String,
}

impl Server {
    /// Starts `name` with these settings (TOML), on these two ports, and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(name: &str, (port, admin): (u16, u16), settings: &str) -> Self {
        let folder = Folder::new(name);
        std::fs::write(folder.path().join("hallpass.toml"), settings).unwrap();
        let process = Self::process(name, &folder, (port, admin));
        let server = Self { process, port, admin, folder, name: name.into() };
        server.serves().await;
        server
    }

    fn process(name: &str, folder: &Folder, (port, admin): (u16, u16)) -> Process {
        let environment = [
            ("HALLPASS_SERVER__LISTEN", format!("127.0.0.1:{port}")),
            ("HALLPASS_SERVER__ADMIN_LISTEN", format!("127.0.0.1:{admin}")),
        ];
        Process::start_ours(name, folder.path(), &["--config", "hallpass.toml"], &environment)
    }

    async fn serves(&self) {
        for _ in 0..400 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.admin)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not serve within 20 seconds:\n{}", self.name, self.process.output());
    }

    /// Ends it without a warning, as a power cut does.
    pub async fn kill(&mut self) {
        self.process.signal("KILL").await;
        self.process.end().await;
    }

    /// Starts it again, in the same place.
    pub async fn start_again(&mut self) {
        self.process = Self::process(&self.name, &self.folder, (self.port, self.admin));
        self.serves().await;
    }

    /// What the admin listener answers.
    pub async fn ask_admin(&self, path: &str) -> Answer {
        Visitor::new(self.admin).fetch("localhost", path).await
    }

    /// The lines of its log, which are JSON each.
    ///
    /// # Panics
    /// If one is not.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.process.output().lines().map(read).collect()
    }

    /// The lines of its log about `event`.
    ///
    /// # Panics
    /// As [`Server::log`].
    pub fn events(&self, event: &str) -> Vec<serde_json::Value> {
        self.log().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// Waits until its log has a line about `event` for which `holds`.
    ///
    /// # Panics
    /// If there is none within ten seconds.
    pub async fn logged(&self, event: &str, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        for _ in 0..200 {
            if let Some(found) = self.events(event).into_iter().find(|line| holds(line)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no such line about {event}:\n{}", self.process.output());
    }
}

/// An auth server and a satellite.
#[derive(Debug)]
pub struct Programs {
    /// `http://auth.example.localhost` and its port.
    pub auth: Server,
    /// `http://app.example.localhost` and its port.
    pub app: Server,
}

impl Programs {
    /// With these settings, TOML, beside secret, domain and addresses.
    pub async fn start(settings: &str) -> Self {
        let (auth, app) = ((port(), port()), (port(), port()));
        let shared = shared_settings(auth.0, &format!("http://app.example.localhost:{}", app.0), settings);
        let own = format!("{shared}\n[satellite]\nurl = \"http://app.example.localhost:{}\"\n", app.0);
        let auth = Server::start("auth-server", auth, &shared).await;
        Self { auth, app: Server::start("satellite", app, &own).await }
    }

    /// A browser at the auth server.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.auth.port)
    }

    /// The same browser at the satellite, which has another port.
    pub fn at_app(&self, visitor: &Visitor) -> Visitor {
        let mut other = Visitor::new(self.app.port);
        other.jar = visitor.jar.clone();
        other
    }
}

/// The auth server's host in these tests.
pub const AUTH: &str = "auth.example.localhost";
/// The satellite's host in these tests.
pub const APP: &str = "app.example.localhost";

/// What the processes share; `app` is an origin with another port, which must be allowed to be returned to.
pub fn shared_settings(port: u16, app: &str, settings: &str) -> String {
    format!(
        "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\nauth_url = \"http://{AUTH}:{port}\"\n\
         return_to.allow = [\"{app}\"]\nrefresh.auth_server = \"http://127.0.0.1:{port}\"\n{settings}"
    )
}

/// A port that nothing else takes: below those that the system gives out by itself.
///
/// # Panics
/// If there is none.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    for _ in 0..4_000 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 4_000;
        if std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Holds a port, so that nothing else can listen there.
///
/// # Panics
/// If it is taken.
pub async fn hold(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap()
}
