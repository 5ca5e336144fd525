//! Where the auth server keeps what outlives a request.
//!
//! Why: one machine needs nothing installed (`file:`), a first look not even a file (`memory:`), and several auth
//! servers act as one over Redis. Which it is, is one line of the settings.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hallpass_shared::{
    clock::Clock,
    key::Key,
    secret::SecretRing,
    settings::{SettingsError, Texts},
    store::{Memory, Store},
};
use serde::Deserialize;

mod failsafe;
mod file;
mod redis;

pub use failsafe::Failsafe;
pub use file::{File, FileError};
pub use redis::{Redis, RedisAddress};

/// `[store]`.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreSettings {
    /// In the process.
    Memory,
    /// In a file of this machine.
    File(PathBuf),
    /// In Redis, for several auth servers.
    Redis(RedisAddress),
}

/// It may hold a password.
impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Redis(address) => write!(f, "{address:?}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StoreText {
    url: String,
}

impl Default for StoreText {
    fn default() -> Self {
        Self { url: "file:hallpass.redb".into() }
    }
}

/// What a store needs beside its address.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What vouches for what is read from elsewhere.
    pub ring: &'a SecretRing,
    /// The longest that anything is kept.
    pub longest: Duration,
}

impl StoreSettings {
    /// Reads `[store]`.
    ///
    /// # Errors
    /// If its address makes no sense. The address is not repeated, since it may hold a password.
    pub fn read(texts: &Texts) -> Result<Self, SettingsError> {
        let text: StoreText =
            if texts.has("store") { texts.get(Some("store"))? } else { StoreText::default() };
        let invalid = |problem: &str| texts.invalid("store.url", problem);
        match text.url.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("file", path)) if !path.is_empty() => {
                // As in file:///var/lib/hallpass.redb (RFC 8089).
                Ok(Self::File(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some((scheme, _)) if scheme.starts_with("redis") => {
                RedisAddress::parse(&text.url).map(Self::Redis).map_err(invalid)
            }
            _ => Err(invalid("is not memory:, file:hallpass.redb or redis://host:6379")),
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// [`FileError`]: a Redis that cannot be reached is waited for while people are served.
    pub fn open(self, surroundings: &Surroundings<'_>) -> Result<Arc<dyn Store>, FileError> {
        let clock = || Arc::clone(&surroundings.clock);
        Ok(match self {
            Self::Memory => Arc::new(Memory::new(clock())),
            Self::File(path) => Arc::new(Failsafe::new(Arc::new(File::open(&path, clock())?), clock())),
            Self::Redis(address) => {
                let keys =
                    surroundings.ring.iter().map(|secret| Key::derive(secret, "", "Hallpass store", 32));
                let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|_| FileError::Keys)?;
                Arc::new(Failsafe::new(Arc::new(Redis::new(address, keys, surroundings.longest)), clock()))
            }
        })
    }
}

impl StoreSettings {
    /// Looks whether the store could be used, and says so where that is worth a sentence.
    ///
    /// # Errors
    /// What is wrong: a file that could not be opened, a Redis that does not answer.
    pub async fn look(&self) -> Result<Option<String>, String> {
        match self {
            Self::Memory => Ok(None),
            Self::File(path) => look_at(path).map(|()| None).map_err(|error| error.to_string()),
            Self::Redis(address) => match address.ping().await {
                Ok(()) => Ok(Some(format!("store: Redis at {address:?} answers"))),
                Err(problem) => Err(format!("Redis at {address:?} cannot be asked: {problem}")),
            },
        }
    }
}

/// Whether the file could be opened, without opening it: a running server may have it, and who looks may be another user.
fn look_at(path: &Path) -> Result<(), FileError> {
    let looked = match std::fs::OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::read_dir(folder.unwrap_or(Path::new("."))).map(drop)
        }
        opened => opened.map(drop),
    };
    looked.map_err(|error| FileError::Open { path: path.display().to_string(), cause: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_stores_are_told_apart_and_passwords_are_not_printed() {
        let read =
            |url: &str| StoreSettings::read(&Texts::from_toml(&format!("store.url = '{url}'")).unwrap());
        assert_eq!(read("memory:").unwrap(), StoreSettings::Memory);
        assert_eq!(read("file:a.redb").unwrap(), StoreSettings::File("a.redb".into()));
        assert_eq!(read("file:///var/a.redb").unwrap(), StoreSettings::File("/var/a.redb".into()));
        for url in [
            "redis://user:hush@redis:6379/2",
            "rediss://:hush@redis",
            "redis+sentinel://:hush@a:26379,b:26379/main/0",
            "redis+cluster://:hush@a:7000,b:7001",
        ] {
            let debug = format!("{:?}", read(url).unwrap());
            assert!(debug.contains("redis") && !debug.contains("hush"), "{debug}");
        }
        for url in [
            "",
            "memory",
            "memory:x",
            "file:",
            "postgres://x",
            "redis:",
            "redis+sentinel://a/",
            "redis://a:b:c",
        ] {
            let error = read(url).unwrap_err().to_string();
            assert!(error.contains("store.url"), "{url}: {error}");
        }
    }
}
