//! How each invariant is made false: real damage to the operator's folder, or a request that should not
//! have been sent. A hub whose database is damaged is ended first and started again on the damage.
use super::factory::HARDWARE;
use super::hubs::HubProcess;
use super::invariants::{VIEWER, add_viewer};
use super::scene::Scene;
use super::story::{WHY_RETIRED, expectation};
use crate::failure::{Failure, failed, usage};
use crate::limits::DEMO_DATABASE_BYTES_MAX;
use crate::settings::READY_FILE;
use fleet::audit::rules::Entry;
use fleet::audit::store::{journal_add, lane_advance, lane_list};
use fleet::device::Device;
use fleet::device::rules::{Event, Stage, State};
use fleet::room::{Change, Room, Subject};
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::tx::{Fault, Tx};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use store::Place;

/// One byte of an entry is changed in the file of each hub.
pub async fn change_an_entry(scene: &mut Scene) -> Result<(), Failure> {
    let changed = WHY_RETIRED.replace("ended", "ENDED");
    at_rest(scene, |database| patch(database, WHY_RETIRED, &changed, |_| true)).await?;
    hub_at_rest(&mut scene.manufacturer, |database| patch(database, "product add", "product adD", |_| true))
        .await
}

/// The action of an entry is changed in the file, so that nothing tells of it any more.
pub async fn hide_an_action(scene: &mut Scene) -> Result<(), Failure> {
    at_rest(scene, |database| patch(database, "retirement begin", "retirement begiN", |_| true)).await
}

/// The journal tells of no active plan.
pub async fn hide_the_plans(scene: &mut Scene) -> Result<(), Failure> {
    let (told, hidden) = (r#"{"event":"activated""#, r#"{"event":"activateD""#);
    at_rest(scene, |database| patch(database, told, hidden, |_| true)).await
}

/// A device gets another's name in the file, behind the unique index' back.
pub async fn give_a_name_twice(scene: &mut Scene) -> Result<(), Failure> {
    let planned = scene.plan.list();
    let [first, second, ..] = planned.as_slice() else {
        return Err(usage("for a name to be there twice, two devices are needed"));
    };
    // Within JSON the name is of the journal; there it stays as it was.
    at_rest(scene, |database| patch(database, &second.name, &first.name, |before| before != b'"')).await
}

/// A row of each hub is changed without an entry in the journal.
pub async fn change_a_row(scene: &mut Scene) -> Result<(), Failure> {
    let subject = subject(scene, 0);
    at_rest(scene, |database| {
        write(database, &mut |tx| {
            let (old, version) = load::<Device>(tx, &subject)?;
            let new = State { attention: "changed behind the journal's back".into(), ..old.clone() };
            save::<Device>(tx, &subject, &old, &new, version)
        })
    })
    .await?;
    // Within JSON it is of the journal; there it stays as it was.
    let other = format!("{}8", &HARDWARE[..HARDWARE.len() - 1]);
    let row = |before| before != b'"';
    hub_at_rest(&mut scene.manufacturer, |database| patch(database, HARDWARE, &other, row)).await
}

/// A count is kept that no device stands for.
pub async fn miscount(scene: &mut Scene) -> Result<(), Failure> {
    let subject = subject(scene, 0);
    at_rest(scene, |database| {
        write(database, &mut |tx| {
            let (state, version) = load::<Device>(tx, &subject)?;
            // Saved as if it had just come from a stage that nothing is in.
            let claimed = State { stage: Some(Stage::Discovered), ..state.clone() };
            save::<Device>(tx, &subject, &claimed, &state, version)
        })
    })
    .await
}

/// An entry is forged and well chained, but nothing was done.
pub async fn forge_an_entry(scene: &mut Scene) -> Result<(), Failure> {
    // The last device that the story touched, or its only one: in whatever stage it is, it is not this one.
    let forged = scene.plan.claimed().unwrap_or(0);
    let event = if forged == scene.plan.retired() {
        Event::Claimed { proof: "forged".into() }
    } else {
        Event::Retired { why: "forged".into() }
    };
    let subject = subject(scene, forged);
    let detail = serde_json::to_string(&event).map_err(failed)?;
    at_rest(scene, |database| {
        write(database, &mut |tx| append::<Device>(tx, &subject, "device retire", &detail))
    })
    .await
}

/// A repeated request comes without its key, and so for another device.
pub async fn repeat_without_the_key(scene: &mut Scene) -> Result<(), Failure> {
    let mut again = scene.plan.list().swap_remove(0);
    again.name.push_str("-again");
    again.serial_number.push_str("-again");
    scene.operator.call("device expect", expectation(&again)).await.map(drop)
}

/// The retired device is claimed anew.
pub async fn claim_the_retired(scene: &mut Scene) -> Result<(), Failure> {
    let device = scene.devices[scene.plan.retired()].clone();
    scene.operator.call("device claim", json!({"device": device, "proof": "none"})).await.map(drop)
}

/// The viewer may do more than look.
pub async fn permit_the_viewer(scene: &mut Scene) -> Result<(), Failure> {
    add_viewer(scene).await?;
    let arguments = json!({"account": VIEWER, "permission": "operate"});
    scene.operator.call("account set-permission", arguments).await.map(drop)
}

/// An operator's device is announced at the manufacturer's hub.
pub async fn expect_at_the_other_hub(scene: &mut Scene) -> Result<(), Failure> {
    let device = scene.plan.list().swap_remove(0);
    scene.manufacturer.call("device expect", expectation(&device)).await.map(drop)
}

/// Everybody may read a ready-file.
pub async fn expose_a_ready_file(scene: &mut Scene) -> Result<(), Failure> {
    let file = scene.operator.folder.join(READY_FILE);
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).map_err(failed)
}

