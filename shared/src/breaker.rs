//! A circuit breaker: a neighbour that does not answer is left alone for a while.
//!
//! Why: an outage with thousands of people in front of it becomes thousands of questions a second to a neighbour that
//! is trying to come up, and every one of them waits for its time-out first (threat-model R6). After a few failures in
//! a row nobody is let through for a pause, then one at a time; the first success opens the way for all.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row after which the way is shut.
const PATIENCE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// One for each neighbour.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    shut_until: Option<Instant>,
    pause: Duration,
}

impl Breaker {
    /// Whether the neighbour may be asked now. Whoever asks says afterwards how it went.
    ///
    /// # Errors
    /// How long it is left alone.
    pub fn enter(&self) -> Result<(), Duration> {
        let mut state = self.state();
        let now = Instant::now();
        match state.shut_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                // One tries; the others wait for how it fares, or for the next pause to end.
                state.shut_until = Some(now + state.pause);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The neighbour answered, whatever it said.
    pub fn answered(&self) {
        let mut state = self.state();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    /// It did not.
    pub fn failed(&self) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures < PATIENCE {
            return;
        }
        state.pause = (state.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        state.shut_until = Some(Instant::now() + jittered(state.pause));
    }

    /// Whether it is being left alone.
    pub fn is_shut(&self) -> bool {
        self.state().shut_until.is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between three and five quarters of `span`, so that many processes do not come back in one moment.
pub fn jittered(span: Duration) -> Duration {
    let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
    span * (192 + u32::from(byte) / 2) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dead_neighbour_is_asked_by_one_at_a_time_and_a_living_one_by_all() {
        // threat-model R6
        let breaker = Breaker::default();
        for _ in 0..PATIENCE {
            assert!(breaker.enter().is_ok());
            breaker.failed();
        }
        assert!(breaker.enter().is_err() && breaker.is_shut());
        let mut asked = 0;
        for _ in 0..60_000 {
            if breaker.enter().is_ok() {
                asked += 1;
                breaker.failed();
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!((10..40).contains(&asked), "{asked} questions in a minute of outage");
        tokio::time::advance(LONGEST_PAUSE * 2).await;
        assert!(breaker.enter().is_ok());
        assert!(breaker.enter().is_err(), "one at a time");
        breaker.answered();
        assert!((0..100).all(|_| breaker.enter().is_ok()));
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        let spans: Vec<_> = (0..1000).map(|_| jittered(Duration::from_secs(1)).as_millis()).collect();
        assert!(spans.iter().all(|span| (750..=1250).contains(span)));
        assert!(spans.iter().any(|span| *span < 900) && spans.iter().any(|span| *span > 1100));
    }
}
