//! The story as far as it goes: devices are announced, one is retired, one comes back.
//!
//! Each step may be played again: a key of the story does it once.
use super::plan::Planned;
use super::scene::Scene;
use crate::failure::{Failure, failed};
use serde_json::{Value as Json, json};

/// Who makes the devices of the story.
const MAKER: &str = "Example Devices";
/// Why a device is retired; `damage.rs` looks for it in the journal.
pub const WHY_RETIRED: &str = "support has ended";

/// Makes a one-time link and shows where to open it.
///
/// # Errors
/// [`Failure`], as the hub says it.
pub async fn sign_in(scene: &mut Scene) -> Result<(), Failure> {
    let link = scene.operator.call("link issue", json!({"account": "admin"})).await?;
    let secret = link["secret"].as_str().unwrap_or_default();
    let people = &scene.operator.ready.people;
    scene.step(format!("Open its page, once, within 15 minutes: {people}/sign-in/{secret}")).await?;
    scene.tell(
        "  (its certificate is of the hub's own authority, so the browser asks whether to believe it)".into(),
    )
}

/// Plays all steps.
///
/// # Errors
/// [`Failure`], as the hub says it.
pub async fn play(scene: &mut Scene) -> Result<(), Failure> {
    let planned = scene.plan.list();
    scene.step(format!("A delivery of {} devices is announced.", planned.len())).await?;
    for device in &planned {
        let id = expect(scene, device).await?;
        scene.written.push(("device expect", id.clone()));
        scene.devices.push(id);
    }
    let retired = scene.plan.retired();
    scene.step(format!("{} is retired: {WHY_RETIRED}.", planned[retired].name)).await?;
    retire(scene, retired, WHY_RETIRED).await?;
    if let Some(claimed) = scene.plan.claimed() {
        scene.step(format!("{} is retired and claimed anew.", planned[claimed].name)).await?;
        retire(scene, claimed, "sent back to its maker").await?;
        claim(scene, claimed).await?;
    }
    Ok(())
}

/// The arguments that announce a device.
pub fn expectation(device: &Planned) -> Json {
    let Planned { name, serial_number, model } = device;
    json!({"name": name, "serial_number": serial_number, "maker": MAKER, "model": model})
}

/// Announces a device and answers its id; one that is there already is not announced twice.
async fn expect(scene: &mut Scene, device: &Planned) -> Result<String, Failure> {
    let key = scene.key(&device.name);
    let answer = match scene.operator.call_once("device expect", expectation(device), &key).await {
        Err(Failure::Refused(problem)) if problem.code() == "device-known" => {
            scene.operator.call("device show", json!({"device": device.name})).await?
        }
        answer => answer?,
    };
    answer["device"].as_str().map(str::to_owned).ok_or_else(|| failed("the hub answered no id"))
}

async fn retire(scene: &mut Scene, place: usize, why: &str) -> Result<(), Failure> {
    let device = scene.devices[place].clone();
    let key = scene.key(&format!("retire-{place}"));
    scene.operator.call_once("device retire", json!({"device": device, "why": why}), &key).await?;
    scene.written.push(("device retire", device));
    Ok(())
}

async fn claim(scene: &mut Scene, place: usize) -> Result<(), Failure> {
    let device = scene.devices[place].clone();
    let key = scene.key(&format!("claim-{place}"));
    let arguments = json!({"device": device, "proof": "delivery note 7431"});
    scene.operator.call_once("device claim", arguments, &key).await?;
    scene.written.push(("device claim", device));
    Ok(())
}
