//! Firmware: born with 1.0; 1.1 goes out in waves, fails on some devices and is stopped by rule; 1.2 finishes.
use super::device::{DeviceFolder, certificate};
use super::factory::PRODUCT;
use super::invariants::{held, said};
use super::refused;
use super::scene::{Scene, word};
use super::story::MAKER;
use crate::failure::{Failure, failed};
use crate::limits::{DEMO_FIRMWARE_BYTES_MAX, DEMO_PUBLISH_SECONDS_MAX, DEMO_ROLLOUT_SECONDS_MAX};
use agent::upgrade::{Device, Record, Slot, lay};
use fleet::provisioning::release::door::{COMPONENT, envelope_path};
use io::files::{read_limited, write_atomic};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::time::Duration;
use wire::digest::{hex, sha256};
use wire::suit::{ComponentId, Uuid};

/// Whose vendor ID the devices have.
pub const VENDOR: &str = "lumen.example";
/// In the folder of a device of the hardware on which 1.1 hangs.
pub const REVISION_B: &str = "revision-b";
/// How many devices have that hardware.
const FLAWED: usize = 2;
/// After so long a device that says nothing counts as failed.
const DEADLINE_SECONDS: u32 = 60;
/// So many failures stop a rollout.
const STOP_AFTER: usize = 2;

/// Firmware that answers when it is asked for its health.
const GOOD: &str = "while read -r line; do [ \"$line\" = health ] && echo healthy; done\n";
/// Firmware that hangs on revision B.
const HANGS: &str = "[ -e ../../revision-b ] && exec sleep 3600\n";

/// The bytes of a version.
pub fn image(version: &str) -> Vec<u8> {
    let hangs = if version == "1.1" { HANGS } else { "" };
    format!("#!/bin/sh\n# lamp-7 {version}\n{hangs}{GOOD}").into_bytes()
}

/// What every device is to a manifest: it came with that from its factory.
///
/// # Errors
/// [`Failure::Failed`] when the maker's certificate cannot be read.
pub fn device(scene: &Scene) -> Result<Device, Failure> {
    let path = scene.manufacturer.folder.join("author.pem");
    let author = certificate(&path)?.ok_or_else(|| failed(format!("there is no {}", path.display())))?;
    let vendor_id = Uuid::of_vendor(VENDOR);
    Ok(Device {
        authors: vec![author.public_key().clone()],
        component: ComponentId(vec![COMPONENT.as_bytes().to_vec()]),
        vendor_id,
        class_id: vendor_id.of_class(PRODUCT),
        device_id: None,
    })
}

/// The manufacturer publishes a version, and its number is answered.
async fn publish(scene: &mut Scene, version: &str) -> Result<Json, Failure> {
    let published = |releases: &Json| {
        let items = releases["items"].as_array().into_iter().flatten();
        items.clone().find(|one| one["version"] == version && one["way_back"] == false).cloned()
    };
    let list = json!({"product": PRODUCT});
    if published(&scene.manufacturer.call("product releases", list.clone()).await?).is_none() {
        let image = scene.manufacturer.put_blob(&image(version)).await?;
        let release = json!({"product": PRODUCT, "version": version, "image": image, "vendor": VENDOR});
        scene.manufacturer.call("release publish", release).await?;
    }
    let signed = |releases: &Json| published(releases).is_some_and(|one| one["envelope"] != "");
    let within = Duration::from_secs(DEMO_PUBLISH_SECONDS_MAX);
    let releases = scene.manufacturer.until("product releases", list, within, signed).await?;
    published(&releases).ok_or_else(|| failed(format!("{version} was not published")))
}

/// The factory lays 1.0 into every device that has no firmware yet.
///
/// # Errors
/// [`Failure`], as the hub or the disk says it.
pub async fn lay_all(scene: &mut Scene) -> Result<(), Failure> {
    let release = publish(scene, "1.0").await?;
    let envelope = scene.manufacturer.blob(release["envelope"].as_str().unwrap_or_default()).await?;
    let device = device(scene)?;
    for planned in scene.plan.list() {
        let folder = scene.device_folder(&planned)?;
        if !folder.path().join("slots/state").exists() && !folder.was_told_to_wipe() {
            lay(folder.path(), &device, &envelope, &image("1.0")).map_err(failed)?;
        }
    }
    Ok(())
}

