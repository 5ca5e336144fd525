//! One expired access token and everybody at once.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    numbers::{Number, Part, as_float},
    say,
    site::{Site, ask, renewed, session},
};

const PART: Part =
    Part("A storm: 10,000 requests with one expired access token, all at once, at a satellite");

/// Requests that came all at once: when the first came, and when each came and was answered.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) begun: Instant,
    pub(crate) answers: Vec<(Instant, Instant)>,
    renewed: usize,
}

impl Crowd {
    fn last(&self) -> Instant {
        self.answers.iter().map(|(_, answered)| *answered).max().unwrap()
    }
}

/// A storm, and beside it the same crowd with nothing to renew: what the machine takes for so many requests anyway.
pub(crate) async fn measure(name: &str, site: &Site, count: usize) -> Vec<Number> {
    let fresh = site.cookie(1, 3600);
    let calm = Instant::now();
    crowd(site, &fresh, count).await;
    let calm = calm.elapsed();

    let expired = site.cookie(2, -1);
    let begun = Instant::now();
    let storm = crowd(site, &expired, count).await;
    let whole = begun.elapsed();
    let (good, last) = (storm.renewed, storm.last());
    let asked = site.stub.refreshes.load(Ordering::SeqCst);
    let after = last.saturating_duration_since(site.stub.answered_at());
    say(&format!(
        "  {name:8} {good} of {count} renewed, {asked} refresh at the backend; all in {whole:.1?}, the last {after:.1?} after \
         the backend's answer; the same crowd with nothing to renew: {calm:.1?}"
    ));
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    vec![
        PART.exactly(format!("{name}: renewed, of {count}"), count, good),
        PART.exactly(format!("{name}: refreshes at the backend"), 1, usize::try_from(asked).unwrap()),
        PART.lower(format!("{name}: all answered in"), "ms", &[milliseconds(whole)]),
        PART.lower(
            format!("{name}: from the backend's answer to the last of ours"),
            "ms",
            &[milliseconds(after)],
        ),
        PART.lower(format!("{name}: the same crowd with nothing to renew"), "ms", &[milliseconds(calm)]),
        PART.lower(
            format!("{name}: storm ÷ nothing to renew"),
            "×",
            &[whole.as_secs_f64() / calm.as_secs_f64()],
        ),
    ]
}

/// The whole story of one storm, for a picture.
#[derive(Debug)]
pub(crate) struct Story {
    /// The same requests with nothing to renew.
    pub(crate) calm: Crowd,
    pub(crate) storm: Crowd,
    /// When the backend was asked, and when it answered.
    pub(crate) refresh: (Instant, Instant),
    pub(crate) refreshes: usize,
    pub(crate) renewed: usize,
}

/// A storm over a backend that takes its time, so that everybody has to wait for it.
pub(crate) async fn story(site: &Site, count: usize) -> Story {
    // Connections and memory are there before.
    crowd(site, &site.cookie(3, 3600), count).await;
    let calm = crowd(site, &site.cookie(1, 3600), count).await;
    let storm = crowd(site, &site.cookie(2, -1), count).await;
    let refreshes = usize::try_from(site.stub.refreshes.load(Ordering::SeqCst)).unwrap();
    let (refresh, renewed) = ((site.stub.asked_at(), site.stub.answered_at()), storm.renewed);
    Story { calm, storm, refresh, refreshes, renewed }
}

impl Story {
    /// How long each waited, in milliseconds, from the shortest to the longest.
    pub(crate) fn waits(&self) -> Vec<f64> {
        let took = |(came, answered): &(Instant, Instant)| answered.duration_since(*came).as_secs_f64();
        let mut waits: Vec<_> = self.storm.answers.iter().map(|answer| took(answer) * 1000.0).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// The share of the waits that are not longer than this.
    pub(crate) fn share_within(&self, milliseconds: f64) -> f64 {
        let waits = self.waits();
        as_float(waits.partition_point(|wait| *wait <= milliseconds)) / as_float(waits.len())
    }
}

async fn crowd(site: &Site, cookie: &str, count: usize) -> Crowd {
    let begun = Instant::now();
    let tasks = (0..count).map(|_| {
        let (router, request) = (site.satellite.clone(), session(cookie));
        tokio::spawn(async move {
            let came = Instant::now();
            let good = renewed(&ask(&router, request).await);
            (good, (came, Instant::now()))
        })
    });
    let ended: Vec<_> = join_all(tasks).await.into_iter().filter_map(Result::ok).collect();
    let renewed = ended.iter().filter(|(good, _)| *good).count();
    tokio::time::sleep(Duration::from_millis(50)).await;
    Crowd { begun, answers: ended.into_iter().map(|(_, times)| times).collect(), renewed }
}
