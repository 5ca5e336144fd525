//! The admin listener: health, readiness, metrics.
//!
//! Why: these are for the operator and the orchestrator; on a listener of their own nobody outside reaches them,
//! and no decision about a session depends on them (threat-model X4).

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::BoxFuture;
use http::{HeaderValue, StatusCode, header};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;

use crate::{
    clock::{Clock as _, SystemClock, UnixTime},
    refusal::Refusal,
    revocation::Revocations,
};

/// What was found about one part or neighbour.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Such as `auth server`.
    pub name: &'static str,
    /// Whether requests can be served.
    pub ok: bool,
    /// Whether something must be done all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub impaired: bool,
    /// What is wrong and what to do, or what was seen.
    pub detail: String,
}

impl Finding {
    /// All is well.
    pub fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, impaired: false, detail: detail.into() }
    }

    /// Something must be done.
    pub fn bad(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: false, impaired: false, detail: detail.into() }
    }

    /// Requests can be served, and something must be done.
    pub fn impaired(name: &'static str, detail: impl Into<String>) -> Self {
        Self { impaired: true, ..Self::good(name, detail) }
    }

    /// How old the list of sign-outs is, after `detail` (threat-model R8: never silently).
    pub fn revocations(list: &Revocations, now: UnixTime, detail: &str) -> Self {
        const NAME: &str = "revocations";
        let Some((age, allow)) = list.unheard_for(now) else { return Self::good(NAME, detail) };
        if age > allow {
            let problem = "admitting nobody, since sign-outs were not heard of for";
            return Self::bad(NAME, format!("{problem} {} s; {detail}", age.as_secs()));
        }
        if age > Duration::from_secs(5) {
            let left = allow.saturating_sub(age).as_secs();
            let problem = format!(
                "sign-outs were not heard of for {} s; sessions pass for {left} s more",
                age.as_secs()
            );
            return Self::impaired(
                NAME,
                format!("{problem} (setting `revocation.when_unreachable`); {detail}"),
            );
        }
        Self::good(NAME, detail)
    }
}

/// Looks whether a server can do its work.
pub trait Readiness: fmt::Debug + Send + Sync {
    /// What there is to say.
    fn findings(&self) -> BoxFuture<'_, Vec<Finding>>;
}

/// A counter that a program has, and, where it counts by a label, that label and its values.
pub type Counted = (&'static str, Option<(&'static str, &'static [&'static str])>);

/// Counters of auth server and satellite.
const OF_BOTH: [Counted; 7] = [
    ("hallpass_sign_ins_total", Some(("outcome", &SIGN_INS))),
    ("hallpass_sign_outs_total", None),
    ("hallpass_csrf_refused_total", None),
    ("hallpass_sessions_refused_total", Some(("cause", &Refusal::CODES))),
    ("hallpass_sessions_unavailable_total", Some(("cause", &["the backend", "the revocation feed"]))),
    ("hallpass_sessions_unreadable_total", None),
    ("hallpass_sessions_stale_total", None),
];
const SIGN_INS: [&str; 5] = ["ok", "denied", "throttled", "unavailable", "not_begun"];

/// Collects the metrics of this process, which is `program`; to be called once. Counters begin at 0: Prometheus sees no
/// increase in what was not there before, so the first event of a kind would raise no alert.
///
/// # Errors
/// If they are collected already.
pub fn collect_metrics(program: &'static str, counters: &[Counted]) -> Result<PrometheusHandle, BuildError> {
    const BUCKETS: [f64; 12] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];
    let metrics = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    let version = env!("CARGO_PKG_VERSION");
    metrics::gauge!("hallpass_build_info", "program" => program, "version" => version).set(1);
    // Its name is Prometheus' own.
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 285 million")]
    metrics::gauge!("process_start_time_seconds").set(SystemClock.now().as_seconds() as f64);
    for (name, label) in OF_BOTH.iter().chain(counters) {
        match label {
            None => metrics::counter!(*name).increment(0),
            Some((label, values)) => {
                for value in *values {
                    metrics::counter!(*name, *label => *value).increment(0);
                }
            }
        }
    }
    Ok(metrics)
}

#[derive(Clone)]
struct Admin {
    metrics: Option<PrometheusHandle>,
    readiness: Arc<dyn Readiness>,
}

/// `/healthz`: the process runs. `/readyz`: and can work. `/metrics`: for Prometheus.
pub fn router(metrics: Option<PrometheusHandle>, readiness: Arc<dyn Readiness>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(Admin { metrics, readiness })
}

async fn ready(State(admin): State<Admin>) -> Response {
    let findings = admin.readiness.findings().await;
    let ready = findings.iter().all(|finding| finding.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": ready, "checks": findings }))).into_response()
}

async fn scrape(State(admin): State<Admin>) -> Response {
    let Some(metrics) = admin.metrics else { return StatusCode::NOT_FOUND.into_response() };
    metrics.run_upkeep();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    ([(header::CONTENT_TYPE, kind)], metrics.render()).into_response()
}
