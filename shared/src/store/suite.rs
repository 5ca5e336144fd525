//! What every store must do, run against each of them.
//!
//! Why: three implementations that differ in one case are three products.

#![expect(clippy::unwrap_used, clippy::panic, clippy::future_not_send, reason = "it runs in tests only")]

use std::time::Duration;

use super::{Claim, Claimed, Cursor, Kept, Lease, Limit, Past, Store, StoreKey, Written};
use crate::{
    clock::UnixTime,
    revocation::{Revocation, RevocationKey},
};

const SPAN: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(2);

fn key(name: &str) -> StoreKey {
    crate::key::digest("suite", &format!("{name} {}", uuid::Uuid::new_v4()))
}

fn kept(spent: StoreKey, granted: StoreKey, value: &str) -> Kept {
    let value = value.as_bytes().to_vec();
    Kept { spent, granted: Some(granted), value, grace: GRACE, claimed: Claimed::Already }
}

/// Runs all cases; `pass` lets time go by.
///
/// # Panics
/// If the store fails one.
pub async fn run(store: &dyn Store, pass: impl AsyncFn(Duration)) {
    one_holds_the_lease(store, &pass).await;
    a_result_is_for_those_who_come_late(store, &pass).await;
    a_result_that_nobody_has_waits_for_the_first(store, &pass).await;
    a_holder_who_was_replaced_writes_nothing(store, &pass).await;
    two_generations_back_get_nothing(store).await;
    revocations_are_read_in_order(store).await;
    counters_count_all_or_nothing(store, &pass).await;
    nonsense_is_forgotten(store).await;
}

