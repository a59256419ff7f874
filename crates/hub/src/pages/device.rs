//! A device: what is known of it in every room that its asker may look into.
use super::form::Form;
use super::journal::{self, About};
use super::render::{Cell, Shape, Table};
use super::section::{Asker, Content, Section, View, address, difference, items, text};
use super::{attention, rollout};
use fleet::access::view as access;
use fleet::configuration::view as configuration;
use fleet::control::view as control;
use fleet::device::rules::Stage;
use fleet::device::view as device;
use fleet::onboarding::view as onboarding;
use fleet::posture::attention::view::List as Attention;
use fleet::upgrade::view as upgrade;
use serde_json::{Value as Json, json};

/// Rows of each list; a page of its own shows all.
const ROWS: u16 = 10;

/// The page. A section that its asker may not have is left out.
pub async fn shown(asker: Asker<'_>, answer: &Json) -> Content {
    let id = text(answer, "device");
    let subject = json!({"device": id});
    let some = json!({"device": id, "limit": ROWS});
    let mut after = Vec::new();
    if let Some(found) = asker.maybe::<Attention>(some.clone()).await {
        let table = attention::table(asker.session, items(&found));
        after.push(Section::table("findings", "Findings", table, "Nothing needs attention."));
    }
    if let Some(reach) = asker.maybe::<access::Show>(subject.clone()).await {
        after.extend(of_access(&reach, id));
    }
    if let Some(firmware) = asker.maybe::<upgrade::ListFirmware>(some.clone()).await {
        let section =
            Section::table("firmware", "Firmware", of_firmware(items(&firmware)), "It was in no rollout.");
        after.push(section.at(address("/firmware/list", "device", id)));
    }
    after.extend(of_configuration(asker, &subject, &some, id).await);
    if let Some(joined) = asker.maybe::<onboarding::Show>(subject).await {
        after.push(of_credentials(&joined, id));
    }
    if let Some(asked) = asker.maybe::<control::List>(some.clone()).await {
        let shape = asker.shape::<control::List>(&asked);
        let body = if items(&asked).is_empty() { View::Empty("Nothing was.") } else { View::Shape(shape) };
        after.push(Section::new("asked", "Asked of it", body).at(address("/operation/list", "device", id)));
    }
    if let Some(past) = asker.maybe::<device::Timeline>(some).await {
        let table = journal::table(items(&past), About::One);
        let all = address(journal::PATH, "subject", id);
        after.push(Section::table("timeline", "Timeline", table, "Nothing has happened yet.").at(all));
    }
    let row = fleet::operation::row::<device::Show>();
    Content {
        title: Some(format!("Device {}", text(answer, "name"))),
        about: Some("What is known of it, and what may be asked of it.".into()),
        answer: Some(Shape::of(answer, &row, &Form::new(&row, &[]))),
        after,
        ..Content::default()
    }
}

/// The stage of the device that a page is about, where the answer does not say itself what is possible.
pub async fn stage(asker: Asker<'_>, form: &Form, answer: &Json) -> Option<Stage> {
    if answer["possible"].is_array() {
        return None;
    }
    let subject = form.fields.iter().find(|input| input.field.required && input.field.name == "device")?;
    let shown = asker.maybe::<device::Show>(json!({"device": subject.value})).await?;
    text(&shown, "stage").parse().ok()
}

/// What it may reach, as its plan says it in words.
fn of_access(reach: &Json, id: &str) -> Vec<Section> {
    let texts = |name: &str| {
        let found = reach[name].as_array().into_iter().flatten().filter_map(Json::as_str);
        found.map(String::from).collect::<Vec<_>>()
    };
    let lines = texts("lines");
    let mut about = match text(reach, "enforcement") {
        "active" => match texts("gates").as_slice() {
            [] => "This plan is compiled, and no gate has it: nothing enforces it.".to_owned(),
            gates => {
                format!("This plan is compiled, and told to the gates of its site: {}.", gates.join(", "))
            }
        },
        "proposed" => "This plan waits: nothing is enforced yet.".into(),
        _ => "Without a description nothing is enforced.".into(),
    };
    if !text(reach, "level").is_empty() {
        about.push_str(&format!(" It is held at {}.", text(reach, "level")));
    }
    let body = if lines.is_empty() { View::Empty("No plan was made.") } else { View::Lines(lines) };
    let path = address("/access/show", "device", id);
    let mut sections = vec![Section::new("reach", "What it may reach", body).about(about).at(path)];
    let notes = texts("notes");
    if !notes.is_empty() {
        sections.push(Section::new("notes", "Notes on its plan", View::Lines(notes)));
    }
    sections
}

fn of_firmware(past: &[Json]) -> Table {
    let row = |it: &Json| {
        vec![
            Cell::time(text(it, "began_at")),
            Cell::link(text(it, "rollout"), rollout::path(text(it, "rollout"))),
            Cell::text(text(it, "version")),
            Cell::text(it["sequence_number"].to_string()),
            Cell::badge(text(it, "outcome")),
            Cell::text(text(it, "why")),
        ]
    };
    let columns = ["began at", "rollout", "version", "sequence number", "outcome", "why"];
    Table { columns: columns.map(String::from).to_vec(), rows: past.iter().map(row).collect() }
}

/// What it has against what it shall have, for whoever may see that; its versions for everybody.
async fn of_configuration(asker: Asker<'_>, subject: &Json, some: &Json, id: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(shown) = asker.maybe::<configuration::Show>(subject.clone()).await {
        let (applied, ordered) = (&shown["applied"], shown["ordered"].as_i64().unwrap_or_default());
        let mut about = match (applied.as_i64().unwrap_or_default(), ordered, shown["drifted"] == true) {
            (0, 0, _) => "Nothing is known of it yet.".to_owned(),
            (_, 0, false) => format!("Version {applied} is in use, and the device has exactly that."),
            (_, 0, true) => format!("Version {applied} is in use, but the device has something else:"),
            (_, ordered, _) => format!("Version {applied} is in use; the device shall take up {ordered}:"),
        };
        if !text(&shown, "trouble").is_empty() {
            about.push_str(&format!(" The last order was not kept: {}.", text(&shown, "trouble")));
        }
        let body = match (text(&shown, "difference"), text(&shown, "document")) {
            ("", "") => View::Empty("No version is kept."),
            ("", document) => View::Lines(document.lines().map(String::from).collect()),
            (changed, _) => difference(changed),
        };
        let path = address("/configuration/show", "device", id);
        sections.push(Section::new("configuration", "Configuration", body).about(about).at(path));
    }
    if let Some(versions) = asker.maybe::<configuration::Versions>(some.clone()).await {
        let shape = asker.shape::<configuration::Versions>(&versions);
        let body = if items(&versions).is_empty() { View::Empty("None.") } else { View::Shape(shape) };
        let path = address("/configuration/versions", "device", id);
        sections.push(Section::new("versions", "Versions of its configuration", body).at(path));
    }
    sections
}

/// Its good certificates, and until when.
fn of_credentials(joined: &Json, id: &str) -> Section {
    let row = |it: &Json| {
        vec![
            Cell::time(text(it, "not_after")),
            Cell::time(text(it, "not_before")),
            Cell::text(text(it, "serial")),
        ]
    };
    let ldevids = joined["ldevids"].as_array().map(Vec::as_slice).unwrap_or_default();
    let columns = ["good until", "good since", "serial number"].map(String::from).to_vec();
    let table = Table { columns, rows: ldevids.iter().map(row).collect() };
    let section = Section::table("credentials", "Credentials", table, "It has no good LDevID.");
    section.at(address("/onboarding/show", "device", id))
}
