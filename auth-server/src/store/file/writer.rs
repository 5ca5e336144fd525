//! The one thread that writes the file.
//!
//! Why: redb has one writer, and writes that come together share a flush of the disk.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use hallpass_shared::{
    clock::{Clock, UnixTime},
    revocation::Revocation,
    store::{Claimed, Kept, Memory, StoreError, StoreKey},
};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

/// By spent token: the end (seconds, big-endian), the granted token or zeros, the sealed result.
const RESULTS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("results");
const REVOCATIONS: TableDefinition<'_, u64, [u8; 24]> = TableDefinition::new("revocations");
/// After so many more revocations those that are over leave.
const TIDIED: u64 = 100_000;
/// Writes that wait; beyond it whoever writes waits for a place.
pub(super) const QUEUE: usize = 1024;

#[derive(Debug)]
pub(super) enum Write {
    /// A result and its end; the generation before goes with it.
    Keep {
        end: UnixTime,
        kept: Kept,
        before: Option<StoreKey>,
    },
    Forget(StoreKey),
    Revoke(Vec<Revocation>),
}

pub(super) type Ends = VecDeque<(UnixTime, StoreKey)>;

/// What is still good, into memory; what is over, out of the file.
pub(super) fn load(database: &Database, memory: &Memory, now: UnixTime) -> Result<(Ends, u64), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut results = write.open_table(RESULTS)?;
        results.retain(|_, row| row_end(row) >= now)?;
        let mut revocations = write.open_table(REVOCATIONS)?;
        revocations.retain(|_, bytes| Revocation::from_bytes(&bytes).until >= now)?;
    }
    write.commit()?;
    let read = database.begin_read()?;
    let mut kept = Vec::new();
    for row in read.open_table(RESULTS)?.iter()? {
        let (key, row) = row?;
        kept.extend(result_of(key.value(), row.value(), now));
    }
    kept.sort_by_key(|(end, _)| *end);
    for (_, kept) in &kept {
        memory.put(kept);
    }
    let mut last = 0;
    let mut page = Vec::new();
    for row in read.open_table(REVOCATIONS)?.iter()? {
        let (number, bytes) = row?;
        last = number.value();
        page.push(Revocation::from_bytes(&bytes.value()));
    }
    memory.add(&page);
    Ok((kept.into_iter().map(|(end, kept)| (end, kept.spent)).collect(), last))
}

fn row_end(row: &[u8]) -> UnixTime {
    UnixTime::from_seconds(row.first_chunk::<8>().map_or(0, |end| i64::from_be_bytes(*end)))
}

fn row_of(end: UnixTime, kept: &Kept) -> Vec<u8> {
    let granted = kept.granted.unwrap_or_default();
    [&end.as_seconds().to_be_bytes()[..], &granted, &kept.value].concat()
}

fn result_of(spent: StoreKey, row: &[u8], now: UnixTime) -> Option<(UnixTime, Kept)> {
    let (granted, value) = row.get(8..)?.split_first_chunk::<32>()?;
    let granted = Some(*granted).filter(|granted| *granted != StoreKey::default());
    let end = row_end(row);
    let (value, grace) = (value.to_vec(), end.since(now));
    Some((end, Kept { spent, granted, value, grace, claimed: Claimed::Already }))
}

/// The one that writes.
pub(super) struct Writer {
    path: PathBuf,
    /// Closed after a failure, for redb takes no more then, and opened again with the next write.
    database: Option<Database>,
    ends: Ends,
    last: u64,
    clock: Arc<dyn Clock>,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        database: Database,
        (ends, last): (Ends, u64),
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { path, database: Some(database), ends, last, clock }
    }

    pub(super) fn run(mut self, mut queue: mpsc::Receiver<(Write, oneshot::Sender<Result<(), StoreError>>)>) {
        let mut batch = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            batch.push(first);
            while batch.len() < QUEUE
                && let Ok(next) = queue.try_recv()
            {
                batch.push(next);
            }
            let written = self.write(batch.iter().map(|(write, _)| write));
            if let Err(error) = &written {
                tracing::error!(event = "store", %error, "the store's file could not be written");
                self.database = None;
            }
            for (_, done) in batch.drain(..) {
                let told = written.as_ref().copied().map_err(|error| {
                    StoreError::caused("the store's file cannot be written", error.to_string())
                });
                let _ = done.send(told);
            }
        }
    }

    fn write<'w>(&mut self, batch: impl Iterator<Item = &'w Write>) -> Result<(), redb::Error> {
        let now = self.clock.now();
        if self.database.is_none() {
            // Opened, never made: a new one would know nothing.
            let database = Database::open(&self.path)?;
            let scratch = Memory::new(Arc::clone(&self.clock));
            (self.ends, self.last) = load(&database, &scratch, now)?;
            self.database = Some(database);
        }
        let Some(database) = &self.database else { return Ok(()) };
        let transaction = database.begin_write()?;
        let (mut last, mut ends) = (self.last, Vec::new());
        clean(&mut self.ends, &transaction, now)?;
        {
            let mut results = transaction.open_table(RESULTS)?;
            let mut revoked = transaction.open_table(REVOCATIONS)?;
            for write in batch {
                match write {
                    Write::Keep { end, kept, before } => {
                        if let Some(before) = before {
                            results.remove(before)?;
                        }
                        results.insert(kept.spent, row_of(*end, kept).as_slice())?;
                        ends.push((*end, kept.spent));
                    }
                    Write::Forget(key) => {
                        results.remove(key)?;
                    }
                    Write::Revoke(revocations) => {
                        for revocation in revocations {
                            last += 1;
                            revoked.insert(last, revocation.to_bytes())?;
                        }
                    }
                }
            }
        }
        if last / TIDIED > self.last / TIDIED {
            let mut revoked = transaction.open_table(REVOCATIONS)?;
            revoked.retain(|_, bytes| Revocation::from_bytes(&bytes).until >= now)?;
        }
        transaction.commit()?;
        self.last = last;
        self.ends.extend(ends);
        Ok(())
    }
}

/// What is over goes.
fn clean(ends: &mut Ends, transaction: &WriteTransaction, now: UnixTime) -> Result<(), redb::Error> {
    let mut results = transaction.open_table(RESULTS)?;
    while let Some((_, key)) = ends.pop_front_if(|(end, _)| *end < now) {
        let over = results.get(key)?.is_some_and(|row| row_end(row.value()) < now);
        if over {
            results.remove(key)?;
        }
    }
    Ok(())
}
