//! Quarantine and remediation: one device sends what its description does not allow, is held and mended; one
//! is broken for good, is given up in time, and a spare takes its post.
use super::access::{DESCRIBED, recorded};
use super::configuration::{BY_HAND, until};
use super::damage::{append, at_rest, patch, subject, write};
use super::invariants::{ask, held, said};
use super::scene::{Scene, word};
use super::upgrade;
use crate::failure::{Failure, failed, usage};
use crate::limits::DEMO_RESPONSE_SECONDS_MAX;
use fleet::remediation::Remediation;
use serde_json::{Value as Json, json};

/// How a device is mended that was changed by somebody.
const RESTORE: &str = "restart:2:60,re-install:2:60,re-apply-configuration:3:60,give-up";
/// How it is tried to mend one that is broken for good: two short tries.
const IN_VAIN: &str = "re-apply-configuration:2:1,give-up";
/// So many tries are these.
const TRIES: usize = 2;
/// A packet that no description allows.
const OUTSIDE: &str = "a connection to a stranger";

async fn stage(scene: &mut Scene, device: &str) -> Result<String, Failure> {
    let shown = scene.operator.call("device show", json!({"device": device})).await?;
    Ok(shown["stage"].as_str().unwrap_or_default().into())
}

/// Asks `operation` about a device until `good` takes the answer.
async fn comes(
    scene: &mut Scene,
    operation: &str,
    device: &str,
    good: impl Fn(&Json) -> bool,
) -> Result<(), Failure> {
    scene.until(operation, json!({"device": device}), DEMO_RESPONSE_SECONDS_MAX, good).await.map(drop)
}

async fn do_to(
    scene: &mut Scene,
    operation: &'static str,
    device: &str,
    more: Json,
) -> Result<Json, Failure> {
    let mut arguments = json!({"device": device});
    if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    let answer = scene.operator.call(operation, arguments).await?;
    scene.written.push((operation, device.to_owned()));
    Ok(answer)
}

async fn findings(scene: &mut Scene, settled: bool) -> Result<Vec<Json>, Failure> {
    let listed = scene.operator.call("finding list", json!({"settled": settled, "limit": 500})).await?;
    Ok(listed["items"].as_array().cloned().unwrap_or_default())
}

/// A device sends packets; the one that its description does not allow has it held, and it is mended.
///
/// # Errors
/// [`Failure`], as the hub says it, or when something takes too long.
pub async fn outside(scene: &mut Scene) -> Result<(), Failure> {
    let place = scene.plan.wounded();
    let id = scene.devices[place].clone();
    let known = findings(scene, true).await?.iter().any(|found| found["device"] == id.as_str());
    let stands = stage(scene, &id).await?;
    if stands == "retired" || known && stands == "operational" {
        return Ok(());
    }
    if stands == "operational" {
        let folder = scene.device_folder(&scene.plan.list()[place])?;
        let described = observe(scene, &id, DESCRIBED).await?;
        scene.tell(format!("  {DESCRIBED}: {}, no finding", word(&described["by"])))?;
        folder.put_configuration(BY_HAND)?;
        upgrade::change_the_image(&folder)?;
        until(scene, &id, |shown| shown["drifted"] == true && shown["difference"] != "").await?;
        let seen = observe(scene, &id, OUTSIDE).await?;
        scene.written.push(("quarantine observe", id.clone()));
        let (by, level) = (word(&seen["by"]), word(&seen["level"]));
        scene.step(format!("  {OUTSIDE}: {by}, a finding; it is held: {level}")).await?;
        comes(scene, "access plan", &id, is_narrow).await?;
        let verdict = judge(scene, &id, DESCRIBED).await?;
        scene.step(format!("  Its plan is narrow now; {DESCRIBED}: {}", word(&verdict["by"]))).await?;
    }
    if stage(scene, &id).await? == "quarantined" {
        do_to(scene, "remediation begin", &id, json!({"playbook": RESTORE})).await?;
    }
    comes(scene, "device show", &id, |shown| shown["stage"] == "operational").await?;
    comes(scene, "access plan", &id, |plan| !is_narrow(plan)).await?;
    for done in mended_by(scene, &id).await? {
        scene.tell(format!("  {done}"))?;
    }
    scene.tell("  It is as it should be, and it was released.".into())
}

/// The operations by which a device was mended, oldest first, in words.
async fn mended_by(scene: &mut Scene, device: &str) -> Result<Vec<String>, Failure> {
    let listed = scene.operator.call("operation list", json!({"device": device})).await?;
    let all = listed["items"].as_array().into_iter().flatten().rev();
    let of_playbook = all.skip_while(|one| one["kind"] != "restart");
    let words = |one: &Json| {
        let what = format!("{} {}", word(&one["kind"]), word(&one["about"]));
        format!("{}: {}", what.trim_end(), word(&one["phase"]))
    };
    Ok(of_playbook.map(words).collect())
}