async fn one_holds_the_lease(store: &dyn Store, pass: &impl AsyncFn(Duration)) {
    let (token, first, second) = (key("token"), Lease::new(), Lease::new());
    assert_eq!(store.claim(token, first, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    match store.claim(token, second, SPAN).await.unwrap() {
        Claim::Busy(left) => assert!(left <= SPAN, "{left:?}"),
        other => panic!("{other:?}"),
    }
    store.release(token, second).await.unwrap();
    assert!(matches!(store.claim(token, second, SPAN).await.unwrap(), Claim::Busy(_)), "not its to release");
    assert_eq!(
        store.claim(token, first, SPAN * 10).await.unwrap(),
        Claim::Leased(Past::Unknown),
        "prolonged"
    );
    pass(SPAN + Duration::from_secs(1)).await;
    assert!(matches!(store.claim(token, second, SPAN).await.unwrap(), Claim::Busy(_)));
    store.release(token, first).await.unwrap();
    assert_eq!(store.claim(token, second, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    pass(SPAN + Duration::from_secs(1)).await;
    assert_eq!(
        store.claim(token, first, SPAN).await.unwrap(),
        Claim::Leased(Past::Unknown),
        "R7: taken over"
    );
    store.release(token, first).await.unwrap();
}

async fn a_result_is_for_those_who_come_late(store: &dyn Store, pass: &impl AsyncFn(Duration)) {
    let (token, lease) = (key("token"), Lease::new());
    assert_eq!(store.claim(token, lease, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    assert_eq!(store.keep(lease, &kept(token, key("next"), "sealed")).await.unwrap(), Written::Yes);
    let late = store.claim(token, Lease::new(), SPAN).await.unwrap();
    assert_eq!(late, Claim::Kept(b"sealed".to_vec()), "R3");
    pass(GRACE + Duration::from_secs(1)).await;
    let later = Lease::new();
    assert_eq!(
        store.claim(token, later, SPAN).await.unwrap(),
        Claim::Leased(Past::Unknown),
        "R3: grace is over"
    );
    store.release(token, later).await.unwrap();
}

async fn a_result_that_nobody_has_waits_for_the_first(store: &dyn Store, pass: &impl AsyncFn(Duration)) {
    let (token, lease) = (key("token"), Lease::new());
    assert_eq!(store.claim(token, lease, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    let nobodys =
        Kept { claimed: Claimed::NotYet(Duration::from_hours(1)), ..kept(token, key("next"), "sealed") };
    assert_eq!(store.keep(lease, &nobodys).await.unwrap(), Written::Yes);
    pass(GRACE + Duration::from_secs(1)).await;
    for _ in 0..2 {
        let claim = store.claim(token, Lease::new(), SPAN).await.unwrap();
        assert_eq!(claim, Claim::Kept(b"sealed".to_vec()));
    }
    pass(GRACE + Duration::from_secs(1)).await;
    let later = Lease::new();
    assert_eq!(
        store.claim(token, later, SPAN).await.unwrap(),
        Claim::Leased(Past::Unknown),
        "R3: grace is over"
    );
    store.release(token, later).await.unwrap();
}

async fn a_holder_who_was_replaced_writes_nothing(store: &dyn Store, pass: &impl AsyncFn(Duration)) {
    let (token, slow, next) = (key("token"), Lease::new(), Lease::new());
    assert_eq!(store.claim(token, slow, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    pass(SPAN + Duration::from_secs(1)).await;
    assert_eq!(store.claim(token, next, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    let written = store.keep(slow, &kept(token, key("next"), "too late")).await.unwrap();
    assert_eq!(written, Written::LeaseLost, "R7");
    assert_eq!(store.keep(next, &kept(token, key("next"), "in time")).await.unwrap(), Written::Yes);
    assert_eq!(store.claim(token, slow, SPAN).await.unwrap(), Claim::Kept(b"in time".to_vec()));
}

async fn two_generations_back_get_nothing(store: &dyn Store) {
    let (first, second, third) = (key("first"), key("second"), key("third"));
    for (spent, granted) in [(first, second), (second, third)] {
        let lease = Lease::new();
        assert_eq!(store.claim(spent, lease, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
        assert_eq!(store.keep(lease, &kept(spent, granted, "sealed")).await.unwrap(), Written::Yes);
    }
    let lease = Lease::new();
    assert_eq!(store.claim(first, lease, SPAN).await.unwrap(), Claim::Leased(Past::Superseded), "R3");
    store.release(first, lease).await.unwrap();
    assert_eq!(store.claim(second, lease, SPAN).await.unwrap(), Claim::Kept(b"sealed".to_vec()));
}

async fn revocations_are_read_in_order(store: &dyn Store) {
    let revocation = |name: &str, at| Revocation {
        key: RevocationKey::of_session(name),
        at: UnixTime::from_seconds(at),
        until: UnixTime::from_seconds(4_000_000_000),
    };
    let mut cursor = Cursor::default();
    let mut page = store.revocations(&cursor).await.unwrap();
    while page.more {
        page = store.revocations(&page.cursor).await.unwrap();
    }
    cursor.clone_from(&page.cursor);
    let epoch = page.epoch;
    let (one, two, three) = (revocation("one", 1), revocation("two", 2), revocation("three", 3));
    store.revoke(&[one, two]).await.unwrap();
    let page = store.revocations(&cursor).await.unwrap();
    assert_eq!((page.revocations, page.more), (vec![one, two], false));
    store.revoke(&[three]).await.unwrap();
    let page = store.revocations(&page.cursor).await.unwrap();
    assert_eq!((&page.revocations, &page.epoch), (&vec![three], &epoch));
    assert!(store.revocations(&page.cursor).await.unwrap().revocations.is_empty());
    let many: Vec<_> = (0..10_000).map(|at| revocation("many", at)).collect();
    store.revoke(&many).await.unwrap();
    let mut read = Vec::new();
    let mut page = page;
    loop {
        page = store.revocations(&page.cursor).await.unwrap();
        read.extend_from_slice(&page.revocations);
        if !page.more {
            break;
        }
    }
    assert_eq!(read, many);
}

async fn counters_count_all_or_nothing(store: &dyn Store, pass: &impl AsyncFn(Duration)) {
    let (narrow, wide) = (key("narrow"), key("wide"));
    let limits = [
        Limit { counter: wide, most: 5, per: Duration::from_secs(2) },
        Limit { counter: narrow, most: 3, per: Duration::from_secs(2) },
    ];
    for _ in 0..3 {
        assert_eq!(store.count(&limits).await.unwrap(), Ok(()));
    }
    for _ in 0..10 {
        let refused = store.count(&limits).await.unwrap();
        assert!(refused.is_err_and(|wait| wait <= Duration::from_secs(2)), "S1");
    }
    assert_eq!(store.count(&limits[..1]).await.unwrap(), Ok(()), "what was refused was not counted");
    store.give_back(&limits).await.unwrap();
    assert_eq!(store.count(&limits).await.unwrap(), Ok(()));
    assert!(store.count(&limits).await.unwrap().is_err());
    pass(Duration::from_secs(3)).await;
    assert_eq!(store.count(&limits).await.unwrap(), Ok(()), "S3: no lock for ever");
    pass(Duration::from_secs(3)).await;
    store.give_back(&limits).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.count(&limits).await.unwrap(), Ok(()), "what is over is not given back twice");
    }
    assert!(store.count(&limits).await.unwrap().is_err());
}

async fn nonsense_is_forgotten(store: &dyn Store) {
    let (token, lease) = (key("token"), Lease::new());
    assert_eq!(store.claim(token, lease, SPAN).await.unwrap(), Claim::Leased(Past::Unknown));
    assert_eq!(store.keep(lease, &kept(token, key("next"), "nonsense")).await.unwrap(), Written::Yes);
    store.forget(token).await.unwrap();
    assert_eq!(store.claim(token, lease, SPAN).await.unwrap(), Claim::Leased(Past::Unknown), "R9");
    store.release(token, lease).await.unwrap();
}
