//! Real Next.js apps with `next-auth` v4 and v5, and the official browser client.
//!
//! Why: "wire-compatible" is what the unmodified library says of us, not what we say of ourselves.

use std::path::PathBuf;

use url::Url;

use crate::{
    install::installed,
    process::{Process, free_port, tests_folder},
};

/// Which `next-auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `next-auth` 4.24.
    V4,
    /// `next-auth` 5 beta (Auth.js).
    V5,
}

impl Version {
    const fn folder(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V5 => "v5",
        }
    }

    /// The settings of ours that go with it: before the first section.
    pub const fn settings(self) -> &'static str {
        match self {
            Self::V4 => "cookie.dialect = \"next-auth-v4\"\n",
            Self::V5 => "cookie.dialect = \"authjs-v5\"\n",
        }
    }

    /// `next-auth/react`, bundled: a script that sets `window.HallpassClient`.
    ///
    /// # Panics
    /// If it cannot be built; with what to do about it.
    pub async fn client(self) -> String {
        let printed = installed(&program()).await;
        let cache = printed.lines().last().unwrap();
        let path = PathBuf::from(cache).join(format!("client/dist/{}.js", self.folder()));
        tokio::fs::read_to_string(path).await.unwrap()
    }
}

/// A Next.js app; it ends when it is dropped.
#[derive(Debug)]
pub struct NextApp {
    /// Its public address.
    pub url: String,
    version: Version,
    port: u16,
    process: Option<Process>,
}

impl NextApp {
    /// An app at a free port that is not started yet: its address goes into our settings first.
    pub async fn reserve(version: Version) -> Self {
        let port = free_port().await;
        let url = format!("http://next.example.localhost:{port}");
        Self { url, version, port, process: None }
    }

    /// Starts it as a satellite of the auth server with this sign-in page.
    ///
    /// # Panics
    /// If it cannot be started; with what to do about it.
    pub async fn start(&mut self, sign_in_page: &str) {
        installed(&program()).await;
        let own = match self.version {
            Version::V4 => {
                [("NEXTAUTH_SECRET", crate::SECRET), ("NEXTAUTH_URL", &self.url), ("AUTH_TRUST_HOST", "1")]
            }
            Version::V5 => {
                [("AUTH_SECRET", crate::SECRET), ("AUTH_URL", &self.url), ("AUTH_TRUST_HOST", "true")]
            }
        };
        let shared = [("COOKIE_DOMAIN", "example.localhost"), ("AUTH_SIGNIN_URL", sign_in_page)];
        let environment: Vec<_> =
            own.iter().chain(&shared).map(|(name, value)| (*name, (*value).to_owned())).collect();
        let arguments = [self.version.folder(), "--port", &self.port.to_string()];
        let mut process = Process::start(&program(), &arguments, &environment);
        process.wait_for("Ready").await;
        self.process = Some(process);
    }

    /// An address of it.
    ///
    /// # Panics
    /// If the path is none.
    pub fn at(&self, path: &str) -> String {
        Url::parse(&self.url).unwrap().join(path).unwrap().into()
    }
}

fn program() -> PathBuf {
    tests_folder().join("nextjs/run")
}
