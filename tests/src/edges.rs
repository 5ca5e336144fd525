//! Real edges, each with the configuration of `deploy/edges`: nginx, two Caddys, HAProxy, Envoy.
//!
//! Why: people paste those files. So it is the files that are tried: only addresses, the host and TLS are replaced, and
//! what is to be replaced must be there.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::{
    certificate::certificate,
    folder::Folder,
    install::{REMEDY, installed},
    process::{Process, tests_folder},
    programs::APP,
};

/// The programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's.
    Nginx,
    /// 2.11.
    Caddy,
    /// Debian's, which is 2.6.
    OldCaddy,
    /// Debian's.
    HaProxy,
    /// 1.40.
    Envoy,
}

/// What an edge speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// As the files ship, with a certificate of nobody's.
    Https,
}

/// Where an edge listens, and what is behind it.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// The edge, for `app.example.localhost`.
    pub edge: u16,
    /// The satellite's listener for edges.
    pub satellite: u16,
    /// The app.
    pub app: u16,
}

/// An edge, running; it ends when this is dropped.
#[derive(Debug)]
pub struct Edge {
    /// The process, which is all of it.
    pub process: Process,
    _folder: Folder,
}

impl Edge {
    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// If it does not; with what to do about it.
    pub async fn start(kind: Kind, places: Places, scheme: Scheme) -> Self {
        let folder = Folder::new("edge");
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, kind.config(places, scheme, folder.path())).unwrap();
        let (certificate, key) = certificate(APP);
        // Some want both in one file.
        std::fs::write(folder.path().join("example.com.pem"), [certificate, key.clone()].concat()).unwrap();
        std::fs::write(folder.path().join("example.com.key"), key).unwrap();
        let (program, arguments) = kind.command(&config);
        if program.is_absolute() {
            installed(&program).await;
        }
        // Caddy keeps what it makes there.
        let place = folder.path().display().to_string();
        let environment = [("XDG_DATA_HOME", place.clone()), ("XDG_CONFIG_HOME", place)];
        let edge = Self { process: Process::start(&program, &arguments, &environment), _folder: folder };
        edge.listens(places.edge).await;
        edge
    }

    async fn listens(&self, port: u16) {
        for _ in 0..400 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the edge does not listen; {REMEDY}:\n{}", self.process.output());
    }
}

impl Kind {
    fn command(self, config: &Path) -> (PathBuf, Vec<String>) {
        let config = config.display().to_string();
        let ours = tests_folder().join("edges/run");
        let (program, arguments): (PathBuf, &[&str]) = match self {
            Self::Nginx => ("nginx".into(), &["-e", "stderr", "-c", &config]),
            Self::Caddy => (ours, &["caddy", "run", "--adapter", "caddyfile", "--config", &config]),
            Self::OldCaddy => ("caddy".into(), &["run", "--adapter", "caddyfile", "--config", &config]),
            Self::HaProxy => ("haproxy".into(), &["-db", "-f", &config]),
            Self::Envoy => (ours, &["envoy", "--use-dynamic-base-id", "--config-path", &config]),
        };
        (program, arguments.iter().map(|argument| (*argument).to_owned()).collect())
    }

    /// The file that ships, for this machine.
    fn config(self, places: Places, scheme: Scheme, folder: &Path) -> String {
        let Places { edge, satellite, app } = places;
        let (secure, place) = (scheme == Scheme::Https, folder.display());
        let at = |port: u16| format!("127.0.0.1:{port}");
        let behind = [("127.0.0.1:9400", at(satellite)), ("127.0.0.1:8080", at(app))];
        match self {
            Self::Nginx => {
                let listen = format!("listen {}{}", at(edge), if secure { " ssl http2" } else { "" });
                let own = [("listen 443 ssl http2", listen), ("/etc/nginx/certs", place.to_string()), here()];
                let servers = replaced(&replaced(&shipped("nginx.conf"), &own), &behind);
                nginx(&if secure { servers } else { without_lines(&servers, "ssl_") }, folder)
            }
            Self::Caddy | Self::OldCaddy => {
                let scheme = if secure { "https" } else { "http" };
                let tls = "# tls /etc/caddy/certs/example.com.pem /etc/caddy/certs/example.com.key";
                let quiet =
                    "\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n\tservers {";
                let ours = format!("tls {place}/example.com.pem {place}/example.com.key");
                let own = [
                    ("app.example.com {", format!("{scheme}://{APP}:{edge} {{")),
                    ("\n:443 {", format!("\n{scheme}://:{edge} {{")),
                    ("\tservers {", quiet.into()),
                    (tls, if secure { ours } else { String::new() }),
                ];
                // What it imports must stand beside it.
                let (satellite, app) = behind.split_at(1);
                let snippet = replaced(&shipped("hallpass.caddy"), satellite);
                std::fs::write(folder.join("hallpass.caddy"), snippet).unwrap();
                replaced(&replaced(&shipped("Caddyfile"), &own), app)
            }
            Self::HaProxy => {
                let module = file("hallpass.lua").display().to_string();
                let tls = " ssl crt /etc/haproxy/certs/example.com.pem alpn h2,http/1.1";
                let ours = format!(" ssl crt {place}/example.com.pem alpn h2,http/1.1");
                let own = [
                    ("bind :443", format!("bind {}", at(edge))),
                    (tls, if secure { ours } else { String::new() }),
                    ("/etc/haproxy/hallpass.lua", module),
                    here(),
                ];
                replaced(&replaced(&shipped("haproxy.cfg"), &own), &behind)
            }
            Self::Envoy => {
                let at = |port: u16| format!("127.0.0.1, port_value: {port} ");
                let own = [
                    ("0.0.0.0, port_value: 443 ", at(edge)),
                    ("127.0.0.1, port_value: 9400 ", at(satellite)),
                    ("127.0.0.1, port_value: 8080 ", at(app)),
                    ("/etc/envoy/certs", place.to_string()),
                    here(),
                ];
                let all = replaced(&shipped("envoy.yaml"), &own);
                let (before, rest) = all.split_once("# TLS begins").unwrap();
                let (_, after) = rest.split_once("# TLS ends").unwrap();
                if secure { all } else { format!("{before}{after}") }
            }
        }
    }
}

fn here() -> (&'static str, String) {
    ("app.example.com", APP.into())
}

fn file(name: &str) -> PathBuf {
    tests_folder().join("../deploy/edges").join(name)
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn replaced(text: &str, pairs: &[(&str, String)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the file that ships has no {from:?}");
        text.replace(from, to)
    })
}

fn without_lines(text: &str, start: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(start));
    lines.collect::<Vec<_>>().join("\n")
}

/// What Debian has around it, in one process.
fn nginx(servers: &str, folder: &Path) -> String {
    let folder = folder.display();
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\n\
         http {{\naccess_log off;\n{folders}{servers}\n}}\n"
    )
}
