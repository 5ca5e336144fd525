//! Sign-outs on their way: onto the list, into the store, out to the satellites.
//!
//! Why: a sign-out must reach every node within a second and outlive a restart, with any store (threat-model T14). The
//! list of this process takes effect at once and whatever happens; the store is written before anybody is answered; if it
//! cannot be, it is tried again until it can. What other auth servers wrote is read a few times a second.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_shared::{
    clock::Clock,
    revocation::{Revocation, Revocations},
    store::{Cursor, Reach, Store, StoreError},
    telemetry::causes,
};
use tokio::time::Instant;

use crate::feed::Feed;

/// How soon another auth server's sign-out is heard of.
const LOOK: Duration = Duration::from_millis(200);
/// Written again between two looks.
const AT_A_TIME: usize = 10_000;
/// Most revocations that wait for a store that cannot be written.
const MOST_UNWRITTEN: usize = 1_000_000;

/// Carries sign-outs on.
#[derive(Debug)]
pub(crate) struct Ledger {
    list: Arc<Revocations>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(crate) feed: Arc<Feed>,
    unwritten: Mutex<Vec<Revocation>>,
    reading: tokio::sync::Mutex<Reading>,
    started: Instant,
}

/// How far the store was read.
#[derive(Debug, Default)]
struct Reading {
    cursor: Cursor,
    epoch: Option<String>,
}

impl Ledger {
    pub(crate) fn new(list: Arc<Revocations>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let feed = Arc::new(Feed::new(Arc::clone(&list), Arc::clone(&clock)));
        let (unwritten, reading) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { list, store, clock, feed, unwritten, reading, started: Instant::now() }
    }

    /// Carries on what has ended: durable when this returns, unless the store is away. Whoever calls may go away; it is
    /// carried on all the same.
    pub(crate) async fn publish(self: &Arc<Self>, revocations: &[Revocation]) {
        for revocation in revocations {
            self.list.revoke(*revocation);
        }
        self.feed.push(revocations);
        let (ledger, revocations) = (Arc::clone(self), revocations.to_vec());
        let _ = tokio::spawn(async move { ledger.write(revocations).await }).await;
    }

    async fn write(&self, revocations: Vec<Revocation>) {
        if let Err(error) = self.store.revoke(&revocations).await {
            tracing::error!(
                event = "store",
                error = causes(&error),
                "a sign-out holds here and on the satellites, and is written later"
            );
            let mut unwritten = self.unwritten();
            let room = MOST_UNWRITTEN.saturating_sub(unwritten.len());
            unwritten.extend(revocations.into_iter().take(room));
        }
    }

    /// What satellites still knew of and this process did not.
    pub(crate) async fn learn(self: &Arc<Self>, revocations: &[Revocation]) {
        let news: Vec<_> = revocations.iter().filter(|known| self.list.revoke(**known)).copied().collect();
        if !news.is_empty() {
            tracing::info!(event = "revocations", count = news.len(), "a satellite remembered sign-outs");
            self.publish(&news).await;
        }
    }

    /// Reads the store on, to its end.
    pub(crate) async fn read(&self) -> Result<(), StoreError> {
        let mut reading = self.reading.lock().await;
        loop {
            let page = self.store.revocations(&reading.cursor).await?;
            let news: Vec<_> = page
                .revocations
                .iter()
                .filter(|revocation| self.list.revoke(**revocation))
                .copied()
                .collect();
            self.feed.push(&news);
            let emptied = reading.epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch);
            reading.epoch = Some(page.epoch);
            reading.cursor = page.cursor;
            if emptied {
                tracing::warn!(
                    event = "store",
                    "the store has lost something; writing what is known here again"
                );
                *self.unwritten() = self.list.parts().flatten().take(MOST_UNWRITTEN).collect();
                reading.cursor = Cursor::default();
            } else if !page.more {
                self.list.heard(self.clock.now());
                return Ok(());
            }
        }
    }

    /// Whether the store can be believed to have kept what was renewed within the last `span`: it was neither away nor
    /// emptied since. Of the time before this process nobody knows.
    pub(crate) async fn is_certain(&self, span: Duration) -> bool {
        if self.store.reach() != Reach::Everybody {
            return true;
        }
        // By this it learns whether it was emptied just now.
        let read = self.read().await;
        let failed = self.store.last_failed().is_some_and(|ago| ago <= span);
        read.is_ok() && !failed && self.started.elapsed() > span
    }

    /// Keeps list and store alike, for ever.
    pub(crate) async fn follow(self: Arc<Self>) {
        loop {
            // Also of a store that nobody else writes: by this it is found to work again. It has told the log already.
            let _ = self.read().await;
            self.write_again().await;
            self.list.show_age(self.clock.now());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A part at a time, so that what others write is heard meanwhile.
    async fn write_again(&self) {
        let waiting: Vec<_> = {
            let mut unwritten = self.unwritten();
            let first = unwritten.len().saturating_sub(AT_A_TIME);
            unwritten.drain(first..).collect()
        };
        if !waiting.is_empty() && self.store.revoke(&waiting).await.is_err() {
            self.unwritten().extend(waiting);
        }
    }

    /// How many revocations are known, and how many of them wait for the store.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.list.len(), self.unwritten().len())
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, Vec<Revocation>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
