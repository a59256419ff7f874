//! The first page: how many devices are in each stage, what a person should look at, which rollouts are under
//! way, who waits for a person, what happened lately.
use super::journal::{self, About};
use super::render::{Shape, Value};
use super::section::{Asker, Section, View, items};
use super::{Menu, attention, browser, html, message, rollout};
use crate::Shared;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fleet::audit::view as audit;
use fleet::device::rules::Stage;
use fleet::device::view as device;
use fleet::limits::OPEN_ROLLOUTS_MAX;
use fleet::permission::Session;
use fleet::posture::attention::view as found;
use fleet::refusal::Refusal;
use fleet::upgrade::rules::Phase;
use fleet::upgrade::view as upgrade;
use serde_json::json;
use std::sync::Arc;

/// Rows of each list.
const ROWS: u16 = 10;

/// A stage and its share of the fleet.
struct Bar {
    stage: &'static str,
    count: i64,
    /// Of the largest, in percent.
    percent: i64,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    title: &'static str,
    who: Option<&'a Session>,
    menu: Menu,
    total: i64,
    bars: Vec<Bar>,
    sections: Vec<Section>,
}

/// The page.
pub async fn overview(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let session = match browser::session(&shared, &headers).await {
        Ok(session) => session,
        Err(refusal) => return message(&refusal.into(), None),
    };
    match read(Asker { shared: &shared, session: &session }).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(refusal) => message(&refusal.into(), Some(&session)),
    }
}

async fn read(asker: Asker<'_>) -> Result<Overview<'_>, Refusal> {
    let counts = asker.ask::<device::Count>(json!({})).await?;
    let count = |stage: &Stage| counts[stage.as_str()].as_i64().unwrap_or_default();
    let largest = Stage::ALL.iter().map(count).max().unwrap_or_default().max(1);
    let bar = |stage: &Stage| Bar {
        stage: stage.as_str(),
        count: count(stage),
        percent: count(stage) * 100 / largest,
    };
    Ok(Overview {
        title: "Fleet",
        who: Some(asker.session),
        menu: Menu::of(asker.session, super::OVERVIEW),
        total: counts["total"].as_i64().unwrap_or_default(),
        bars: Stage::ALL.iter().map(bar).collect(),
        sections: sections(asker).await?,
    })
}

async fn sections(asker: Asker<'_>) -> Result<Vec<Section>, Refusal> {
    let counted = asker.ask::<found::Count>(json!({})).await?;
    let mut open = Vec::new();
    for phase in [Phase::Running, Phase::Paused] {
        let wanted = json!({"phase": phase, "limit": OPEN_ROLLOUTS_MAX});
        open.extend_from_slice(items(&asker.ask::<upgrade::List>(wanted).await?));
    }
    let waiting = json!({"stage": Stage::Discovered, "limit": ROWS});
    let waiting = asker.ask::<device::List>(waiting).await?;
    let body = match items(&waiting).is_empty() {
        true => View::Empty("Nobody waits to be admitted."),
        false => View::Shape(asker.shape::<device::List>(&waiting)),
    };
    let entries = asker.ask::<audit::List>(json!({"limit": ROWS})).await?;
    let lately = journal::table(items(&entries), About::Many(journal::names(asker, &entries).await?));
    Ok(vec![
        Section::new("attention", "Findings", attention::counts(&counted)).at(attention::PATH),
        Section::table("rollouts", "Rollouts under way", rollout::table(&open), "None.").at("/rollout/list"),
        Section::new("waiting", "Waiting for a person", body).at("/device/list?stage=discovered"),
        Section::table("lately", "Lately", lately, "Nothing has happened yet.").at(journal::PATH),
    ])
}
