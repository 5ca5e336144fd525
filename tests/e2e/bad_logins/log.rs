//! What the process logs, caught.
//!
//! Why: all tests of this binary share one process, and `tracing` remembers for each call site whether anybody
//! listens. So there is one subscriber for all, and each test has what its own thread logs.

use std::{
    io,
    sync::{Arc, Mutex, Once},
};

/// JSON lines as in earnest, down to the debug level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static OWN: Log = Log::default();
}

impl Log {
    /// Everything that this thread logs from now on: a `#[tokio::test]` runs on one.
    pub(crate) fn capture() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_env_filter("debug")
                .with_writer(|| OWN.try_with(Self::clone).unwrap_or_default())
                .init();
        });
        let log = OWN.with(Self::clone);
        log.take();
        log
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
