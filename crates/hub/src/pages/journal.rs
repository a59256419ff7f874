//! The journal: what happened and who did it, and how far it is signed.
use super::render::{Cell, Shape, Table, moment, words};
use super::section::{Asker, Content, Section, View, address, items, text};
use fleet::audit::view;
use fleet::device::view::OF_DEVICES;
use fleet::refusal::Refusal;
use fleet::time::Millis;
use serde_json::{Map, Value as Json, json};

/// Where all of it is listed.
pub const PATH: &str = "/audit/list";
/// What an entry says that is longer than this is folded.
const SAID_CHARS: usize = 80;
/// Entries of a page: each may be of many words.
pub const ROWS: u16 = 20;

/// What the entries of a table are about.
pub enum About {
    /// Each says it; devices by what they are called.
    Many(Json),
    /// All are about the thing that the page shows.
    One,
}

/// What the devices of these entries are called.
///
/// # Errors
/// A fault of the store.
pub async fn names(asker: Asker<'_>, entries: &Json) -> Result<Json, Refusal> {
    let of_devices = items(entries).iter().filter(|it| OF_DEVICES.contains(&text(it, "room")));
    asker.names(of_devices.map(|it| text(it, "subject").to_owned()).collect()).await
}

/// A table of entries.
pub fn table<'a>(entries: impl IntoIterator<Item = &'a Json>, about: About) -> Table {
    let (is_many, names) = match about {
        About::Many(names) => (true, names),
        About::One => (false, Json::Null),
    };
    let row = |it: &Json| {
        let actor = text(it, "actor");
        let when = [Cell::time(text(it, "at"))];
        let who = [Cell::link(actor, address(PATH, "actor", actor)), Cell::text(text(it, "action"))];
        let what = is_many.then(|| subject(it, &names));
        when.into_iter().chain(who).chain(what).chain([happened(it)]).collect()
    };
    let columns = ["at", "actor", "action"].into_iter().chain(is_many.then_some("about")).chain(["what"]);
    Table { is_dense: true, ..Table::new(columns, entries.into_iter().map(row).collect()) }
}

/// What an entry is about, with its page.
fn subject(entry: &Json, names: &Json) -> Cell {
    let (room, id) = (text(entry, "room"), text(entry, "subject"));
    let path = match room {
        room if OF_DEVICES.contains(&room) => Some(("/device/show", "device")),
        "rollout" => Some(("/rollout/show", "rollout")),
        "release" => Some(("/release/show", "release")),
        "account" => Some(("/account/show", "account")),
        "anchor" => Some(("/anchor/show", "anchor")),
        _ => None,
    };
    let called = Cell::text(names[id].as_str().unwrap_or(id));
    Cell { link: path.map(|(path, name)| address(path, name, id)), small: room.into(), ..called }
}

/// What an entry says: the event in a word, and what belongs to it.
fn happened(entry: &Json) -> Cell {
    let detail = text(entry, "detail");
    let Ok(Json::Object(mut event)) = serde_json::from_str::<Json>(detail) else {
        return Cell::badge(detail);
    };
    let word = event.remove("event").and_then(|word| word.as_str().map(words)).unwrap_or_default();
    let said = said(&event);
    match said.chars().count() > SAID_CHARS {
        true => Cell { more: said, ..Cell::text(word) },
        false => Cell { small: said, ..Cell::text(word) },
    }
}

fn said(event: &Map<String, Json>) -> String {
    let value = |name: &str, value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Number(number) if is_moment(name) => {
            moment(&Millis(number.as_i64().unwrap_or_default()).to_string())
        }
        other => other.to_string(),
    };
    let said = event.iter().map(|(name, it)| (words(name), value(name, it)));
    let said = said.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}: {value}"));
    said.collect::<Vec<_>>().join(", ")
}

/// Whether a number of this name is a moment: stored events have those in milliseconds since 1970.
fn is_moment(name: &str) -> bool {
    matches!(name, "at" | "deadline" | "until" | "not_before" | "not_after") || name.ends_with("_at")
}

/// The page.
///
/// # Errors
/// A refusal of what it is made of.
pub async fn listed(asker: Asker<'_>, answer: &Json, next: Option<String>) -> Result<Content, Refusal> {
    let heads = asker.ask::<view::ShowHead>(json!({})).await?;
    let lines = items(&heads).iter().map(signed).collect();
    let table = table(items(answer), About::Many(names(asker, answer).await?));
    Ok(Content {
        title: Some("Journal".into()),
        about: Some("What happened and who did it, newest first.".into()),
        before: vec![Section::new("chain", "Chain", View::Lines(lines)).at("/audit/verify")],
        answer: Some(Shape::Table { table, next }),
        ..Content::default()
    })
}

/// How far a lane goes, in words.
fn signed(head: &Json) -> String {
    let (lane, seq) = (&head["lane"], &head["seq"]);
    let signed = match text(head, "signature") {
        "" => "nothing is signed yet".into(),
        worth => {
            let worth = match worth {
                "good" => "the signature is good",
                "wrong" => "THE SIGNATURE IS WRONG",
                _ => "the signature was not judged",
            };
            format!("signed up to entry {} at {}: {worth}", head["signed"], moment(text(head, "signed_at")))
        }
    };
    format!("Lane {lane} has {seq} entries; {signed}.")
}