/// The device at `place` as the store knows it.
pub fn subject(scene: &Scene, place: usize) -> Subject {
    let (organisation, site) = (Slug::main().to_string(), Slug::main().to_string());
    Subject { organisation, site, id: scene.devices[place].clone() }
}

/// Ends the operator's hub, damages its database, and starts it again.
pub async fn at_rest(
    scene: &mut Scene,
    damage: impl FnOnce(PathBuf) -> Result<(), Failure>,
) -> Result<(), Failure> {
    hub_at_rest(&mut scene.operator, damage).await
}

/// Ends a hub, damages its database, and starts it again.
async fn hub_at_rest(
    hub: &mut HubProcess,
    damage: impl FnOnce(PathBuf) -> Result<(), Failure>,
) -> Result<(), Failure> {
    hub.end().await?;
    damage(hub::folder::database_path(&hub.folder))?;
    hub.start_again().await
}

/// Puts `new` in the place of every `old` in the file for which the byte before it is `meant`.
pub fn patch(database: PathBuf, old: &str, new: &str, meant: fn(u8) -> bool) -> Result<(), Failure> {
    // Opening and closing it folds the write-ahead log into the file.
    write(database.clone(), &mut |_| Ok(()))?;
    let mut bytes = io::files::read_limited(&database, DEMO_DATABASE_BYTES_MAX).map_err(failed)?;
    let places: Vec<usize> = (1..bytes.len().saturating_sub(old.len()))
        .filter(|at| bytes[*at..].starts_with(old.as_bytes()) && meant(bytes[at - 1]))
        .collect();
    if places.is_empty() || old.len() != new.len() {
        return Err(failed(format!("{} does not hold `{old}`", database.display())));
    }
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    overwrite(&database, &bytes)
}

fn overwrite(database: &Path, bytes: &[u8]) -> Result<(), Failure> {
    io::files::write_atomic(database, bytes, 0o600).map_err(failed)
}

/// Opens the database, changes it, and closes it.
pub fn write(
    database: PathBuf,
    damage: &mut dyn FnMut(&mut dyn Tx) -> Result<(), Fault>,
) -> Result<(), Failure> {
    let said = |fault: Fault| failed(fault.detail);
    let mut engine = Place::Sqlite(database).writer().map_err(said)?;
    engine.batch(&mut |tx| damage(tx)).map_err(said)
}

/// A row and its version.
pub fn load<R: Room>(tx: &mut dyn Tx, subject: &Subject) -> Result<(R::State, i64), Fault> {
    R::load(tx, subject)?.ok_or_else(|| Fault::corrupt(format!("no row of {subject}")))
}

/// Puts `new` in the place of a row as it was loaded, without an entry in the journal.
pub fn save<R: Room>(
    tx: &mut dyn Tx,
    subject: &Subject,
    old: &R::State,
    new: &R::State,
    version: i64,
) -> Result<(), Fault> {
    let change = Change { old, old_version: version, new, new_version: version };
    match R::save(tx, subject, &change)? {
        true => Ok(()),
        false => Err(Fault::corrupt(format!("the row of {subject} was not changed"))),
    }
}

/// Appends an entry as a writer would, without its row.
pub fn append<R: Room>(tx: &mut dyn Tx, subject: &Subject, action: &str, detail: &str) -> Result<(), Fault> {
    let (_, version) = load::<R>(tx, subject)?;
    let old = lane_list(tx)?.pop().ok_or_else(|| Fault::corrupt("no lane"))?;
    let entry = Entry {
        actor: "admin".into(),
        room: R::NAME.into(),
        subject: subject.clone(),
        version: version + 1,
        detail: detail.into(),
    };
    let mut new = old;
    let link = new.append(Millis(io::clock::now_millis()), action, entry);
    journal_add(tx, &[link])?;
    lane_advance(tx, &old, &new)
}
