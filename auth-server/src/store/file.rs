//! The store of one machine: a file.
//!
//! Why: with nothing to install, a sign-out outlives a restart, and so does the result of a renewal that nobody was told
//! of yet. Results and revocations are on the disk before anybody is answered; reads never touch it. Leases and counters
//! stay in memory: the file belongs to one process, and a lease must end with its holder. Writes that come together share
//! one flush.

use std::{path::Path, sync::Arc, time::Duration};

use hallpass_shared::{
    clock::Clock,
    revocation::Revocation,
    store::{
        Answer, Claim, Cursor, Kept, Lease, Limit, Memory, Page, Reach, Store, StoreError, StoreKey, Written,
    },
};
use redb::{Database, DatabaseError};
use tokio::sync::{mpsc, oneshot};

mod writer;

use writer::{QUEUE, Write, Writer, load};

/// A store in a file.
#[derive(Debug)]
pub struct File {
    memory: Memory,
    clock: Arc<dyn Clock>,
    writes: mpsc::Sender<(Write, oneshot::Sender<Result<(), StoreError>>)>,
    name: String,
}

/// The file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Another process has it.
    #[error(
        "{0} is open in another process: give each auth server a file of its own, or, for several that act as one, \
         redis://"
    )]
    Taken(String),
    /// It cannot be made or read.
    #[error("{path} cannot be opened ({cause}): give a file in a folder that this user may write to")]
    Open {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// Keys could not be made.
    #[error("keys for the store could not be made")]
    Keys,
}

impl File {
    /// Opens or makes the file at `path`, and reads what it holds.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let unreadable =
            |cause: &dyn std::fmt::Display| FileError::Open { path: name.clone(), cause: cause.to_string() };
        let is_new = !path.exists();
        let database = Database::create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => FileError::Taken(name.clone()),
            other => unreadable(&other),
        })?;
        only_for_us(path);
        let now = clock.now();
        let memory = Memory::new(Arc::clone(&clock));
        let (ends, last) = load(&database, &memory, now).map_err(|error| unreadable(&error))?;
        if is_new {
            tracing::info!(event = "store", "a new store was made at {name}: no sign-outs are known");
        }
        let (writes, queue) = mpsc::channel(QUEUE);
        let by = Writer::new(path.into(), database, (ends, last), Arc::clone(&clock));
        let thread = std::thread::Builder::new().name("store".into());
        thread.spawn(move || by.run(queue)).map_err(|error| unreadable(&error))?;
        Ok(Self { memory, clock, writes, name })
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        const GONE: &str = "the writer of the store's file has ended";
        let (done, written) = oneshot::channel();
        self.writes.send((write, done)).await.map_err(|_| StoreError::new(GONE))?;
        written.await.unwrap_or_else(|_| Err(StoreError::new(GONE)))
    }
}

/// It holds sealed sessions: nobody else needs to read it.
fn only_for_us(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
}

impl Store for File {
    fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim> {
        Box::pin(async move {
            let first = self.memory.is_unclaimed(&key);
            let claim = self.memory.claim(key, lease, span).await?;
            if first && let Some(kept) = self.memory.kept(&key) {
                // Its grace time has begun, also for those who come after a restart.
                let end = self.clock.now().plus(kept.grace);
                self.write(Write::Keep { end, kept, before: None }).await?;
            }
            Ok(claim)
        })
    }

    fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written> {
        Box::pin(async move {
            if !self.memory.holds(&kept.spent, lease) {
                return Ok(Written::LeaseLost);
            }
            let end = self.clock.now().plus(kept.span());
            let before = self.memory.spent_for(&kept.spent);
            self.write(Write::Keep { end, kept: kept.clone(), before }).await?;
            self.memory.keep(lease, kept).await
        })
    }

    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
        self.memory.release(key, lease)
    }

    fn forget(&self, key: StoreKey) -> Answer<'_, ()> {
        Box::pin(async move {
            self.memory.forget(key).await?;
            self.write(Write::Forget(key)).await
        })
    }

    fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.write(Write::Revoke(revocations.to_vec())).await?;
            self.memory.revoke(revocations).await
        })
    }

    fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page> {
        self.memory.revocations(cursor)
    }

    fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>> {
        self.memory.count(limits)
    }

    fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()> {
        self.memory.give_back(limits)
    }

    fn reach(&self) -> Reach {
        Reach::Machine
    }

    fn health(&self) -> Result<String, String> {
        Ok(format!("the file {}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use hallpass_shared::{
        clock::{FixedClock, UnixTime},
        revocation::RevocationKey,
        store::{Claimed, Past, suite},
    };

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("hallpass-{name}-{}.redb", uuid::Uuid::new_v4()))
    }

    fn clock() -> Arc<FixedClock> {
        Arc::new(FixedClock::at(NOW))
    }

    #[tokio::test]
    async fn the_file_store_passes_the_suite() {
        let (path, clock) = (path("suite"), clock());
        let store = File::open(&path, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        suite::run(&store, async |span| clock.advance(span)).await;
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart_and_leases_are_not() {
        // threat-model R3, R7, T14
        let (path, clock) = (path("restart"), clock());
        let open = || File::open(&path, Arc::clone(&clock) as Arc<dyn Clock>);
        let store = open().unwrap();
        let (spent, granted, held, lease) = ([1; 32], [2; 32], [3; 32], Lease::new());
        let span = Duration::from_mins(1);
        let kept = Kept {
            spent,
            granted: Some(granted),
            value: b"sealed".to_vec(),
            grace: span,
            claimed: Claimed::Already,
        };
        assert_eq!(store.keep(lease, &kept).await.unwrap(), Written::Yes);
        assert_eq!(store.claim(held, lease, span).await.unwrap(), Claim::Leased(Past::Unknown));
        let until = |seconds| NOW.plus(Duration::from_secs(seconds));
        let revocation = |until| Revocation { key: RevocationKey::of_session("one"), at: NOW, until };
        store.revoke(&[revocation(until(30)), revocation(until(90))]).await.unwrap();
        assert!(matches!(open(), Err(FileError::Taken(_))), "one process at a time");
        drop(store);
        clock.advance(Duration::from_secs(59));
        let store = reopened(open).await;
        assert_eq!(store.claim(spent, lease, span).await.unwrap(), Claim::Kept(b"sealed".to_vec()));
        assert_eq!(store.claim(held, Lease::new(), span).await.unwrap(), Claim::Leased(Past::Unknown));
        let page = store.revocations(&Cursor::default()).await.unwrap();
        assert_eq!(page.revocations, [revocation(until(90))]);
        let again = Kept { spent: granted, granted: Some(held), ..kept.clone() };
        assert_eq!(store.keep(lease, &again).await.unwrap(), Written::Yes);
        drop(store);
        let store = reopened(open).await;
        let superseded = store.claim(spent, lease, span).await.unwrap();
        assert_eq!(superseded, Claim::Leased(Past::Unknown), "and it is in the file no more");
        drop(store);
        std::fs::remove_file(path).unwrap();
    }

    /// Its thread ends a moment after the store.
    async fn reopened(open: impl Fn() -> Result<File, FileError>) -> File {
        for _ in 0..200 {
            if let Ok(store) = open() {
                return store;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        open().unwrap()
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_is_named() {
        let error = File::open(Path::new("/nowhere/at/all.redb"), clock()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all.redb") && error.contains("may write"), "{error}");
    }
}
