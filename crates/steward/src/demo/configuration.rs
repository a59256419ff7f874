//! Configurations: every device gets one; one drifts and is restored; one is told to leave the hub, and comes
//! back by itself.
use super::device::DeviceFolder;
use super::invariants::{ask, held, said};
use super::scene::{AtWork, Scene};
use crate::failure::{Failure, failed};
use crate::limits::DEMO_CONFIGURATION_SECONDS_MAX;
use serde_json::{Value as Json, json};
use std::time::Instant;

/// What the factory lays into every device.
pub const FIRST: &str = "{\"interval\":60}";
/// What the operator wants of every device.
const WANTED: &str = "{\"interval\":30}";
/// What somebody at the device makes of it.
pub const BY_HAND: &str = "{\"interval\":30,\"by\":\"hand\"}";
/// With this no device finds its hub: nobody listens there.
const AWAY: &str = "{\"hub\":\"https://127.0.0.1:1\",\"interval\":30}";
/// How long a device tries a configuration with which it cannot reach its hub.
const TRIAL_SECONDS: u32 = 2;

/// Asks for a device's configuration until `good` takes it. Before its first check-in there is none.
///
/// # Errors
/// [`Failure`], as the hub says it, or when a device takes too long.
pub async fn until(scene: &mut Scene, device: &str, good: impl Fn(&Json) -> bool) -> Result<Json, Failure> {
    let device = json!({"device": device});
    scene.until("configuration show", device, DEMO_CONFIGURATION_SECONDS_MAX, good).await
}

/// Gives every device what the operator wants, after its first backup was taken.
///
/// # Errors
/// [`Failure`], as the hub says it, or when a device takes too long.
pub async fn configure_all(scene: &mut Scene) -> Result<(), Failure> {
    let devices = scene.at_work().await?;
    let begin = Instant::now();
    for AtWork { id, .. } in &devices {
        let shown = until(scene, id, |shown| shown["applied"].as_u64() >= Some(1)).await?;
        if shown["document"] != WANTED && shown["ordered"] == 0 {
            let set = json!({"device": id, "document": WANTED});
            scene.operator.call("configuration set", set).await?;
            scene.written.push(("configuration set", id.clone()));
        }
    }
    for AtWork { id, .. } in &devices {
        until(scene, id, |shown| shown["document"] == WANTED && shown["ordered"] == 0).await?;
    }
    let millis = begin.elapsed().as_millis();
    scene.tell(format!("{} devices have it, and their first one is kept, after {millis} ms.", devices.len()))
}

/// Somebody changes the configuration at the device; the operator sees it and puts it back.
///
/// # Errors
/// As [`configure_all`].
pub async fn drift(scene: &mut Scene) -> Result<(), Failure> {
    let Some((id, folder)) = guarded(scene).await? else { return Ok(()) };
    folder.put_configuration(BY_HAND)?;
    let shown = until(scene, &id, |shown| shown["drifted"] == true && shown["difference"] != "").await?;
    for line in shown["difference"].as_str().unwrap_or_default().lines() {
        scene.tell(format!("  {line}"))?;
    }
    scene.operator.call("configuration restore", json!({"device": id})).await?;
    scene.written.push(("configuration restore", id.clone()));
    until(scene, &id, |shown| shown["drifted"] == false && shown["ordered"] == 0).await?;
    scene.tell("  It was restored.".into())
}

/// A device gets a configuration with which it cannot reach its hub.
///
/// # Errors
/// As [`configure_all`].
pub async fn go_astray(scene: &mut Scene) -> Result<(), Failure> {
    let Some((id, folder)) = guarded(scene).await? else { return Ok(()) };
    let set = json!({"device": id, "document": AWAY, "confirm_seconds": TRIAL_SECONDS});
    scene.operator.call("configuration set", set).await?;
    scene.written.push(("configuration set", id.clone()));
    let shown = until(scene, &id, |shown| shown["ordered"] == 0).await?;
    let (trouble, back) = (shown["trouble"].as_str().unwrap_or_default(), folder.configuration()?);
    if trouble.is_empty() || back != WANTED {
        return Err(failed(format!("{id} did not come back by itself: {shown}")));
    }
    scene.tell(format!("  It came back by itself: {trouble}."))
}

async fn guarded(scene: &mut Scene) -> Result<Option<(String, DeviceFolder)>, Failure> {
    let id = scene.devices[scene.plan.guarded()].clone();
    let found = scene.at_work().await?.into_iter().find(|device| device.id == id);
    Ok(found.map(|AtWork { id, folder, .. }| (id, folder)))
}

/// What a device at work has in its folder is what the operator's hub says that it has.
pub async fn configurations_agree(scene: &mut Scene) -> Result<(), String> {
    for AtWork { id, folder, .. } in scene.at_work().await.map_err(said)? {
        let shown = ask(scene, "configuration show", json!({"device": id})).await?;
        let has = folder.configuration().map_err(said)?;
        held(shown["document"] == has.as_str(), || format!("{id} has {has}, the hub says {shown}"))?;
        held(shown["drifted"] == false && shown["ordered"] == 0, || format!("{id} is under way: {shown}"))?;
    }
    Ok(())
}

/// Somebody changes the configuration of a device, and nobody restores it.
pub async fn change_a_configuration(scene: &mut Scene) -> Result<(), Failure> {
    let device = scene.at_work().await?.into_iter().next();
    device.ok_or_else(|| failed("no device is at work"))?.folder.put_configuration(BY_HAND)
}
