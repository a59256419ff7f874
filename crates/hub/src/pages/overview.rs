//! The first page: how many devices are in each stage, what a person should look at, which rollouts are under
//! way, who waits for a person, what happened lately.
use super::journal::{self, About};
use super::render::{Cell, Shape, Table, Value};
use super::section::{Asker, Section, View, address, items, text};
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
use fleet::provisioning::product::view as product;
use fleet::provisioning::release::view as release;
use fleet::provisioning::view as birth;
use fleet::refusal::Refusal;
use fleet::upgrade::rules::Phase;
use fleet::upgrade::view as upgrade;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Rows of each list.
const ROWS: u16 = 10;
/// Entries of the journal among which the newest ones are chosen.
const LOOKED_AT: u16 = 50;
/// What whoever looks did to look.
const OF_SIGNING_IN: [&str; 3] = ["link issue", "session start", "session end"];

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
    /// What a manufacturer has, on a hub without devices.
    made: Vec<Section>,
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
    let total = counts["total"].as_i64().unwrap_or_default();
    let made = made(asker).await?;
    // Who only makes devices looks at those first, who runs some at the end.
    let (first, last) = if total == 0 { (made, Vec::new()) } else { (Vec::new(), made) };
    Ok(Overview {
        title: if first.is_empty() { "Fleet" } else { "Made here" },
        made: first,
        who: Some(asker.session),
        menu: Menu::of(asker.session, super::OVERVIEW),
        total,
        bars: Stage::ALL.iter().map(bar).collect(),
        sections: sections(asker).await?.into_iter().chain(last).collect(),
    })
}

/// What a manufacturer has: products, the firmware that it published, births. Nothing of those who have no product.
async fn made(asker: Asker<'_>) -> Result<Vec<Section>, Refusal> {
    let products = asker.ask::<product::List>(json!({"limit": ROWS})).await?;
    if items(&products).is_empty() {
        return Ok(Vec::new());
    }
    let mut published = Vec::new();
    for product in items(&products) {
        let of_one = json!({"product": product["product"], "limit": ROWS});
        published.extend_from_slice(items(&asker.ask::<release::List>(of_one).await?));
    }
    let row = |it: &Json| {
        let (state, why) = match (text(it, "envelope"), text(it, "refused")) {
            ("", "") => ("being signed", ""),
            ("", why) => ("refused", why),
            _ => ("published", ""),
        };
        let product = text(it, "product");
        vec![
            Cell::link(product, address("/product/releases", "product", product)),
            Cell::text(text(it, "version")),
            Cell::text(it["sequence_number"].to_string()),
            Cell { small: why.into(), ..Cell::badge(state) },
        ]
    };
    let releases =
        Table::new(["product", "version", "sequence number", "state"], published.iter().map(row).collect());
    let births = asker.ask::<birth::List>(json!({"limit": ROWS})).await?;
    let row = |it: &Json| {
        let serial = text(it, "serial_number");
        let born_at =
            if it["born"] == true { Cell::time(text(it, "born_at")) } else { Cell::text("not yet") };
        vec![
            Cell::link(serial, address("/birth/show", "serial_number", serial)),
            Cell::text(text(it, "product")),
            born_at,
        ]
    };
    let born = Table::new(["serial number", "product", "born at"], items(&births).iter().map(row).collect());
    Ok(vec![
        Section::new("products", "Products", View::Shape(asker.shape::<product::List>(&products)))
            .at("/product/list"),
        Section::table("published", "Published firmware", releases, "Nothing was published."),
        Section::table("births", "Births", born, "Nothing was born yet.").at("/birth/list"),
    ])
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
    let entries = asker.ask::<audit::List>(json!({"limit": LOOKED_AT})).await?;
    let names = journal::names(asker, &entries).await?;
    let told = items(&entries).iter().filter(|it| !OF_SIGNING_IN.contains(&text(it, "action")));
    let lately = journal::table(told.take(ROWS.into()), About::Many(names));
    Ok(vec![
        Section::new("attention", "Attention", attention::counts(&counted)).at(attention::PATH),
        Section::table("rollouts", "Rollouts under way", rollout::table(&open), "None.").at("/rollout/list"),
        Section::new("waiting", "Waiting for a person", body).at("/device/list?stage=discovered"),
        Section::table("lately", "Lately", lately, "Nothing has happened yet.").at(journal::PATH),
    ])
}
