//! Tests of the store that goes on without the store.
//!
//! Why: what another process finds when the store is back is what users notice of an outage.

use hallpass_shared::clock::{FixedClock, UnixTime};

use super::*;

/// Fails while it is told to, and can be emptied. Nobody else writes it, or so it says.
#[derive(Debug)]
struct Shaky {
    inner: Mutex<Arc<Memory>>,
    broken: std::sync::atomic::AtomicBool,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Whole,
    Broken,
}

impl Shaky {
    fn works(&self) -> Result<Arc<Memory>, StoreError> {
        if self.broken.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::new("broken on purpose"));
        }
        Ok(Arc::clone(&self.inner.lock().unwrap()))
    }

    fn turn(&self, state: State) {
        self.broken.store(state == State::Broken, std::sync::atomic::Ordering::SeqCst);
    }

    fn empty(&self) {
        *self.inner.lock().unwrap() = Arc::new(Memory::new(Arc::clone(&self.clock)));
    }
}

impl Store for Shaky {
    fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim> {
        Box::pin(async move { self.works()?.claim(key, lease, span).await })
    }
    fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written> {
        Box::pin(async move { self.works()?.keep(lease, kept).await })
    }
    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
        Box::pin(async move { self.works()?.release(key, lease).await })
    }
    fn forget(&self, key: StoreKey) -> Answer<'_, ()> {
        Box::pin(async move { self.works()?.forget(key).await })
    }
    fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()> {
        Box::pin(async move { self.works()?.revoke(revocations).await })
    }
    fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page> {
        Box::pin(async move { self.works()?.revocations(cursor).await })
    }
    fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>> {
        Box::pin(async move { self.works()?.count(limits).await })
    }
    fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()> {
        Box::pin(async move { self.works()?.give_back(limits).await })
    }
    fn reach(&self) -> Reach {
        Reach::Machine
    }
    fn health(&self) -> Result<String, String> {
        Ok("a shaky store".into())
    }
}

/// Somebody else, who shares this store.
fn neighbour(shaky: &Arc<Shaky>) -> Failsafe {
    Failsafe::new(Arc::clone(shaky) as Arc<dyn Store>, Arc::clone(&shaky.clock))
}

fn shaky() -> (Arc<Shaky>, Failsafe) {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(UnixTime::from_seconds(1_800_000_000)));
    let inner = Mutex::new(Arc::new(Memory::new(Arc::clone(&clock))));
    let shaky = Arc::new(Shaky { inner, broken: false.into(), clock: Arc::clone(&clock) });
    (Arc::clone(&shaky), Failsafe::new(shaky, clock))
}

const SPAN: Duration = Duration::from_secs(10);

async fn renew(store: &Failsafe, spent: StoreKey, granted: StoreKey) {
    let lease = Lease::new();
    assert!(matches!(store.claim(spent, lease, SPAN).await.unwrap(), Claim::Leased(_)));
    let claimed = hallpass_shared::store::Claimed::Already;
    let kept = Kept { spent, granted: Some(granted), value: vec![spent[0]], grace: SPAN, claimed };
    assert_eq!(store.keep(lease, &kept).await.unwrap(), Written::Yes);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_found_though_the_store_is_away_or_was_emptied() {
    // threat-model R8
    let (shaky, store) = shaky();
    renew(&store, [1; 32], [2; 32]).await;
    shaky.empty();
    assert_eq!(store.claim([1; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![1]));
    shaky.turn(State::Broken);
    assert_eq!(store.claim([1; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![1]));
    renew(&store, [7; 32], [8; 32]).await;
    assert!(store.health().unwrap_err().contains("broken on purpose"));
    shaky.turn(State::Whole);
    assert_eq!(store.claim([7; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![7]));
    assert!(store.health().is_err(), "it may be one that reads and does not write");
    tokio::time::advance(CALM).await;
    assert_eq!(store.claim([7; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![7]));
    assert_eq!(store.health().unwrap(), "a shaky store");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_reads_and_does_not_write_is_broken_all_the_while() {
    let (shaky, store) = shaky();
    for _ in 0..5 {
        shaky.turn(State::Broken);
        assert!(store.revoke(&[]).await.is_err());
        shaky.turn(State::Whole);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            store.revocations(&Cursor::default()).await.unwrap();
            assert!(store.health().is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_nobody_asks_for_anything_is_found_to_work_again() {
    let (shaky, store) = shaky();
    let (store, clock) = (Arc::new(store), Arc::clone(&shaky.clock));
    let list = Arc::new(hallpass_shared::revocation::Revocations::default());
    let ledger = Arc::new(crate::ledger::Ledger::new(list, Arc::clone(&store) as Arc<dyn Store>, clock));
    shaky.turn(State::Broken);
    assert!(store.revoke(&[]).await.is_err());
    shaky.turn(State::Whole);
    let following = tokio::spawn(ledger.follow());
    tokio::time::sleep(CALM / 2).await;
    assert!(store.health().is_err());
    tokio::time::sleep(CALM).await;
    assert_eq!(store.health().unwrap(), "a shaky store");
    following.abort();
}

#[tokio::test]
async fn the_spare_does_not_bring_back_what_the_store_has_superseded() {
    // threat-model R3
    let (_, store) = shaky();
    renew(&store, [1; 32], [2; 32]).await;
    renew(&store, [2; 32], [3; 32]).await;
    let claim = store.claim([1; 32], Lease::new(), SPAN).await.unwrap();
    assert_eq!(claim, Claim::Leased(Past::Superseded));
}

#[tokio::test]
async fn guesses_are_counted_though_the_store_is_away() {
    let (shaky, store) = shaky();
    shaky.turn(State::Broken);
    let limits = [Limit { counter: [1; 32], most: 2, per: SPAN }];
    assert_eq!(store.count(&limits).await.unwrap(), Ok(()));
    assert_eq!(store.count(&limits).await.unwrap(), Ok(()));
    assert!(store.count(&limits).await.unwrap().is_err());
}

#[tokio::test]
async fn what_ended_while_the_store_was_away_ends_for_the_others_when_it_is_back() {
    // threat-model R7, R8
    let (shaky, store) = shaky();
    let other = neighbour(&shaky);
    let (traded, given_up) = (Lease::new(), Lease::new());
    for (key, lease) in [([1; 32], traded), ([4; 32], given_up)] {
        assert!(matches!(store.claim(key, lease, SPAN).await.unwrap(), Claim::Leased(_)));
    }
    shaky.turn(State::Broken);
    let claimed = hallpass_shared::store::Claimed::Already;
    let kept = Kept { spent: [1; 32], granted: Some([2; 32]), value: vec![1], grace: SPAN, claimed };
    assert_eq!(store.keep(traded, &kept).await.unwrap(), Written::Yes);
    store.release([4; 32], given_up).await.unwrap();
    assert!(store.revocations(&Cursor::default()).await.is_err(), "nothing is forgotten by asking too early");
    shaky.turn(State::Whole);
    assert!(
        matches!(other.claim([1; 32], Lease::new(), SPAN).await.unwrap(), Claim::Busy(_)),
        "still leased"
    );
    store.revocations(&Cursor::default()).await.unwrap();
    assert_eq!(other.claim([1; 32], Lease::new(), SPAN).await.unwrap(), Claim::Kept(vec![1]));
    assert!(matches!(other.claim([4; 32], Lease::new(), SPAN).await.unwrap(), Claim::Leased(_)));
}
