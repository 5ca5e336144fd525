//! One expired access token and everybody at once.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    say,
    site::{Site, ask, renewed, session},
};

/// A storm, and beside it the same crowd with nothing to renew: what the machine takes for so many requests anyway.
pub(crate) async fn measure(name: &str, site: &Site, count: usize) {
    let fresh = site.cookie(1, 3600);
    let calm = Instant::now();
    crowd(site, &fresh, count).await;
    let calm = calm.elapsed();

    let expired = site.cookie(2, -1);
    let begun = Instant::now();
    let (good, last) = crowd(site, &expired, count).await;
    let whole = begun.elapsed();
    let asked = site.stub.refreshes.load(Ordering::SeqCst);
    let after = last.saturating_duration_since(site.stub.answered_at());
    say(&format!(
        "  {name:8} {good} of {count} renewed, {asked} refresh at the backend; all in {whole:.1?}, the last {after:.1?} after \
         the backend's answer; the same crowd with nothing to renew: {calm:.1?}"
    ));
}

async fn crowd(site: &Site, cookie: &str, count: usize) -> (usize, Instant) {
    let tasks = (0..count).map(|_| {
        let (router, request) = (site.satellite.clone(), session(cookie));
        tokio::spawn(async move {
            let good = renewed(&ask(&router, request).await);
            (good, Instant::now())
        })
    });
    let ended = join_all(tasks).await;
    let good = ended.iter().filter(|ended| ended.as_ref().is_ok_and(|(good, _)| *good)).count();
    let last = ended.iter().filter_map(|ended| ended.as_ref().ok().map(|(_, at)| *at)).max();
    tokio::time::sleep(Duration::from_millis(50)).await;
    (good, last.unwrap())
}
