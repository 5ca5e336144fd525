//! One log line and one measurement a request.
//!
//! Why: an incident is traced by the request's id, from the page a person saw to the line in the log. The line
//! has a constant size: path without query, no header, no body (threat-model S6, D7, D8).

use std::sync::Arc;

use axum::{extract::Request, response::Response};
use http::{Method, Uri};
use metrics::{Counter, Histogram};
use tokio::time::Instant;
use tracing::Span;

use crate::telemetry::Trace;

const LONGEST_PATH: usize = 256;
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Counters and times by class of status, looked up once.
pub(super) struct Measures([(Counter, Histogram); 4]);

impl Measures {
    pub(super) fn new() -> Self {
        Self(CLASSES.map(|class| {
            let count = metrics::counter!("hallpass_http_requests_total", "status" => class);
            (count, metrics::histogram!("hallpass_http_request_duration_seconds", "status" => class))
        }))
    }

    fn of(&self, status: u16) -> Option<&(Counter, Histogram)> {
        let [successes, redirections, client_errors, server_errors] = &self.0;
        Some(match status {
            200..=299 => successes,
            300..=399 => redirections,
            400..=499 => client_errors,
            // An open socket is measured by itself.
            100..=199 => return None,
            _ => server_errors,
        })
    }
}

/// Of the highest level, so that a warning has its ids where only warnings are logged.
pub(super) fn span(trace: &Trace) -> Span {
    tracing::error_span!("request", request_id = %trace.request_id(), trace_id = %trace.trace_id())
}

/// What is known of a request before it is served.
pub(super) struct Seen {
    method: Method,
    uri: Uri,
    started: Instant,
    measures: Arc<Measures>,
}

impl Seen {
    pub(super) fn of(request: &Request, measures: &Arc<Measures>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { method, uri, started: Instant::now(), measures: Arc::clone(measures) }
    }

    /// Counts it, and writes its line.
    pub(super) fn served(self, response: &Response) {
        let (status, seconds) = (response.status().as_u16(), self.started.elapsed().as_secs_f64());
        if let Some((count, times)) = self.measures.of(status) {
            count.increment(1);
            times.record(seconds);
        }
        if tracing::enabled!(tracing::Level::INFO) {
            let path: String = self.uri.path().chars().take(LONGEST_PATH).collect();
            tracing::info!(event = "request", method = %self.method, path, status, seconds, "served");
        }
    }
}
