//! Those who wait for one piece of work, counted.
//!
//! Why: work that nobody waits for may stop, or keep its result for whoever comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Those who wait for one piece of work.
#[derive(Debug, Default)]
pub struct Waiters {
    count: AtomicUsize,
    left: Notify,
}

impl Waiters {
    /// Whether there is anybody.
    pub fn anybody(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Waits until somebody was the last to leave; another may have come since.
    pub(super) async fn all_left(&self) {
        self.left.notified().await;
    }

    pub(super) fn join(self: &Arc<Self>) -> Waiting {
        self.count.fetch_add(1, Ordering::AcqRel);
        Waiting(Arc::clone(self))
    }
}

/// One of them.
pub(super) struct Waiting(Arc<Waiters>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_one();
        }
    }
}
