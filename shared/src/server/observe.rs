//! One log line and one measurement a request.
//!
//! Why: an incident is traced by the request's id, from the page a person saw to the line in the log. The line
//! has a constant size: path without query, no header, no body (threat-model S6, D7, D8).

use axum::{extract::Request, middleware::Next, response::Response};
use tracing::Instrument as _;

use crate::telemetry::Trace;

const LONGEST_PATH: usize = 256;

pub(super) async fn observe(request: Request, next: Next) -> Response {
    let trace = Trace::continued(request.headers());
    // Of the highest level, so that a warning has its ids where only warnings are logged.
    let span = tracing::error_span!("request", request_id = %trace.request_id, trace_id = %trace.trace_id());
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(LONGEST_PATH).collect();
    let started = tokio::time::Instant::now();
    let work = async {
        let response = next.run(request).await;
        let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
        let class = class_of(status);
        metrics::counter!("hallpass_http_requests_total", "status" => class).increment(1);
        metrics::histogram!("hallpass_http_request_duration_seconds", "status" => class).record(seconds);
        tracing::info!(event = "request", %method, path, status, seconds, "served");
        response
    };
    trace.scope(work.instrument(span)).await
}

fn class_of(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
