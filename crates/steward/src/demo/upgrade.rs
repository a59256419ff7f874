//! Firmware: born with 1.0; 1.1 goes out in waves, fails on some devices and is stopped by rule; 1.2 finishes.
use super::damage::{append, at_rest, write};
use super::device::{DeviceFolder, certificate};
use super::factory::PRODUCT;
use super::invariants::{ask, held, said};
use super::refused;
use super::retirement::processes_in;
use super::scene::{AtWork, Scene, word};
use super::story::MAKER;
use crate::failure::{Failure, failed, usage};
use crate::limits::{
    DEMO_CONFIGURATION_SECONDS_MAX, DEMO_FIRMWARE_BYTES_MAX, DEMO_PUBLISH_SECONDS_MAX,
    DEMO_ROLLOUT_SECONDS_MAX,
};
use agent::upgrade::{Device, Record, Slot, lay};
use fleet::provisioning::release::door::{COMPONENT, envelope_path};
use fleet::room::{Room, Subject};
use fleet::text::Slug;
use fleet::upgrade::Rollout;
use fleet::upgrade::release::manifest::describe;
use io::files::{read_limited, write_atomic};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wire::digest::{hex, sha256};
use wire::suit::{ComponentId, Envelope, Uuid};

/// Whose vendor ID the devices have.
pub const VENDOR: &str = "lumen.example";
/// In the folder of a device of the hardware on which 1.1 hangs.
pub const REVISION_B: &str = "revision-b";
/// How many devices have that hardware.
const FLAWED: usize = 2;
/// After so long a device that says nothing counts as failed.
const DEADLINE_SECONDS: u32 = 60;
/// Between two looks at a device that falls back.
const LOOK_MILLIS: u64 = 50;
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