/// 1.1 goes out and is stopped; 1.2 goes out; an older one is refused.
///
/// # Errors
/// [`Failure`], as a hub says it, or when something else comes of it.
pub async fn roll_out(scene: &mut Scene) -> Result<(), Failure> {
    let first = fetch(scene, "1.1").await?;
    let flawed = mark_flawed(scene, &first).await?;
    let outcome = start(scene, json!({"release": first, "waves": "1,5,rest"})).await?;
    let failures = outcome["failed"].as_u64().unwrap_or_default();
    scene.rollout_stopped = outcome["phase"] == "stopped" && failures >= STOP_AFTER as u64;
    if scene.rollout_stopped != (flawed >= STOP_AFTER) {
        return Err(failed(format!("{flawed} devices cannot run 1.1, and the rollout ended so: {outcome}")));
    }
    end(scene, &first, &outcome).await?;
    if scene.rollout_stopped {
        let spared = outcome["spared"].as_i64().unwrap_or_default();
        scene.tell(format!(
            "  Stopped by rule: {}. {spared} devices were never offered it.",
            word(&outcome["why"])
        ))?;
    }
    let way_back = json!({"product": PRODUCT, "way_back_to": "1.0"});
    let second = fetch(scene, "1.2").await?;
    let releases = scene.manufacturer.call("product releases", json!({"product": PRODUCT})).await?;
    let has_way_back = |one: &Json| one["way_back"] == true;
    if !releases["items"].as_array().into_iter().flatten().any(has_way_back) {
        scene.manufacturer.call("release publish", way_back).await?;
    }
    scene.step("1.2 is published, with its signed way back, and rolled out.".into()).await?;
    let outcome = start(scene, json!({"release": second, "waves": "1,5,rest"})).await?;
    scene.upgraded = outcome["succeeded"].as_i64().unwrap_or_default();
    if outcome["phase"] != "finished" {
        return Err(failed(format!("1.2 did not finish: {outcome}")));
    }
    scene.tell(format!("  {} devices run 1.2.", scene.upgraded))?;
    refused::older(scene, &first).await?;
    refused::forged(scene).await
}

/// The operator's hub fetches a version of the maker's and verifies it.
async fn fetch(scene: &mut Scene, version: &str) -> Result<String, Failure> {
    let published = publish(scene, version).await?;
    let number = published["sequence_number"].as_i64().unwrap_or_default();
    let url = format!("{}{}", scene.manufacturer.ready.people, envelope_path(PRODUCT, number));
    let name = format!("{PRODUCT}-{}", version.replace('.', "-"));
    let fetch = json!({"from": url, "maker": MAKER, "name": name});
    scene.operator.call_unless("release fetch", fetch, "release-known").await?;
    match fetched(scene, &name).await? {
        shown if shown["kept"] == true => Ok(name),
        shown => Err(failed(format!("{version}: {}", word(&shown["refused"])))),
    }
}

/// What became of a release that was to be fetched.
///
/// # Errors
/// [`Failure`], as the hub says it, or when that takes too long.
pub async fn fetched(scene: &mut Scene, release: &str) -> Result<Json, Failure> {
    let over = |shown: &Json| shown["kept"] == true || !word(&shown["refused"]).is_empty();
    scene.until("release show", json!({"release": release}), DEMO_PUBLISH_SECONDS_MAX, over).await
}

/// Two devices of the second wave are of the hardware on which 1.1 hangs; how many there are is answered.
async fn mark_flawed(scene: &mut Scene, release: &str) -> Result<usize, Failure> {
    let dry_run = json!({"release": release, "waves": "1,5,rest", "dry_run": true});
    let planned = match scene.operator.call("rollout start", dry_run).await {
        // In a story that is played again they are marked.
        Err(Failure::Refused(no)) if ["rollouts-overlap", "rollout-empty"].contains(&no.code()) => Json::Null,
        planned => planned?,
    };
    let mut flawed = 0;
    for device in scene.plan.list() {
        let folder = scene.device_folder(&device)?;
        let second = planned["waves"][1].as_array().into_iter().flatten().take(FLAWED);
        let marked = folder.path().join(REVISION_B);
        if second.into_iter().any(|name| *name == device.name.as_str()) && !marked.exists() {
            write_atomic(&marked, b"", 0o600).map_err(failed)?;
        }
        flawed += usize::from(marked.exists());
    }
    Ok(flawed)
}

