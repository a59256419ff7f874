//! The first page: how many devices are in each stage, who waits for a person, what happened lately.
use super::form::Form;
use super::render::Shape;
use super::{browser, html, menu, message};
use crate::Shared;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fleet::audit::view as audit;
use fleet::device::rules::Stage;
use fleet::device::view as device;
use fleet::operation::{Operation, OperationRow, row};
use fleet::permission::Session;
use fleet::refusal::Refusal;
use serde_json::{Value as Json, json};
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

/// A list, and the page that shows all of it.
struct List {
    id: &'static str,
    title: &'static str,
    empty: &'static str,
    path: String,
    answer: Shape,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    title: &'static str,
    who: Option<&'a Session>,
    menu: Vec<super::Noun>,
    total: i64,
    bars: Vec<Bar>,
    lists: Vec<List>,
}

/// The page.
pub async fn overview(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let session = match browser::session(&shared, &headers).await {
        Ok(session) => session,
        Err(refusal) => return message(&refusal.into(), None),
    };
    match read(&shared, &session).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(refusal) => message(&refusal.into(), Some(&session)),
    }
}

async fn read<'a>(shared: &Shared, session: &'a Session) -> Result<Overview<'a>, Refusal> {
    let counts = ask::<device::Count>(shared, session, json!({})).await?;
    let waiting = json!({"stage": Stage::Discovered, "limit": ROWS});
    let lists = vec![
        List {
            id: "waiting",
            title: "Waiting for a person",
            empty: "Nobody waits to be admitted.",
            path: "/device/list?stage=discovered".into(),
            answer: shown::<device::List>(&ask::<device::List>(shared, session, waiting).await?),
        },
        List {
            id: "lately",
            title: "Lately",
            empty: "Nothing has happened yet.",
            path: "/audit/list".into(),
            answer: shown::<audit::List>(&ask::<audit::List>(shared, session, json!({"limit": ROWS})).await?),
        },
    ];
    let count = |stage: &Stage| counts[stage.as_str()].as_i64().unwrap_or_default();
    let largest = Stage::ALL.iter().map(count).max().unwrap_or_default().max(1);
    let bar = |stage: &Stage| Bar {
        stage: stage.as_str(),
        count: count(stage),
        percent: count(stage) * 100 / largest,
    };
    Ok(Overview {
        title: "Fleet",
        who: Some(session),
        menu: menu(session, ""),
        total: counts["total"].as_i64().unwrap_or_default(),
        bars: Stage::ALL.iter().map(bar).collect(),
        lists,
    })
}

async fn ask<O: Operation>(shared: &Shared, session: &Session, arguments: Json) -> Result<Json, Refusal> {
    shared.desk.run(session, &row::<O>(), arguments, None).await
}

fn shown<O: Operation>(answer: &Json) -> Shape {
    let row: OperationRow = row::<O>();
    Shape::of(answer, &row, &Form::new(&row, &[]))
}
