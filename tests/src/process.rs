//! Programs of ours and of others, started for a test and ended with it.
//!
//! Why: what crosses a process must be tried with processes. Everything they print is kept, for the test that looks
//! for secrets in it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
};

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `program`.
    ///
    /// # Panics
    /// If it cannot be started; with what to do about it.
    pub fn start<A: AsRef<OsStr>>(program: &Path, arguments: &[A], environment: &[(&str, String)]) -> Self {
        Self::spawn(Command::new(program), arguments, environment)
    }

    /// Starts one of our programs in `folder`, with these variables and no others: what is set where the tests run is
    /// not meant for it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_ours<A: AsRef<OsStr>>(
        name: &str,
        folder: &Path,
        arguments: &[A],
        environment: &[(&str, String)],
    ) -> Self {
        let mut command = Command::new(self::program(name));
        command.env_clear().current_dir(folder);
        Self::spawn(command, arguments, environment)
    }

    fn spawn<A: AsRef<OsStr>>(mut command: Command, arguments: &[A], environment: &[(&str, String)]) -> Self {
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "{} cannot be started: {error}; `tests/run --install` installs what is missing",
                command.as_std().get_program().display()
            )
        });
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        Self { child, output }
    }

    /// Everything it has printed so far.
    ///
    /// # Panics
    /// Never.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until it has printed `text`.
    ///
    /// # Panics
    /// If it ends before, or takes a minute.
    pub async fn wait_for(&mut self, text: &str) {
        for _ in 0..1200 {
            if self.output().contains(text) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended ({status}) before it said {text:?}:\n{}", self.output());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it did not say {text:?} within a minute:\n{}", self.output());
    }

    /// Waits until it ends by itself, and says how.
    ///
    /// # Panics
    /// If it does not end within ten seconds.
    pub async fn end(&mut self) -> i32 {
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it goes on:\n{}", self.output())).unwrap();
        // The readers may be a moment behind.
        tokio::time::sleep(Duration::from_millis(50)).await;
        status.code().unwrap_or(-1)
    }

    /// The most memory it ever had, in bytes (`VmHWM`).
    ///
    /// # Panics
    /// If it has ended already.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal by name, such as `INT`.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap().success());
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        // Whole lines, whatever bytes are in them.
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

/// One of our programs, built beside this test.
///
/// # Panics
/// If it was not built: `cargo build --workspace --bins` does.
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().unwrap();
    // Tests are a folder deeper than programs.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing; build it with `cargo build --workspace --bins`", path.display());
    path
}

/// The folder of this crate.
pub fn tests_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A port that was free a moment ago.
///
/// # Panics
/// If there is none.
pub async fn free_port() -> u16 {
    tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

/// Waits until something answers `address` with success.
///
/// # Panics
/// If nothing does within a minute.
pub async fn wait_for_http(address: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..600 {
        if client.get(address).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing answers {address} within a minute");
}
