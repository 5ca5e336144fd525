//! What is kept: a million revocations, and nothing for a session.

use std::{sync::Arc, time::Duration};

use hallpass_shared::{
    clock::UnixTime,
    revocation::{Revocation, RevocationKey, Revocations},
    token::Claims,
};
use tokio::time::Instant;

use crate::{
    numbers::{Number, Part},
    say,
    site::{Form, Site, ask},
};

const PART: Part = Part("Memory");

/// Memory of this process, in bytes (`/proc/self/statm`).
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[expect(clippy::cast_precision_loss, reason = "for a person")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

pub(crate) fn revocations() -> Vec<Number> {
    let at = UnixTime::from_seconds(1_800_000_000);
    let until = UnixTime::from_seconds(1_807_000_000);
    let list = Revocations::default();
    let before = resident();
    let mut known = 0;
    let mut numbers = Vec::new();
    for count in [1_000, 1_000_000] {
        while known < count {
            list.revoke(Revocation { key: RevocationKey::of_session(&known.to_string()), at, until });
            known += 1;
        }
        let claims =
            Claims { sid: Some("not revoked".into()), sub: Some("nobody".into()), ..Claims::default() };
        let begun = Instant::now();
        for _ in 0..200_000 {
            assert!(!std::hint::black_box(&list).covers(std::hint::black_box(&claims)));
        }
        let each = begun.elapsed() / 200_000;
        let used = mebibytes(resident().saturating_sub(before));
        say(&format!("  {count:>9} revocations: {used:.1} MiB, a check takes {each:?}"));
        let nanoseconds = each.as_secs_f64() * 1e9;
        numbers.push(PART.lower(format!("{count} revocations"), "MiB", &[used]));
        numbers.push(PART.lower(format!("a check against {count} revocations"), "ns", &[nanoseconds]));
    }
    numbers
}

pub(crate) async fn sessions(site: &Arc<Site>) -> Vec<Number> {
    let form = Form::of(site).await;
    let sign_in = async |from: usize, to: usize| {
        for number in from..to {
            let _ = ask(&site.auth_router, form.request(number)).await;
        }
    };
    sign_in(0, 5_000).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = resident();
    sign_in(5_000, 55_000).await;
    let after = resident();
    let more = mebibytes(after.saturating_sub(before));
    say(&format!("  50000 sessions more: {more:.1} MiB more (throttle counters of five minutes)"));
    vec![PART.lower("50000 sessions more, with the throttle's counters of five minutes", "MiB", &[more])]
}
