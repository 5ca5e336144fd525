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
}

/// How far the store was read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    cursor: Cursor,
    epoch: Option<String>,
}

impl Ledger {
    pub(crate) fn new(list: Arc<Revocations>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let feed = Arc::new(Feed::new(Arc::clone(&list), Arc::clone(&clock)));
        Self { list, store, clock, feed, unwritten: Mutex::default() }
    }

    /// Carries on what has ended: durable when this returns, unless the store is away.
    pub(crate) async fn publish(&self, revocations: &[Revocation]) {
        for revocation in revocations {
            self.list.revoke(*revocation);
        }
        self.feed.push(revocations);
        if let Err(error) = self.store.revoke(revocations).await {
            tracing::error!(
                event = "store",
                error = causes(&error),
                "a sign-out holds here and on the satellites, and is written later"
            );
            let mut unwritten = self.unwritten();
            let room = MOST_UNWRITTEN.saturating_sub(unwritten.len());
            unwritten.extend(revocations.iter().take(room));
        }
    }

    /// What satellites still knew of and this process did not.
    pub(crate) async fn learn(&self, revocations: &[Revocation]) {
        let news: Vec<_> = revocations.iter().filter(|known| self.list.revoke(**known)).copied().collect();
        if !news.is_empty() {
            tracing::info!(event = "revocations", count = news.len(), "a satellite remembered sign-outs");
            self.publish(&news).await;
        }
    }

    /// Reads the store on from where `reading` stands, to its end.
    pub(crate) async fn read(&self, reading: &mut Reading) -> Result<(), StoreError> {
        loop {
            let page = self.store.revocations(&reading.cursor).await?;
            let news: Vec<_> = page
                .revocations
                .iter()
                .filter(|revocation| self.list.revoke(**revocation))
                .copied()
                .collect();
            self.feed.push(&news);
            reading.cursor = page.cursor;
            if reading.epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch) {
                tracing::warn!(
                    event = "store",
                    "the store has lost something; writing what is known here again"
                );
                *self.unwritten() = self.list.parts().flatten().take(MOST_UNWRITTEN).collect();
                *reading = Reading { cursor: Cursor::default(), epoch: Some(page.epoch) };
                continue;
            }
            reading.epoch = Some(page.epoch);
            if !page.more {
                self.list.heard(self.clock.now());
                return Ok(());
            }
        }
    }

    /// Keeps list and store alike, for ever.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut reading = Reading::default();
        loop {
            if self.store.reach() == Reach::Everybody {
                // The store has told the log already.
                let _ = self.read(&mut reading).await;
            }
            self.write_again().await;
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
