//! Rollouts: how far each is, and one of them with its waves and what failed.
use super::chart::Bar;
use super::render::{Cell, Shape, Table};
use super::section::{Asker, Content, Section, View, address, items, number, text};
use fleet::refusal::Refusal;
use fleet::upgrade::view;
use serde_json::{Value as Json, json};

/// Devices of each outcome that are shown; a page of their own shows all.
const FAILED_ROWS: u16 = 20;
/// Outcomes that count against a rollout.
const FAILURES: [&str; 3] = ["failed", "refused", "silent"];

/// A table of rollouts.
pub fn table(rollouts: &[Json]) -> Table {
    let row = |it: &Json| {
        let failed: i64 = FAILURES.iter().map(|outcome| number(it, outcome)).sum();
        vec![
            Cell::link(text(it, "rollout"), path(text(it, "rollout"))),
            Cell::badge(text(it, "phase")),
            Cell::link(text(it, "release"), address("/release/show", "release", text(it, "release"))),
            Cell::bar(Bar::of_outcomes(it)),
            Cell::text(format!("{} of {}", it["succeeded"], it["devices"])),
            Cell::text(failed.to_string()),
            Cell::text(it["wave"].to_string()),
            Cell::text(text(it, "why")),
        ]
    };
    let columns = ["rollout", "phase", "release", "progress", "succeeded", "failed", "wave", "why"];
    Table::new(columns, rollouts.iter().map(row).collect())
}

/// The page of a rollout.
pub fn path(rollout: &str) -> String {
    address("/rollout/show", "rollout", rollout)
}

/// All rollouts.
pub fn listed(answer: &Json, next: Option<String>) -> Content {
    Content {
        title: Some("Rollouts".into()),
        about: Some("Releases that are offered to devices, in waves.".into()),
        answer: Some(Shape::Table { table: table(items(answer)), next }),
        ..Content::default()
    }
}

/// One rollout.
///
/// # Errors
/// A refusal of what it is made of.
pub async fn shown(asker: Asker<'_>, answer: &Json) -> Result<Content, Refusal> {
    let rollout = text(answer, "rollout");
    let subject = json!({"rollout": rollout});
    let waves = asker.ask::<view::ListWaves>(subject).await?;
    let mut failed = Vec::new();
    for outcome in FAILURES.into_iter().filter(|outcome| number(answer, outcome) > 0) {
        let wanted = json!({"rollout": rollout, "outcome": outcome, "limit": FAILED_ROWS});
        failed.extend_from_slice(items(&asker.ask::<view::Devices>(wanted).await?));
    }
    let all = address("/rollout/devices", "rollout", rollout);
    let before = vec![
        Section::new("progress", "Progress", View::Bar(Bar::of_outcomes(answer))).about(story(answer)),
        Section::table("waves", "Waves", of_waves(items(&waves)), "It has no waves."),
        Section::table("failed", "Devices that failed", of_devices(&failed), "None.").at(all.as_str()),
    ];
    Ok(Content {
        title: Some(format!("Rollout {rollout}")),
        about: Some(format!("It offers {} to {} devices.", text(answer, "release"), answer["devices"])),
        before,
        ..Content::default()
    })
}

/// How far it is and by which rule it ends, in words.
fn story(answer: &Json) -> String {
    let (phase, why) = (text(answer, "phase"), text(answer, "why"));
    let now = match why {
        "" => format!("It is {phase}, in wave {}.", answer["wave"]),
        why => format!("It is {phase}: {why}."),
    };
    let rule = match number(answer, "stop_after") {
        1 => "1 failure stops it".to_owned(),
        failures => format!("{failures} failures stop it"),
    };
    let deadline = &answer["deadline_seconds"];
    format!("{now} By its rule {rule}; a device that says nothing for {deadline} seconds counts as one.")
}

fn of_waves(waves: &[Json]) -> Table {
    let counts = ["devices", "waiting", "offered", "succeeded", "failed", "refused", "silent", "spared"];
    let row = |wave: &Json| {
        let begun = if wave["begun"] == true { "" } else { "not begun" };
        let head = [Cell { small: begun.into(), ..Cell::text(wave["wave"].to_string()) }];
        let bar = [Cell::bar(Bar::of_outcomes(wave))];
        let counts = counts.iter().map(|name| Cell::count(&wave[*name]));
        head.into_iter().chain(bar).chain(counts).collect()
    };
    Table::new(["wave", "progress"].into_iter().chain(counts), waves.iter().map(row).collect())
}

fn of_devices(devices: &[Json]) -> Table {
    let row = |it: &Json| {
        vec![
            Cell::link(text(it, "name"), address("/device/show", "device", text(it, "device"))),
            Cell::text(it["wave"].to_string()),
            Cell::badge(text(it, "outcome")),
            Cell::text(text(it, "why")),
        ]
    };
    Table::new(["name", "wave", "outcome", "why"], devices.iter().map(row).collect())
}
