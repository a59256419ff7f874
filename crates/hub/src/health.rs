//! For whoever watches the hub: liveness, readiness, figures.
use crate::Shared;
use crate::api::JSON;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The routes.
pub fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(async || health(true, &[])))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready is: a reader answers.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let reads = match shared.desk.store().read(|_, _| Ok(())) {
        Ok(waiting) => matches!(waiting.await, Ok(Ok(()))),
        Err(_) => false,
    };
    health(reads, &[("store", reads)])
}

/// Figures in Prometheus' text form. They name no device and no account.
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let figures = shared.desk.store().figures();
    let tally = figures.tally;
    let mut text = String::new();
    let mut figure = |name: &str, kind: &str, about: &str, value: u64| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP steward_{name} {about}\n# TYPE steward_{name} {kind}\nsteward_{name} {value}"
        );
    };
    figure("commands_total", "counter", "Commands that were committed.", tally.commands);
    figure("batches_total", "counter", "Transactions that were committed.", tally.batches);
    figure(
        "batches_retried_total",
        "counter",
        "Batches that failed and were repeated.",
        tally.retried_batches,
    );
    figure("journal_entries_total", "counter", "Journal entries written since the start.", tally.entries);
    figure("refusals_total", "counter", "Commands that were refused.", tally.refusals);
    figure("disk_full_total", "counter", "Commands refused because the disk is full.", tally.disk_full);
    figure("write_queue_commands", "gauge", "Commands waiting for the writer.", figures.waiting as u64);
    let requests = shared.requests.load(Ordering::Relaxed);
    figure("http_requests_total", "counter", "Requests to the people's listener.", requests);
    figure("check_ins_total", "counter", "Check-ins of devices.", shared.check_ins.count());
    figure("check_ins_held", "gauge", "Check-ins that wait for something to tell.", shared.check_ins.held());
    figure("gates_held", "gauge", "Gates that wait for another set of plans.", shared.gates.waiting());
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, text).into_response()
}

/// The answer of a health check.
fn health(good: bool, checks: &[(&str, bool)]) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks: serde_json::Map<_, _> =
        checks.iter().map(|(name, good)| ((*name).to_string(), Json::from(*good))).collect();
    let body = json!({"ok": good, "checks": checks}).to_string();
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
