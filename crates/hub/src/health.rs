//! For whoever watches the hub: liveness, readiness, figures.
use crate::Shared;
use crate::api::JSON;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fleet::audit::clock::rules::is_behind;
use fleet::audit::store::journal_newest;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// The routes.
pub fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(async || health(&[])))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// What has to be good for the hub to be ready, and why it is not.
type Check = (&'static str, Option<String>);

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    health(&checks(&shared).await)
}

/// Ready is: a reader answers, the clock is right as far as the journal knows, and nothing keeps the writer from
/// writing. Nothing is written to know that.
async fn checks(shared: &Shared) -> [Check; 3] {
    let look = shared.desk.look(|tx, now| Ok((now, journal_newest(tx)?))).await;
    let clock = look.as_ref().ok().filter(|(now, newest)| is_behind(*now, *newest)).map(|(now, newest)| {
        format!(
            "clock-behind: the hub's clock says {now}, but its newest journal entry is of {newest}: nothing is \
             issued, revoked or expired; set the clock, or accept it with `steward serve --accept-clock WHY`"
        )
    });
    let store = look.err().map(|why| format!("{}: {}", why.code, why.detail));
    let writer = shared.desk.trouble().map(|(code, detail)| format!("{code}: {detail}"));
    [("store", store), ("writer", writer), ("clock", clock)]
}

/// Figures in Prometheus' text form. They name no device and no account.
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let figures = shared.desk.store().figures();
    let tally = figures.tally;
    let mut text = String::new();
    let mut figure = |name: &str, kind: &str, about: &str, value: u64| {
        family(&mut text, name, kind, about, [(String::new(), value)]);
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
    let people = &shared.tallies.people;
    figure("http_requests_total", "counter", "Requests to the people's listener.", people.requests());
    figure("check_ins_total", "counter", "Check-ins of devices.", shared.check_ins.count());
    figure("check_ins_held", "gauge", "Check-ins that wait for something to tell.", shared.check_ins.held());
    figure("gates_held", "gauge", "Gates that wait for another set of plans.", shared.gates.waiting());
    let listeners = [("people", people), ("devices", &shared.tallies.devices)];
    let turned_away = listeners.into_iter().flat_map(|(listener, tally)| {
        let labels = move |sort| format!("{{listener=\"{listener}\",sort=\"{sort}\"}}");
        tally.turned_away().into_iter().map(move |(sort, count)| (labels(sort), count))
    });
    let about = "Requests and connections that were turned away.";
    family(&mut text, "turned_away_total", "counter", about, turned_away);
    let checks = checks(&shared).await;
    let ready = checks.iter().map(|(check, why)| (format!("{{check=\"{check}\"}}"), why.is_none().into()));
    family(&mut text, "ready", "gauge", "Whether nothing keeps the hub from its work, by check.", ready);
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, text).into_response()
}

/// A figure, for each of its labels.
fn family(
    text: &mut String,
    name: &str,
    kind: &str,
    about: &str,
    values: impl IntoIterator<Item = (String, u64)>,
) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP steward_{name} {about}\n# TYPE steward_{name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(text, "steward_{name}{labels} {value}");
    }
}

/// The answer of a health check.
fn health(checks: &[Check]) -> Response {
    let good = checks.iter().all(|(_, why)| why.is_none());
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let standing: serde_json::Map<_, _> =
        checks.iter().map(|(name, why)| ((*name).to_string(), Json::from(why.is_none()))).collect();
    let why: Vec<&str> = checks.iter().filter_map(|(_, why)| why.as_deref()).collect();
    let body = json!({"ok": good, "checks": standing, "why": why}).to_string();
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
