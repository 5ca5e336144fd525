//! Logs and traces: how a process tells what it does.
//!
//! Why: an incident is explained from the log, and the log must not be one itself (threat-model A10, X1, X2):
//! JSON lines by default, control characters escaped, no query, no cookie, no user input in labels. Every
//! request has an id and takes part in the caller's trace (W3C Trace Context, section 3.2).

use std::{
    error::Error,
    fmt::Write as _,
    future::Future,
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderValue};
use tracing::Instrument as _;
use tracing_subscriber::{
    EnvFilter, filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};
use uuid::Uuid;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For reading by eye.
    Pretty,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The level is not one of `tracing`'s directives.
    #[error(
        "`{0}` is not understood; use error, warn, info, debug, trace or directives such as hallpass_shared=debug,info"
    )]
    Level(String),
    /// Another logger is there already.
    #[error("logging is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up logging of the process, to standard error. `level` is a directive such as `info` or
/// `hallpass_shared=debug,info`.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let filter = filter(level).ok_or_else(|| TelemetryError::Level(level.to_owned()))?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => {
            let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
            registry.with(json.with_writer(std::io::stderr)).try_init()?;
        }
        LogFormat::Pretty => {
            let text = tracing_subscriber::fmt::layer().with_target(false).with_ansi(false);
            registry.with(text.with_writer(std::io::stderr)).try_init()?;
        }
    }
    Ok(())
}

/// Whether `level` is a directive that [`init`] takes.
pub fn is_level(level: &str) -> bool {
    filter(level).is_some()
}

/// A misspelt level alone is refused: to the filter it would name a module, and everything else would fall silent.
fn filter(level: &str) -> Option<EnvFilter> {
    let is_known =
        |part: &str| part.contains('=') || (!part.is_empty() && LevelFilter::from_str(part).is_ok());
    level.split(',').all(|part| is_known(part.trim())).then(|| EnvFilter::from_str(level).ok()).flatten()
}

/// An error with its causes, which JSON lines would leave out.
pub fn causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}

/// `work` as part of the request being served, for a task of its own.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let (trace, work) = (Trace::current(), work.in_current_span());
    async move {
        match trace {
            Some(trace) => trace.scope(work).await,
            None => work.await,
        }
    }
}

/// The place of one request in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    request: u128,
    id: u128,
    sampled: bool,
}

tokio::task_local! {
    static CURRENT: Trace;
}

impl Trace {
    /// Goes on with the caller's `traceparent`, or starts a trace.
    pub fn continued(headers: &HeaderMap) -> Self {
        let caller = headers.get("traceparent").and_then(|value| parse_traceparent(value.to_str().ok()?));
        let (id, sampled) = caller.unwrap_or_else(|| (fresh_id(), false));
        Self { request: fresh_id(), id, sampled }
    }

    /// Id of this request, given by us, in hexadecimal.
    pub fn request_id(&self) -> String {
        format!("{:032x}", self.request)
    }

    /// The trace's id in hexadecimal.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    /// Runs `work` as part of this trace.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The trace of the request being served, if any.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|trace| *trace).ok()
    }

    /// The `traceparent` to send on to a neighbour, with a span id of its own.
    pub fn parent_header(&self) -> Option<HeaderValue> {
        let [span, _] = halves(fresh_id());
        let mut text = format!("00-{:032x}-{span:016x}-", self.id);
        write!(text, "{:02x}", u8::from(self.sampled)).ok()?;
        HeaderValue::try_from(text).ok()
    }
}

/// An id that nobody else has. It is no secret, so it need not cost a call of the system each time: numbers in turn,
/// spread over all values (`SplitMix64`) from where this process began by chance.
fn fresh_id() -> u128 {
    static BEGINNING: LazyLock<u128> = LazyLock::new(|| Uuid::new_v4().as_u128());
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let spread = |beginning: u64| {
        let step = beginning.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let step = (step ^ (step >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let step = (step ^ (step >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        step ^ (step >> 31)
    };
    let [high, low] = halves(*BEGINNING);
    u128::from(spread(high)) << 64 | u128::from(spread(low))
}

fn halves(id: u128) -> [u64; 2] {
    let half = |id: u128| u64::try_from(id & u128::from(u64::MAX)).unwrap_or_default();
    [half(id >> 64), half(id)]
}

fn parse_traceparent(text: &str) -> Option<(u128, bool)> {
    let hex = |part: &str, len| {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (part.len() == len && part.bytes().all(lower)).then(|| u128::from_str_radix(part, 16).ok()).flatten()
    };
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let (trace, parent, flags) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
    let whole = version != 0xff && (version > 0 || parts.next().is_none());
    (whole && trace != 0 && parent != 0).then_some((trace, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_noticed() {
        for level in ["info", "WARN", "off", "hallpass_shared=debug,info", "hallpass_shared=debug, info"] {
            assert!(is_level(level), "{level}");
        }
        for level in ["", "inof", "info,", "hallpass_shared", "nonsense==", "info,debugg"] {
            assert!(!is_level(level), "{level}");
        }
    }

    #[test]
    fn a_trace_is_taken_and_passed_on() {
        let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers =
            HeaderMap::from_iter([("traceparent".parse().unwrap(), HeaderValue::from_static(caller))]);
        let trace = Trace::continued(&headers);
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        let sent = trace.parent_header().unwrap().to_str().unwrap().to_owned();
        assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with("-01"), "{sent}");
        assert_ne!(sent, caller, "with a span id of its own");
        for bad in ["", "00-0-0-0", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "é"] {
            assert_eq!(parse_traceparent(bad), None, "{bad}");
        }
    }
}