fn is_narrow(plan: &Json) -> bool {
    plan["plan"].as_str().is_some_and(|text| text.contains(r#""level":""#))
}

/// A packet of a device.
fn packet_of(scene: &Scene, device: &str, what: &str) -> Result<Json, Failure> {
    let place = scene.devices.iter().position(|id| id == device).unwrap_or_default();
    let packet = recorded(what, scene.plan, place)?;
    Ok(json!({"device": device, "packet": packet}))
}

async fn observe(scene: &mut Scene, device: &str, what: &str) -> Result<Json, Failure> {
    let packet = packet_of(scene, device, what)?;
    scene.operator.call("quarantine observe", packet).await
}

async fn judge(scene: &mut Scene, device: &str, what: &str) -> Result<Json, Failure> {
    let packet = packet_of(scene, device, what)?;
    scene.operator.call("access judge", packet).await
}

/// A device is switched off for good: it is given up after its tries, and a spare takes over its post.
///
/// # Errors
/// As [`outside`].
pub async fn broken(scene: &mut Scene) -> Result<(), Failure> {
    let Some((broken, spare)) = scene.plan.broken_and_spare() else {
        return scene.tell("  For one to be broken and replaced, four devices are needed.".into());
    };
    let (old, new) = (scene.devices[broken].clone(), scene.devices[spare].clone());
    let shown = scene.operator.call("remediation show", json!({"device": new})).await?;
    if shown["stands_for"] == old.as_str() {
        return Ok(());
    }
    let planned = scene.plan.list().swap_remove(broken);
    let folder = scene.device_folder(&planned)?;
    scene.site.stop(folder.path());
    if stage(scene, &old).await? == "operational" {
        do_to(scene, "remediation begin", &old, json!({"playbook": IN_VAIN})).await?;
    }
    comes(scene, "device show", &old, |shown| shown["stage"] == "quarantined").await?;
    scene.step(format!("  {} was tried twice in vain, and is given up.", planned.name)).await?;
    comes(scene, "access plan", &old, is_narrow).await?;
    do_to(scene, "device replace", &old, json!({"by": new})).await?;
    until(scene, &new, |shown| shown["ordered"] == 0).await?;
    scene.tell(format!("  A spare is {} now, with its configuration.", planned.name))
}

/// The events of a room in the operator's journal: subject and event.
async fn told(scene: &mut Scene, room: &str) -> Result<Vec<(String, Json)>, String> {
    let entries = scene.export().await.map_err(said)?;
    let of_room = entries.iter().filter(|entry| entry["room"] == room);
    let event = |entry: &Json| {
        let event = serde_json::from_str(entry["detail"].as_str()?).ok()?;
        Some((entry["subject"].as_str()?.to_owned(), event))
    };
    Ok(of_room.filter_map(event).collect())
}

/// Who is held has a plan in which nothing of a description stands.
pub async fn held_are_narrow(scene: &mut Scene) -> Result<(), String> {
    for device in scene.all("device list").await.map_err(said)? {
        if device["stage"] != "quarantined" {
            continue;
        }
        let taken = ask(scene, "access plan", json!({"device": device["device"]})).await?;
        held(is_narrow(&taken), || format!("{} is held, and its plan is wide", device["name"]))?;
        let plan: Json =
            serde_json::from_str(taken["plan"].as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
        for entry in plan["entries"].as_array().into_iter().flatten() {
            let id = entry["id"].as_str().unwrap_or_default();
            let own = id.starts_with("steward/") || id == "rfc8520/dns";
            held(own, || format!("{} is held, and its plan has {id}", device["name"]))?;
        }
    }
    Ok(())
}

/// An entry of every plan is called as if it came from a description.
pub async fn widen_the_plans(scene: &mut Scene) -> Result<(), Failure> {
    if scene.plan.broken_and_spare().is_none() {
        return Err(usage("for a device to be held at the end, four devices are needed"));
    }
    at_rest(scene, |database| patch(database, r#""id":"steward/hub""#, r#""id":"maker's/hub""#, |_| true))
        .await
}

/// What is described makes no finding, and every finding is of what is not.
pub async fn described_makes_no_finding(scene: &mut Scene) -> Result<(), String> {
    for settled in [false, true] {
        for found in findings(scene, settled).await.map_err(said)? {
            let by = found["by"].as_str().unwrap_or_default();
            held(by.starts_with("default/"), || format!("a finding by {by}"))?;
        }
    }
    let id = scene.devices[scene.plan.guarded()].clone();
    if stage(scene, &id).await.map_err(said)? == "retired" {
        return Ok(());
    }
    let seen = observe(scene, &id, DESCRIBED).await.map_err(said)?;
    held(seen["outside"] == false && seen["finding"].is_null(), || {
        format!("{DESCRIBED} is a finding: {seen}")
    })
}

/// The device that was mended installed its firmware anew from its hub, and no slot of it holds what somebody
/// made of it.
pub async fn mended_is_whole(scene: &mut Scene) -> Result<(), String> {
    let place = scene.plan.wounded();
    let (id, planned) = (scene.devices[place].clone(), scene.plan.list().swap_remove(place));
    let device = ask(scene, "device show", json!({"device": id})).await?;
    if device["stage"] == "retired" {
        return Ok(());
    }
    let listed = ask(scene, "operation list", json!({"device": id})).await?;
    let done = |kind: &str| {
        let mut all = listed["items"].as_array().into_iter().flatten();
        all.any(|one| one["kind"] == kind && one["phase"] == "succeeded")
    };
    for kind in ["restart", "re-install", "apply-configuration"] {
        held(done(kind), || format!("{} was not mended by `{kind}`", planned.name))?;
    }
    let folder = scene.device_folder(&planned).map_err(said)?;
    upgrade::slots_are_whole(&folder)
}

/// The device that was mended is changed again.
pub async fn change_the_mended(scene: &mut Scene) -> Result<(), Failure> {
    let planned = scene.plan.list().swap_remove(scene.plan.wounded());
    if scene.plan.wounded() == scene.plan.retired() {
        return Err(usage("for a device to be mended and not retired, two devices are needed"));
    }
    upgrade::change_the_image(&scene.device_folder(&planned)?)
}

/// Who is given up is given up once, after its tries and no more.
pub async fn given_up_once(scene: &mut Scene) -> Result<(), String> {
    let events = told(scene, "remediation").await?;
    let given_up: Vec<&str> =
        events.iter().filter(|(_, event)| event["event"] == "given-up").map(|(id, _)| id.as_str()).collect();
    let expect: Vec<String> =
        scene.plan.broken_and_spare().map(|(broken, _)| scene.devices[broken].clone()).into_iter().collect();
    let mut wrong = Vec::new();
    if given_up != expect {
        wrong.push(format!("given up: {given_up:?}, not {expect:?}"));
    }
    for broken in &expect {
        let of_it = events.iter().filter(|(id, _)| id == broken).map(|(_, event)| word(&event["event"]));
        // It may have been begun anew in a story that was broken off.
        let tries = of_it.fold(0, |tries, event| match event {
            "begun" => 0,
            "tried" => tries + 1,
            _ => tries,
        });
        if tries != TRIES {
            wrong.push(format!("{broken} was tried {tries} times, not {TRIES}"));
        }
    }
    held(wrong.is_empty(), || wrong.join("; "))
}

/// A device is given up that is not broken, and the journal tells of one try more of the one that is.
pub async fn give_up_another(scene: &mut Scene) -> Result<(), Failure> {
    if let Some((broken, _)) = scene.plan.broken_and_spare() {
        let broken = subject(scene, broken);
        let more = r#"{"event":"tried","place":0,"attempt":3,"action":"re-apply-configuration","at":1,"deadline":2}"#;
        at_rest(scene, |database| {
            write(database, &mut |tx| append::<Remediation>(tx, &broken, "remediation expire", more))
        })
        .await?;
    }
    for device in scene.all("device list").await? {
        if device["stage"] == "operational" {
            let arguments = json!({"device": device["device"], "playbook": "give-up"});
            return scene.operator.call("remediation begin", arguments).await.map(drop);
        }
    }
    Err(failed("no device is at work"))
}

/// A post that was taken over is held by one device, which is called so.
pub async fn posts_held_once(scene: &mut Scene) -> Result<(), String> {
    for (subject, event) in told(scene, "remediation").await? {
        if event["event"] != "took-over" {
            continue;
        }
        let device = ask(scene, "device show", json!({"device": event["post"]})).await?;
        held(device["device"] == subject.as_str(), || format!("{} is {}", event["post"], device["device"]))?;
        let before = ask(scene, "remediation show", json!({"device": event["from"]})).await?;
        held(before["replaced_by"] == subject.as_str(), || format!("{} still has its post", event["from"]))?;
    }
    Ok(())
}

/// The spare is called something else.
pub async fn leave_the_post(scene: &mut Scene) -> Result<(), Failure> {
    let Some((_, spare)) = scene.plan.broken_and_spare() else {
        return Err(usage("for a post to be left, four devices are needed"));
    };
    let arguments = json!({"device": scene.devices[spare], "name": "nobody"});
    scene.operator.call("device rename", arguments).await.map(drop)
}
