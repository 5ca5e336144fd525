//! The feed of sign-outs to satellites: a snapshot, then each as it happens.
//!
//! Why: a satellite asks nobody about a request, so it must be told (threat-model T14). The feed is one long answer of
//! JSON lines. Whoever comes back with a cursor of this process gets what was missed; anybody else gets all of it. A line
//! each second shows that it lives.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use hallpass_shared::{
    clock::Clock,
    internal::{FEED_PULSE, FeedLine, pack},
    revocation::{Revocation, Revocations},
};
use tokio::sync::watch;

/// Revocations that somebody who comes back can have without a snapshot.
const RECENT: usize = 10_000;
const LINE: usize = 1000;

/// What happened lately, and who waits for more.
#[derive(Debug)]
pub(crate) struct Feed {
    list: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    node: String,
    recent: Mutex<Recent>,
    news: watch::Sender<News>,
}

#[derive(Debug, Default)]
struct Recent {
    /// The number of the first entry below.
    first: u64,
    entries: VecDeque<Revocation>,
}

#[derive(Clone, Copy, Debug)]
struct News {
    last: u64,
    closing: bool,
}

/// Where a reader stands.
enum Place {
    Hello { from: Option<u64> },
    Snapshot { part: usize, then: u64 },
    Tail { after: u64 },
}

impl Feed {
    pub(crate) fn new(list: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        let recent = Recent { first: 1, entries: VecDeque::new() };
        Self {
            list,
            clock,
            node: uuid::Uuid::new_v4().to_string(),
            recent: Mutex::new(recent),
            news: watch::Sender::new(News { last: 0, closing: false }),
        }
    }

    /// Tells all who listen.
    pub(crate) fn push(&self, revocations: &[Revocation]) {
        if revocations.is_empty() {
            return;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.entries.extend(revocations);
        while recent.entries.len() > RECENT {
            recent.entries.pop_front();
            recent.first += 1;
        }
        let last = recent.last();
        self.news.send_modify(|news| news.last = last);
    }

    /// Ends every feed, so that the process can end.
    pub(crate) fn close(&self) {
        self.news.send_modify(|news| news.closing = true);
    }

    /// Lines from here on; `asked` is a node and a cursor of it.
    pub(crate) fn stream(
        self: Arc<Self>,
        asked: Option<(&str, u64)>,
    ) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<> {
        let from = asked.filter(|(node, _)| *node == self.node).map(|(_, cursor)| cursor);
        let news = self.news.subscribe();
        unfold((self, news, Place::Hello { from }), |(feed, mut news, place)| async move {
            if news.borrow().closing {
                return None;
            }
            let (line, place) = match place {
                Place::Hello { from } => feed.hello(from),
                Place::Snapshot { part, then } => feed.snapshot(part, then),
                Place::Tail { after } => feed.tail(after, &mut news).await?,
            };
            let mut text = serde_json::to_vec(&line).unwrap_or_default();
            text.push(b'\n');
            Some((Ok(Bytes::from(text)), (feed, news, place)))
        })
    }

    fn hello(&self, from: Option<u64>) -> (FeedLine, Place) {
        let line = FeedLine { node: Some(self.node.clone()), ..FeedLine::default() };
        let place = match from.filter(|after| self.since(*after).is_some()) {
            Some(after) => Place::Tail { after },
            None => Place::Snapshot { part: 0, then: self.news.borrow().last },
        };
        (line, place)
    }

    fn snapshot(&self, part: usize, then: u64) -> (FeedLine, Place) {
        if part >= Revocations::PARTS {
            let line = FeedLine { cursor: self.if_current(then), ..FeedLine::default() };
            return (line, Place::Tail { after: then });
        }
        let line = FeedLine { revoked: pack(&self.list.part(part)), ..FeedLine::default() };
        (line, Place::Snapshot { part: part + 1, then })
    }

    /// The next line; none when the process ends.
    async fn tail(&self, after: u64, news: &mut watch::Receiver<News>) -> Option<(FeedLine, Place)> {
        let waited = news.wait_for(|news| news.closing || news.last > after);
        if let Ok(news) = tokio::time::timeout(FEED_PULSE, waited).await
            && news.is_ok_and(|news| news.closing)
        {
            return None;
        }
        let Some(missed) = self.since(after) else {
            return Some(self.snapshot(0, self.news.borrow().last));
        };
        let cursor = after + missed.len() as u64;
        let line =
            FeedLine { revoked: pack(&missed), cursor: self.if_current(cursor), ..FeedLine::default() };
        Some((line, Place::Tail { after: cursor }))
    }

    /// A cursor says that everything up to it was told. A list that is not whole, or not of now, says no such thing.
    fn if_current(&self, cursor: u64) -> Option<u64> {
        self.list.is_current(self.clock.now()).then_some(cursor)
    }

    /// What came after `after`, a line's worth; nothing if that is not known any more, or was never.
    fn since(&self, after: u64) -> Option<Vec<Revocation>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if after > recent.last() {
            return None;
        }
        let skip = usize::try_from((after + 1).checked_sub(recent.first)?).ok()?;
        Some(recent.entries.iter().skip(skip).take(LINE).copied().collect())
    }
}

impl Recent {
    fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }
}
