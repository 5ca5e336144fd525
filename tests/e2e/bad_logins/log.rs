//! What the process logs, caught.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::util::SubscriberInitExt as _;

/// JSON lines as in earnest, down to the debug level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything that this thread logs, while the guard is held.
    pub(crate) fn capture() -> (Self, impl Drop) {
        let log = Self::default();
        let writer = log.clone();
        let guard = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_env_filter("debug")
            .with_writer(move || writer.clone())
            .set_default();
        (log, guard)
    }

    /// What was logged since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
