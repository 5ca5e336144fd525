//! Real apps behind the proxy, which know nothing of Hallpass: one of aiohttp, one of Django.
//!
//! Why: what a proxy makes of a request is seen only by who gets it.

use std::path::PathBuf;

use crate::{
    folder::Folder,
    install::installed,
    process::{Process, tests_folder},
    programs::port,
};

/// An app, running; it ends when this is dropped.
#[derive(Debug)]
pub struct App {
    /// Where it listens on this machine.
    pub port: u16,
    /// The process.
    pub process: Process,
    _folder: Folder,
}

impl App {
    /// Says what it was sent, echoes sockets, streams events, counts uploads.
    pub async fn aiohttp() -> Self {
        let program = tests_folder().join("edges/run");
        installed(&program).await;
        Self::start(program, |port, _| vec!["app".into(), "--port".into(), port.to_string()]).await
    }

    /// Django with `RemoteUserMiddleware`.
    pub async fn django() -> Self {
        let program = tests_folder().join("django/run");
        installed(&program).await;
        let arguments = |port: u16, folder: &Folder| {
            let folder = folder.path().display().to_string();
            ["--shop", "--port", &port.to_string(), "--dir", &folder].map(str::to_owned).into()
        };
        Self::start(program, arguments).await
    }

    async fn start(program: PathBuf, arguments: impl Fn(u16, &Folder) -> Vec<String>) -> Self {
        let (port, folder) = (port(), Folder::new("app"));
        let mut process = Process::start(&program, &arguments(port, &folder), &[]);
        process.wait_for("ready").await;
        Self { port, process, _folder: folder }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
