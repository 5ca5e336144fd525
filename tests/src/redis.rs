//! A real Redis, to be stopped, paused and emptied.
//!
//! Why: what happens when the store is away is decided by the store's own way of being away.

use std::path::Path;

use tokio::{net::TcpStream, process::Command};

use crate::{folder::Folder, process::Process, programs::port};

/// Redis, running; it ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    process: Option<Process>,
    arguments: Vec<String>,
    folder: Folder,
}

impl Redis {
    /// Starts it, empty.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these arguments beside its port.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis = Self { port: port(), process: None, arguments, folder: Folder::new("redis") };
        redis.up().await;
        redis
    }

    /// Starts it again, with what it wrote to its disk: nothing, unless it was told to save.
    ///
    /// # Panics
    /// If it does not answer; with what to do about it.
    pub async fn up(&mut self) {
        let folder = self.folder.path().display().to_string();
        let port = self.port.to_string();
        let mut arguments = vec!["--port", &port, "--bind", "127.0.0.1", "--dir", &folder, "--save", ""];
        arguments.extend(self.arguments.iter().map(String::as_str));
        self.process = Some(Process::start(Path::new("redis-server"), &arguments, &[]));
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("Redis does not start; `tests/run --install` installs what is missing");
    }

    /// Ends it.
    ///
    /// # Panics
    /// If it is not up.
    pub async fn down(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal("KILL").await;
        process.end().await;
    }

    /// Sends it a signal, such as `STOP` or `CONT`.
    ///
    /// # Panics
    /// If it is not up.
    pub async fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name).await;
    }

    /// Its answer to a command, as `redis-cli` shows it.
    ///
    /// # Panics
    /// If there is none.
    pub async fn ask(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let output = cli.args(["-p", &self.port.to_string()]).args(command).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address in the settings.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
