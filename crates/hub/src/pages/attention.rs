//! Attention: everything that waits for a person, and what may be done about it.
use super::form::Link;
use super::render::{Cell, Table};
use super::section::{Asker, Content, Count, Section, View, address, items, number, text};
use super::{page_path, render::Shape};
use fleet::operation::row;
use fleet::permission::Session;
use fleet::posture;
use fleet::posture::attention::view;
use fleet::refusal::Refusal;
use serde_json::{Value as Json, json};

/// Where all of it is listed.
pub const PATH: &str = "/attention/list";
/// Devices of each requirement that are shown; a page of their own shows all.
const FAILING_ROWS: usize = 10;

/// A table of findings.
pub fn table(session: &Session, found: &[Json]) -> Table {
    let row = |it: &Json| {
        let (device, name) = (text(it, "device"), text(it, "name"));
        let path = match text(it, "kind") {
            _ if !device.is_empty() => address("/device/show", "device", device),
            kind if kind.starts_with("rollout") => super::rollout::path(name),
            _ => "/description/list".into(),
        };
        let mut what = Cell::text(text(it, "what"));
        what.small = text(it, "explanation").into();
        vec![
            Cell::time(text(it, "since")),
            Cell::badge(text(it, "kind")),
            Cell::link(name, path),
            what,
            Cell { links: possible(session, it), ..Cell::default() },
        ]
    };
    Table::new(["since", "kind", "about", "what", "to do"], found.iter().map(row).collect())
}

/// Links to the forms that settle a finding.
fn possible(session: &Session, found: &Json) -> Vec<Link> {
    let names = found["possible"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let rows = names.filter_map(|name| fleet::OPERATIONS.iter().find(|row| row.name == name));
    let link = |row: &fleet::operation::OperationRow| {
        let path = page_path(row);
        let subject = row.fields().into_iter().find(|field| field.required).map(|field| field.name);
        let path = match (subject.as_deref(), row.noun_verb().0) {
            (Some("device"), "finding") => {
                format!("{}&finding={}", address(&path, "device", text(found, "device")), found["finding"])
            }
            (Some("device"), _) => address(&path, "device", text(found, "device")),
            (Some("rollout"), _) => address(&path, "rollout", text(found, "name")),
            _ => path,
        };
        Link { name: row.name.into(), path }
    };
    rows.filter(|row| session.may(row)).map(link).collect()
}

/// How much there is of each kind, with a link to it.
pub fn counts(answer: &Json) -> View {
    let kinds = answer["kinds"].as_array().into_iter().flatten().filter(|kind| number(kind, "count") > 0);
    let count = |it: &Json| {
        let word = text(it, "kind");
        Count { word: word.into(), count: number(it, "count"), path: address(PATH, "kind", word) }
    };
    let counts: Vec<Count> = kinds.map(count).collect();
    if counts.is_empty() { View::Empty("Nothing waits for a person.") } else { View::Counts(counts) }
}

/// The page.
///
/// # Errors
/// A refusal of what it is made of.
pub async fn listed(asker: Asker<'_>, answer: &Json, next: Option<String>) -> Result<Content, Refusal> {
    let counted = asker.ask::<view::Count>(json!({})).await?;
    let about = format!("{} to look at, the most severe first.", counted["total"]);
    let by_kind = Section::new("kinds", "By kind", counts(&counted)).about(about);
    let table = table(asker.session, items(answer));
    Ok(Content {
        title: Some("Attention".into()),
        about: Some("Everything that waits for a person, and what may be done about it.".into()),
        before: vec![by_kind],
        answer: Some(Shape::Table { table, next }),
        after: vec![requirements(asker).await?],
        ..Content::default()
    })
}

/// Which devices fall short of which requirement of the catalogue, as far as a check can tell.
async fn requirements(asker: Asker<'_>) -> Result<Section, Refusal> {
    let catalogue = asker.ask::<posture::view::List>(json!({})).await?;
    let mut rows = Vec::new();
    for requirement in items(&catalogue).iter().filter(|it| it["check"].is_string()) {
        let name = text(requirement, "name");
        let checked = asker.ask::<posture::view::Check>(json!({"requirement": name})).await?;
        let failing = checked["failing"].as_array().map(Vec::as_slice).unwrap_or_default();
        let more = if checked["next"].is_string() { " or more" } else { "" };
        let link = |it: &Json| Link {
            name: text(it, "name").into(),
            path: address("/device/show", "device", text(it, "device")),
        };
        let path = address(&page_path(&row::<posture::view::Check>()), "requirement", name);
        let mut what = Cell::link(name, path);
        what.small = text(requirement, "what").into();
        rows.push(vec![
            what,
            Cell::text(format!("{}{more} of {}", failing.len(), checked["looked_at"])),
            Cell { links: failing.iter().take(FAILING_ROWS).map(link).collect(), ..Cell::default() },
        ]);
    }
    let table = Table::new(["requirement", "fall short", "devices"], rows);
    let body = View::Shape(Shape::Table { table, next: None });
    Ok(Section::new("requirements", "Requirements", body).at("/posture/list"))
}

/// The catalogue of requirements.
pub fn catalogue(answer: &Json) -> Content {
    let row = |it: &Json| {
        let path = address(&page_path(&row::<posture::view::Check>()), "requirement", text(it, "name"));
        let called = Cell { link: it["check"].is_string().then_some(path), ..Cell::text(text(it, "name")) };
        let ids = it["ids"].as_array().into_iter().flatten().filter_map(Json::as_str).collect::<Vec<_>>();
        let by_hand = match text(it, "by_hand") {
            "" => "a check of the fleet".into(),
            how => format!("look yourself: {how}"),
        };
        vec![called, Cell { small: ids.join("; "), ..Cell::text(text(it, "what")) }, Cell::text(by_hand)]
    };
    let table =
        Table::new(["requirement", "what", "how it is seen"], items(answer).iter().map(row).collect());
    Content { answer: Some(Shape::Table { table, next: None }), ..Content::default() }
}

/// Which devices fall short of a requirement.
pub fn checked(answer: &Json, next: Option<String>) -> Content {
    let requirement = &answer["requirement"];
    let ids = requirement["ids"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let failing = answer["failing"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |it: &Json| {
        let device = address("/device/show", "device", text(it, "device"));
        vec![Cell::link(text(it, "name"), device), Cell::text(text(it, "why"))]
    };
    let table = Table::new(["device", "why"], failing.iter().map(row).collect());
    let about = format!(
        "{} of {} devices at work that were looked at fall short.",
        failing.len(),
        answer["looked_at"]
    );
    let origin = ids.map(String::from).collect();
    Content {
        title: Some(format!("Requirement {}", text(requirement, "name"))),
        about: Some(format!("Required is: {}. {about}", text(requirement, "what"))),
        answer: Some(Shape::Table { table, next }),
        after: vec![Section::new("origin", "Where it comes from", View::Lines(origin))],
        ..Content::default()
    }
}