/// What is published: a version, or the way back to it.
#[derive(Clone, Copy)]
enum What {
    Version(&'static str),
    WayBackTo(&'static str),
}

impl What {
    /// What it is called at the operator's hub.
    fn name(self) -> String {
        match self {
            What::Version(version) => format!("{PRODUCT}-{}", version.replace('.', "-")),
            What::WayBackTo(version) => format!("{PRODUCT}-back-to-{}", version.replace('.', "-")),
        }
    }

    fn is(self, published: &Json) -> bool {
        let (version, way_back) = match self {
            What::Version(version) => (version, false),
            What::WayBackTo(version) => (version, true),
        };
        published["version"] == version && published["way_back"] == way_back
    }
}

/// The manufacturer publishes something, and it is answered once it is signed.
async fn publish(scene: &mut Scene, what: What) -> Result<Json, Failure> {
    let published = |releases: &Json| {
        let mut items = releases["items"].as_array().into_iter().flatten();
        items.find(|one| what.is(one)).cloned()
    };
    let list = json!({"product": PRODUCT});
    if published(&scene.manufacturer.call("product releases", list.clone()).await?).is_none() {
        let release = match what {
            What::Version(version) => {
                let image = scene.manufacturer.put_blob(&image(version)).await?;
                json!({"product": PRODUCT, "version": version, "image": image, "vendor": VENDOR})
            }
            What::WayBackTo(version) => json!({"product": PRODUCT, "way_back_to": version}),
        };
        scene.manufacturer.call("release publish", release).await?;
    }
    let signed = |releases: &Json| published(releases).is_some_and(|one| one["envelope"] != "");
    let within = Duration::from_secs(DEMO_PUBLISH_SECONDS_MAX);
    let releases = scene.manufacturer.until("product releases", list, within, signed).await?;
    published(&releases).ok_or_else(|| failed(format!("{} was not published", what.name())))
}

/// The factory publishes 1.0 and 1.1, and lays 1.0 into every device that has no firmware yet.
///
/// # Errors
/// [`Failure`], as the hub or the disk says it.
pub async fn lay_all(scene: &mut Scene) -> Result<(), Failure> {
    let release = publish(scene, What::Version("1.0")).await?;
    publish(scene, What::Version("1.1")).await?;
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
    let first = fetch(scene, What::Version("1.1")).await?;
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
    see_them_fall_back(scene).await?;
    let second = fetch(scene, What::Version("1.2")).await?;
    fetch(scene, What::WayBackTo("1.0")).await?;
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
async fn fetch(scene: &mut Scene, what: What) -> Result<String, Failure> {
    let published = publish(scene, what).await?;
    let number = published["sequence_number"].as_i64().unwrap_or_default();
    let url = format!("{}{}", scene.manufacturer.ready.people, envelope_path(PRODUCT, number));
    let name = what.name();
    let fetch = json!({"from": url, "maker": MAKER, "name": name});
    scene.operator.call_unless("release fetch", fetch, "release-known").await?;
    match fetched(scene, &name).await? {
        shown if shown["kept"] == true && shown["sequence_number"] == number => Ok(name),
        shown => Err(failed(format!("{name} is not here as it was published: {shown}"))),
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
    // In a story that is played again they are marked.
    if !is_rolled_out(scene, release).await? {
        let dry_run = json!({"release": release, "waves": "1,5,rest", "dry_run": true});
        let planned = scene.operator.call("rollout start", dry_run).await?;
        let devices = scene.plan.list();
        let place = |name: &Json| devices.iter().position(|device| *name == device.name.as_str());
        let second = planned["waves"][1].as_array().into_iter().flatten().filter_map(place);
        let mut second: Vec<usize> = second.collect();
        // Rather those whose slots nobody else changes later.
        second.sort_by_key(|place| changes_later(scene, *place));
        for place in second.into_iter().take(FLAWED) {
            let marked = scene.device_folder(&devices[place])?.path().join(REVISION_B);
            write_atomic(&marked, b"", 0o600).map_err(failed)?;
        }
    }
    Ok(flawed(scene)?.len())
}

/// Whether there is a rollout of this name.
async fn is_rolled_out(scene: &mut Scene, rollout: &str) -> Result<bool, Failure> {
    match scene.operator.call("rollout show", json!({"rollout": rollout})).await {
        Err(Failure::Refused(no)) if no.code() == "rollout-unknown" => Ok(false),
        known => known.map(|_| true),
    }
}

/// Whether the slots of the device at `place` are installed anew, or wiped, later in the story.
fn changes_later(scene: &Scene, place: usize) -> bool {
    [scene.plan.wounded(), scene.plan.retired()].contains(&place)
}

/// The devices of the hardware on which 1.1 hangs: their places and their folders.
fn flawed(scene: &Scene) -> Result<Vec<(usize, DeviceFolder)>, Failure> {
    let mut found = Vec::new();
    for (place, device) in scene.plan.list().iter().enumerate() {
        let folder = scene.device_folder(device)?;
        if folder.path().join(REVISION_B).exists() {
            found.push((place, folder));
        }
    }
    Ok(found)
}

/// Looks that the devices on which 1.1 failed run 1.0 again, from the slot in which it was before, until 1.2 is
/// rolled out.
async fn see_them_fall_back(scene: &mut Scene) -> Result<(), Failure> {
    if is_rolled_out(scene, &What::Version("1.2").name()).await? {
        return Ok(());
    }
    let end = Instant::now() + Duration::from_secs(DEMO_CONFIGURATION_SECONDS_MAX);
    let mut names = Vec::new();
    for (place, folder) in flawed(scene)? {
        let planned = scene.plan.list().swap_remove(place);
        while let Err(why) = runs_the_first(&folder) {
            if Instant::now() > end {
                return Err(failed(format!("{} did not fall back to 1.0: {why}", planned.name)));
            }
            scene.check()?;
            sleep(Duration::from_millis(LOOK_MILLIS)).await;
        }
        names.push(planned.name);
    }
    match names.as_slice() {
        [] => Ok(()),
        names => scene.tell(format!("  {} run 1.0 again, from their other slot.", names.join(" and "))),
    }
}

/// The firmware that runs is 1.0, and its slot is not the one into which 1.1 was installed.
fn runs_the_first(folder: &DeviceFolder) -> Result<(), String> {
    let runs = runs(folder)?;
    held(runs.image == hex(&sha256(&image("1.0"))), || {
        format!("it runs {} from {:?}", runs.image, runs.slot)
    })?;
    let tried = read_limited(&image_path(folder, other(runs.slot)), DEMO_FIRMWARE_BYTES_MAX);
    held(tried.is_ok_and(|tried| tried == image("1.1")), || "1.1 is not in the other slot".into())
}

/// The devices on which 1.1 failed took 1.2 into the slot in which that was: 1.0, to which they fell back, is in
/// the other one.
pub async fn flawed_fell_back(scene: &mut Scene) -> Result<(), String> {
    for (place, folder) in flawed(scene).map_err(said)? {
        if changes_later(scene, place) {
            continue;
        }
        let record = record(&folder).map_err(said)?;
        let name = scene.plan.list().swap_remove(place).name;
        held(!record.failed.is_empty(), || format!("{name} does not know that 1.1 failed"))?;
        let slot = record.confirmed.map_or(Slot::A, |(slot, _)| slot);
        let kept = read_limited(&image_path(&folder, other(slot)), DEMO_FIRMWARE_BYTES_MAX);
        held(kept.is_ok_and(|kept| kept == image("1.0")), || format!("{name} did not keep 1.0"))?;
    }
    Ok(())
}

/// One byte of the firmware to which a device fell back is changed.
pub async fn change_the_way_back(scene: &mut Scene) -> Result<(), Failure> {
    let fell_back = flawed(scene)?.into_iter().find(|(place, _)| !changes_later(scene, *place));
    let (_, folder) = fell_back.ok_or_else(|| usage("for a device to fall back, more devices are needed"))?;
    let slot = record(&folder)?.confirmed.map_or(Slot::A, |(slot, _)| slot);
    let path = image_path(&folder, other(slot));
    let mut image = read_limited(&path, DEMO_FIRMWARE_BYTES_MAX).map_err(failed)?;
    image[10] ^= 1;
    write_atomic(&path, &image, 0o700).map_err(failed)
}

/// The third wave of the rollout that was stopped, and who was offered what it offers.
async fn waves(scene: &mut Scene) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (mut third, mut offered) = (Vec::new(), Vec::new());
    for entry in scene.export().await? {
        if entry["room"] != Rollout::NAME || entry["subject"] != What::Version("1.1").name() {
            continue;
        }
        let event: Json = serde_json::from_str(word(&entry["detail"])).unwrap_or_default();
        match word(&event["event"]) {
            "started" => {
                let places = event["waves"][2].as_array().into_iter().flatten();
                third = places.map(|place| word(&place["device"]).to_owned()).collect();
            }
            "offered" => offered.push(word(&event["device"]).to_owned()),
            _ => {}
        }
    }
    Ok((third, offered))
}

/// Nobody of the third wave was offered 1.1.
pub async fn third_wave_spared(scene: &mut Scene) -> Result<(), String> {
    let (third, offered) = waves(scene).await.map_err(said)?;
    held(!offered.is_empty(), || "nobody was offered 1.1".into())?;
    let wrong = third.iter().find(|device| offered.contains(device));
    wrong.map_or(Ok(()), |device| Err(format!("{device} of the third wave was offered 1.1")))
}

/// The journal tells that a device of the third wave was offered 1.1.
pub async fn offer_to_the_third_wave(scene: &mut Scene) -> Result<(), Failure> {
    let (third, _) = waves(scene).await?;
    let one = third.first().ok_or_else(|| usage("for a third wave, seven devices are needed"))?;
    let detail = json!({"event": "offered", "device": one}).to_string();
    let subject = Subject {
        organisation: Slug::main().to_string(),
        site: String::new(),
        id: What::Version("1.1").name(),
    };
    at_rest(scene, |database| {
        write(database, &mut |tx| append::<Rollout>(tx, &subject, "control look", &detail))
    })
    .await
}

/// Starts a rollout, unless it was, and waits for its end.
///
/// # Errors
/// [`Failure`], as the hub says it, or when that takes too long.
pub async fn start(scene: &mut Scene, mut rollout: Json) -> Result<Json, Failure> {
    rollout["deadline_seconds"] = json!(DEADLINE_SECONDS);
    rollout["stop_after"] = json!(STOP_AFTER);
    let name = rollout["name"].as_str().or(rollout["release"].as_str()).unwrap_or_default().to_owned();
    if !is_rolled_out(scene, &name).await? {
        scene.operator.call("rollout start", rollout).await?;
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

/// A firmware: its manifest's sequence number, and its image's SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Firmware {
    sequence_number: u64,
    image: String,
}

/// What runs on a device, what its hub knows to run there, and what the maker signed under that number are one.
fn agree(runs: &Firmware, known: &Firmware, signed: &Firmware) -> Result<(), String> {
    held(runs == known, || format!("{runs:?} runs, the hub knows {known:?}"))?;
    held(known == signed, || format!("the hub knows {known:?}, signed is {signed:?}"))
}

/// On every device at work runs what its hub knows and its maker signed: the newest.
pub async fn firmware_agrees(scene: &mut Scene) -> Result<(), String> {
    let newest = What::Version("1.2").name();
    for AtWork { id, serial_number, folder } in scene.at_work().await.map_err(said)? {
        let listed = ask(scene, "firmware list", json!({"device": id})).await?;
        let mut offered = listed["items"].as_array().into_iter().flatten();
        let taken = offered.find(|one| one["outcome"] == "succeeded");
        let release = taken.map(|one| word(&one["release"]).to_owned()).unwrap_or_default();
        held(release == newest, || format!("{serial_number} took `{release}` last, says the hub"))?;
        let shown = ask(scene, "release show", json!({"release": release})).await?;
        let known = Firmware {
            sequence_number: shown["sequence_number"].as_u64().unwrap_or_default(),
            image: word(&shown["image"]).to_owned(),
        };
        let signed = signed(scene, known.sequence_number).await?;
        let runs = runs(&folder).map_err(|why| format!("{serial_number}: {why}"))?;
        let runs = Firmware { sequence_number: runs.sequence_number, image: runs.image };
        agree(&runs, &known, &signed).map_err(|why| format!("{serial_number}: {why}"))?;
    }
    Ok(())
}

/// What the maker signed under a number, as the envelope itself says that it published.
async fn signed(scene: &mut Scene, sequence_number: u64) -> Result<Firmware, String> {
    let authors = device(scene).map_err(said)?.authors;
    let releases =
        scene.manufacturer.call("product releases", json!({"product": PRODUCT})).await.map_err(said)?;
    let mut items = releases["items"].as_array().into_iter().flatten();
    let published = items.find(|one| one["sequence_number"].as_u64() == Some(sequence_number));
    let envelope = published.map(|one| word(&one["envelope"])).unwrap_or_default();
    let bytes = scene.manufacturer.blob(envelope).await.map_err(said)?;
    let envelope = Envelope::from_cbor(&bytes).and_then(|envelope| envelope.authenticate(&authors));
    let authentic = envelope.map_err(|why| format!("the envelope of number {sequence_number}: {why}"))?;
    let image = hex(&describe(&authentic)?.image);
    Ok(Firmware { sequence_number: authentic.manifest.sequence_number, image })
}

/// What a device remembers of its firmware.
fn record(folder: &DeviceFolder) -> Result<Record, Failure> {
    let state = folder.path().join("slots").join("state");
    let state = read_limited(&state, DEMO_FIRMWARE_BYTES_MAX).map_err(failed)?;
    Record::from_text(&String::from_utf8_lossy(&state)).map_err(failed)
}

fn other(slot: Slot) -> Slot {
    match slot {
        Slot::A => Slot::B,
        Slot::B => Slot::A,
    }
}

fn image_path(folder: &DeviceFolder, slot: Slot) -> PathBuf {
    folder.path().join("slots").join(slot.name()).join("image")
}

/// What runs on a device.
struct Runs {
    slot: Slot,
    sequence_number: u64,
    image: String,
}

/// Whether this process started another: a firmware that hangs outlives a demo that was killed.
fn is_child(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.is_some_and(|parent| parent.trim() == std::process::id().to_string())
}

/// What runs: the process of a device's firmware, and what is in the slot that it was started from.
fn runs(folder: &DeviceFolder) -> Result<Runs, String> {
    let record = record(folder).map_err(said)?;
    let (slot, sequence_number) = record.confirmed.ok_or("nothing was ever healthy")?;
    for (slot, expect) in [(slot, true), (other(slot), false)] {
        let path = image_path(folder, slot);
        let mut works = processes_in(path.parent().unwrap_or(&path)).map_err(|why| why.to_string())?;
        works.retain(|process| is_child(process));
        held(works.is_empty() != expect, || format!("{works:?} run from slot {}", slot.name()))?;
    }
    let image =
        read_limited(&image_path(folder, slot), DEMO_FIRMWARE_BYTES_MAX).map_err(|why| why.to_string())?;
    Ok(Runs { slot, sequence_number, image: hex(&sha256(&image)) })
}

/// The image of the slot that a device runs from, and where it is.
fn running(folder: &DeviceFolder) -> Result<(PathBuf, Vec<u8>), Failure> {
    let path = image_path(folder, record(folder)?.confirmed.map_or(Slot::A, |(slot, _)| slot));
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

#[cfg(test)]
mod tests {
    use super::{Firmware, agree};

    #[test]
    fn three_have_to_agree() {
        let firmware = |text: &str| {
            let (number, image) = text.split_once(' ').expect("two words");
            Firmware { sequence_number: number.parse().expect("a number"), image: image.into() }
        };
        let check = |runs: &str, known: &str, signed: &str, expect: Option<&str>| {
            let agreed = agree(&firmware(runs), &firmware(known), &firmware(signed));
            let why = agreed.err().unwrap_or_default();
            assert!(
                expect.map_or(why.is_empty(), |expect| why.contains(expect)),
                "{runs} {known} {signed}: {why}"
            );
        };
        check("3 a", "3 a", "3 a", None);
        check("3 b", "3 a", "3 a", Some("runs, the hub knows"));
        check("2 a", "3 a", "3 a", Some("runs, the hub knows"));
        check("3 a", "3 b", "3 b", Some("runs, the hub knows"));
        check("3 a", "3 a", "3 b", Some("signed is"));
        check("3 a", "3 a", "4 a", Some("signed is"));
    }
}