/// Starts a rollout, unless it was, and waits for its end.
///
/// # Errors
/// [`Failure`], as the hub says it, or when that takes too long.
pub async fn start(scene: &mut Scene, mut rollout: Json) -> Result<Json, Failure> {
    rollout["deadline_seconds"] = json!(DEADLINE_SECONDS);
    rollout["stop_after"] = json!(STOP_AFTER);
    let name = rollout["name"].as_str().or(rollout["release"].as_str()).unwrap_or_default().to_owned();
    match scene.operator.call("rollout show", json!({"rollout": name})).await {
        Err(Failure::Refused(no)) if no.code() == "rollout-unknown" => {
            scene.operator.call("rollout start", rollout).await?;
        }
        known => drop(known?),
    }
    let over = |shown: &Json| !["", "running"].contains(&word(&shown["phase"]));
    scene.until("rollout show", json!({"rollout": name}), DEMO_ROLLOUT_SECONDS_MAX, over).await
}

/// Ends a rollout that a rule has paused: too few devices failed for the rule to stop it.
///
/// # Errors
/// [`Failure`], as the hub says it.
pub async fn end(scene: &mut Scene, rollout: &str, outcome: &Json) -> Result<(), Failure> {
    if outcome["phase"] == "paused" {
        let stop = json!({"rollout": rollout, "why": "it is not for these devices"});
        scene.operator.call("rollout stop", stop).await?;
    }
    Ok(())
}

/// Every device at work has the newest firmware in the slot that it runs from.
pub async fn firmware_agrees(scene: &mut Scene) -> Result<(), String> {
    let wanted = hex(&sha256(&image("1.2")));
    let listed = scene.all("device list").await.map_err(said)?;
    for device in scene.plan.list() {
        let is_it = |one: &&Json| one["serial_number"] == device.serial_number.as_str();
        if listed.iter().find(is_it).is_none_or(|one| one["stage"] != "operational") {
            continue;
        }
        let (_, image) = running(&scene.device_folder(&device).map_err(said)?).map_err(said)?;
        held(hex(&sha256(&image)) == wanted, || format!("{} does not have 1.2", device.name))?;
    }
    Ok(())
}

/// The image of the slot that a device runs from, and where it is.
fn running(folder: &DeviceFolder) -> Result<(PathBuf, Vec<u8>), Failure> {
    let slots = folder.path().join("slots");
    let state = read_limited(&slots.join("state"), DEMO_FIRMWARE_BYTES_MAX).map_err(failed)?;
    let record = Record::from_text(&String::from_utf8_lossy(&state)).map_err(failed)?;
    let slot = record.confirmed.map_or(Slot::A, |(slot, _)| slot);
    let path = slots.join(slot.name()).join("image");
    let image = read_limited(&path, DEMO_FIRMWARE_BYTES_MAX).map_err(failed)?;
    Ok((path, image))
}

/// Somebody changes the image of the slot that a device runs 1.2 from; the process that runs does not change.
///
/// # Errors
/// [`Failure::Failed`] when it cannot be read or written.
pub fn change_the_image(folder: &DeviceFolder) -> Result<(), Failure> {
    let (path, mut image) = running(folder)?;
    if image != self::image("1.2") {
        // In a story that is played again it was, and the device runs from the other slot.
        return Ok(());
    }
    image.extend(b"# changed by hand\n");
    write_atomic(&path, &image, 0o700).map_err(failed)
}

/// Every image in the slots of a device is one that its maker published.
///
/// # Errors
/// Which is not, in words.
pub fn slots_are_whole(folder: &DeviceFolder) -> Result<(), String> {
    for slot in ["a", "b"] {
        let path = folder.path().join("slots").join(slot).join("image");
        let published = match read_limited(&path, DEMO_FIRMWARE_BYTES_MAX) {
            Err(why) if why.is_missing() => continue,
            read => ["1.0", "1.1", "1.2"].map(image).contains(&read.map_err(|why| why.to_string())?),
        };
        held(published, || format!("{} is not as its maker published it", path.display()))?;
    }
    Ok(())
}

/// One byte of a device's firmware is changed.
pub async fn change_a_byte(scene: &mut Scene) -> Result<(), Failure> {
    let place = (0..scene.devices.len()).find(|place| *place != scene.plan.retired()).unwrap_or_default();
    let (path, mut image) = running(&scene.device_folder(&scene.plan.list()[place])?)?;
    image[10] ^= 1;
    write_atomic(&path, &image, 0o700).map_err(failed)
}
