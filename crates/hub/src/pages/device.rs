//! A device: what is known of it in every room that its asker may look into.
use super::form::Form;
use super::journal::{self, About};
use super::render::{Cell, Part, Shape, Table};
use super::section::{Asker, Content, Section, View, address, difference, items, number, text};
use super::{attention, rollout};
use fleet::access::view as access;
use fleet::configuration::view as configuration;
use fleet::control::view as control;
use fleet::device::rules::Stage;
use fleet::device::view as device;
use fleet::onboarding::view as onboarding;
use fleet::posture::attention::view::List as Attention;
use fleet::refusal::Refusal;
use fleet::retirement::view as retirement;
use fleet::upgrade::rules::Outcome;
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
        let empty = match answer["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty()) {
            true => "Nothing else than its conditions above.",
            false => "Nothing waits for a person.",
        };
        after.push(Section::table("findings", "Attention", table, empty));
    }
    if let Some(end) = asker.maybe::<retirement::Show>(subject.clone()).await {
        after.push(of_end(&end, id));
    }
    let is_over = text(answer, "stage") == Stage::Retired.as_str();
    if let Some(reach) = asker.maybe::<access::Show>(subject.clone()).await {
        after.extend(of_access(&reach, id, is_over));
    }
    if let Some(firmware) = asker.maybe::<upgrade::ListFirmware>(some.clone()).await {
        let past = items(&firmware);
        let section = Section::table("firmware", "Firmware", of_firmware(past), "It was in no rollout.");
        after.push(section.about(running(past, is_over)).at(address("/firmware/list", "device", id)));
    }
    if !is_over {
        after.extend(of_configuration(asker, &subject, &some, id).await);
    }
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
        let all = address("/device/timeline", "device", id);
        after.push(Section::table("timeline", "Timeline", table, "Nothing has happened yet.").at(all));
    }
    let row = fleet::operation::row::<device::Show>();
    // The id stays as it is: the name stands above it.
    let names = Json::Null;
    Content {
        title: Some(format!("Device {}", text(answer, "name"))),
        about: Some("What is known of it, and what may be asked of it.".into()),
        answer: Some(Shape::of(answer, &row, &Form::new(&row, &[]), &names)),
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
fn of_access(reach: &Json, id: &str, is_over: bool) -> Vec<Section> {
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
        _ if is_over => "Its life here is over: its plan is gone, and no network lets it in for us.".into(),
        _ => "Without a description nothing is enforced.".into(),
    };
    if !text(reach, "level").is_empty() {
        about.push_str(&format!(" It is held at {}.", text(reach, "level")));
    }
    let body = match (lines.is_empty(), is_over) {
        (true, true) => View::Empty("Nothing."),
        (true, false) => View::Empty("No plan was made."),
        _ => View::Lines(lines),
    };
    let path = address("/access/show", "device", id);
    let mut sections = vec![Section::new("reach", "What it may reach", body).about(about).at(path)];
    let notes = texts("notes");
    if !notes.is_empty() {
        sections.push(Section::new("notes", "Notes on its plan", View::Lines(notes)));
    }
    sections
}

/// The archive: every device whose life here ended in order, or ends so now.
///
/// # Errors
/// A fault of the store.
pub async fn archive(asker: Asker<'_>, answer: &Json, next: Option<String>) -> Result<Content, Refusal> {
    let names = asker.names_in(answer).await?;
    let row = |it: &Json| {
        let blob = |name: &'static str, called: &'static str| match text(it, name) {
            "" => Cell::default(),
            digest => Cell::link(called, super::blob_path(digest)),
        };
        let shown = address("/retirement/show", "device", text(it, "device"));
        vec![
            Cell::device(text(it, "device"), &names),
            Cell { link: Some(shown), ..Cell::badge(text(it, "phase")) },
            Cell::text(text(it, "why")),
            Cell::time(text(it, "asked_at")),
            Cell::time(text(it, "ended_at")),
            blob("certificate", "certificate"),
            blob("last_report", "last report"),
        ]
    };
    let columns = ["device", "phase", "why", "asked at", "ended at", "decommission", "its own word"];
    let table = Table::new(columns, items(answer).iter().map(row).collect());
    Ok(Content { answer: Some(Shape::Table { table, next }), ..Content::default() })
}

/// How its life ends or has ended, with the proofs of that.
fn of_end(end: &Json, id: &str) -> Section {
    let wiped = end["wiped"].as_array().into_iter().flatten().filter_map(Json::as_str).collect::<Vec<_>>();
    let blob =
        |name: &str| Cell { link: Some(super::blob_path(text(end, name))), ..Cell::text(text(end, name)) };
    let parts = [
        ("phase", Cell::badge(text(end, "phase"))),
        ("why", Cell::text(text(end, "why"))),
        ("asked_at", Cell::time(text(end, "asked_at"))),
        ("ended_at", Cell::time(text(end, "ended_at"))),
        ("wiped, by its own word", Cell::text(wiped.join(", "))),
        ("certificate of decommission", blob("certificate")),
        ("its last report", blob("last_report")),
    ];
    let said = parts.into_iter().filter(|(_, cell)| !cell.text.is_empty());
    let body = View::Shape(Shape::Parts(said.map(|(name, cell)| Part::new(name, cell)).collect()));
    Section::new("end", "End of life", body).at(address("/retirement/show", "device", id))
}

/// Which firmware runs on it, as far as rollouts tell.
fn running(past: &[Json], is_over: bool) -> String {
    let taken = past.iter().filter(|it| text(it, "outcome") == Outcome::Succeeded.as_str());
    match (taken.max_by_key(|it| number(it, "sequence_number")), is_over) {
        (Some(it), false) => {
            format!("It runs {}: it took that by a rollout and said so.", text(it, "version"))
        }
        (Some(it), true) => format!("It ran {} until its life here ended.", text(it, "version")),
        (None, false) => "It took none here: it runs what its factory laid, which is not known here.".into(),
        (None, true) => "It took none here.".into(),
    }
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
    Table::new(columns, past.iter().map(row).collect())
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
    let table = Table::new(["good until", "good since", "serial number"], ldevids.iter().map(row).collect());
    let section = Section::table("credentials", "Credentials", table, "It has no good LDevID.");
    section.at(address("/onboarding/show", "device", id))
}
