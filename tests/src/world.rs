//! A deployment in this process: an auth server, two satellites, one port, hosts below `example.localhost`.
//!
//! Why: it is wired through the settings, as one in earnest is, so that a test of behaviour is one of the settings
//! too. Browsers resolve `*.localhost` to this machine.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use axum::Router;
use hallpass_auth_server::{App, Settings as AuthSettings};
use hallpass_demo::hosts;
use hallpass_satellite::{Satellite, Settings as SatelliteSettings, claim, require};
use hallpass_shared::{
    server::{Limits, serve},
    settings::Texts,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// What is to be started.
#[derive(Clone, Debug)]
pub struct WorldBuilder {
    /// `[backend]` and what else differs, as TOML.
    settings: String,
    secret: String,
}

/// A running deployment; it ends when it is dropped.
#[derive(Debug)]
pub struct World {
    /// The port of all hosts.
    pub port: u16,
    /// The auth server's parts.
    pub auth: App,
    /// `app`: anybody who is signed in.
    pub app: Satellite,
    /// `admin`: only admins.
    pub admin: Satellite,
    tasks: Vec<JoinHandle<()>>,
}

impl WorldBuilder {
    /// A deployment with these settings, TOML, beside secret, domain and addresses.
    pub fn new(settings: impl Into<String>) -> Self {
        Self { settings: settings.into(), secret: crate::SECRET.into() }
    }

    /// With another secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started: then the test is broken.
    pub async fn start(self) -> World {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let internal = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = self.shared(port, internal.local_addr().unwrap());
        let auth = App::build(AuthSettings::read(&Texts::from_toml(&shared).unwrap()).unwrap()).unwrap();
        let satellite = |name: &str| {
            let texts = format!("{shared}\n[satellite]\nurl = \"http://{name}.example.localhost:{port}\"\n");
            Satellite::build(SatelliteSettings::read(&Texts::from_toml(&texts).unwrap()).unwrap()).unwrap()
        };
        let (app, admin) = (satellite("app"), satellite("admin"));
        let for_admins = admin.built_in_site().route_layer(require(claim("/isAdmin").equals(true)));
        let sites = BTreeMap::from([
            ("auth.example.localhost".to_owned(), auth.router()),
            ("app.example.localhost".to_owned(), app.hardened(app.protect(app.built_in_site()))),
            ("admin.example.localhost".to_owned(), admin.hardened(admin.protect(for_admins))),
        ]);
        let tasks = vec![spawn(listener, hosts::by_name(sites)), spawn(internal, auth.router())];
        World { port, auth, app, admin, tasks }
    }

    fn shared(&self, port: u16, internal: SocketAddr) -> String {
        let Self { settings, secret } = self;
        // Nothing is left behind by a test, unless it names a store.
        let store = if settings.contains("store.url") { "" } else { "store.url = \"memory:\"\n" };
        format!(
            "{store}secret = \"{secret}\"\nparent_domain = \"example.localhost\"\n\
             auth_url = \"http://auth.example.localhost:{port}\"\nrefresh.auth_server = \"http://{internal}\"\n{settings}"
        )
    }
}

impl World {
    /// A deployment with these settings beside the fixed ones.
    pub async fn start(settings: &str) -> Self {
        WorldBuilder::new(settings).start().await
    }

    /// An address on the host `name` (`auth`, `app` or `admin`).
    pub fn url(&self, name: &str, path: &str) -> String {
        format!("http://{name}.example.localhost:{}{path}", self.port)
    }

    /// Where everything listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn spawn(listener: TcpListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        let limits = Limits { connections: 10_000, trusted: Vec::new() };
        serve(listener, router, limits, std::future::pending()).await.unwrap();
    })
}
