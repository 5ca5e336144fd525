//! A users file that is read again when it changes.
//!
//! Why: a user who is taken out must be out without a restart, and a slip while editing must not lock everybody out:
//! a broken file leaves the old users in place and says so in the log.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hallpass_shared::telemetry::causes;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::users::{Users, UsersError};

const CHECK_EVERY: Duration = Duration::from_secs(1);
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What tells one state of the file from another.
type Stamp = (Option<SystemTime>, u64);

/// The file, and what it last said.
pub(super) struct Watched {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    users: Arc<Users>,
    /// `None` while the file cannot be looked at.
    stamp: Option<Stamp>,
    checked: Instant,
}

impl Watched {
    /// Reads the file for the first time.
    pub(super) fn open(path: &Path) -> Result<Self, UsersError> {
        // Before the contents: a change in between is then seen by the next check.
        let stamp = stamp(path).map_err(UsersError::Read)?;
        let users = Arc::new(read(path)?);
        let state = State { users, stamp: Some(stamp), checked: Instant::now() };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The users as of at most a second ago. Reads the disk: not for async code.
    pub(super) fn current(&self) -> Arc<Users> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.checked.elapsed() >= CHECK_EVERY {
            state.checked = Instant::now();
            self.look(&mut state);
        }
        Arc::clone(&state.users)
    }

    fn look(&self, state: &mut State) {
        let found = stamp(&self.path);
        let now = found.as_ref().ok().copied();
        if now == state.stamp {
            return;
        }
        state.stamp = now;
        match found.map_err(UsersError::Read).and_then(|_| read(&self.path)) {
            Ok(users) => {
                tracing::info!(event = "users_file", users = users.len(), "the users file was read again");
                state.users = Arc::new(users);
            }
            Err(error) => {
                let error = causes(&error);
                tracing::error!(
                    event = "users_file",
                    error,
                    "the users file cannot be used; the users before stay"
                );
            }
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("path", &self.path).finish_non_exhaustive()
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.modified().ok(), metadata.len()))
}

fn read(path: &Path) -> Result<Users, UsersError> {
    if std::fs::metadata(path).map_err(UsersError::Read)?.len() > MAX_BYTES {
        return Err(UsersError::TooLarge);
    }
    Users::parse(&Zeroizing::new(std::fs::read_to_string(path).map_err(UsersError::Read)?))
}
