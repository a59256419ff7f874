//! The story as far as it goes: devices are born, announced, switched on and admitted; one is retired.
//!
//! Each step may be played again: a key of the story does it once.
use super::device::certificate;
use super::plan::Planned;
use super::scene::Scene;
use super::{access, configuration, factory, response, retirement, site, upgrade};
use crate::failure::{Failure, failed};
use crate::settings::READY_FILE;
use serde_json::{Value as Json, json};

/// Who makes the devices of the story: the name of the operator's anchor.
pub const MAKER: &str = "lumen";
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
    )?;
    tell_another_link(scene)?;
    scene.tell(format!("  The hubs' and devices' folders are in {}.", scene.folder().display()))
}

/// Says how another one-time link is made.
///
/// # Errors
/// The output could not be written.
pub fn tell_another_link(scene: &Scene) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(failed)?;
    let (people, ready) = (&scene.operator.ready.people, scene.operator.folder.join(READY_FILE));
    scene.tell(format!(
        "  A new link: {} link issue admin --hub {}; its secret goes behind {people}/sign-in/",
        program.display(),
        ready.display()
    ))
}

/// Plays all steps.
///
/// # Errors
/// [`Failure`], as a hub or a device says it.
pub async fn play(scene: &mut Scene) -> Result<(), Failure> {
    let planned = scene.plan.list();
    scene.chapter("factory", format!("{} devices are born at the factory.", planned.len())).await?;
    factory::offer(scene).await?;
    factory::bear_all(scene, &planned).await?;
    upgrade::lay_all(scene).await?;
    scene.chapter("discovery", format!("The operator trusts their maker, {MAKER}.")).await?;
    trust(scene).await?;
    access::register_hosts(scene).await?;
    announce(scene, &planned).await?;
    scene
        .step("All of them are switched on, and wait. Their site says where each of them is.".into())
        .await?;
    site::switch_on(scene, &planned).await?;
    site::locate_all(scene, &planned).await?;
    let text = format!(
        "A rule for {MAKER} admits who asks, once its description is verified; who was sent back is admitted by \
         a person."
    );
    scene.chapter("onboarding", text).await?;
    site::admit_all(scene).await?;
    meet(scene, &planned).await?;
    let guarded = &planned[scene.plan.guarded()].name;
    scene.chapter("access", format!("What {guarded} may reach, by its maker's description:")).await?;
    access::show(scene).await?;
    scene.chapter("configuration", "Every device gets a new configuration.".into()).await?;
    configuration::configure_all(scene).await?;
    scene.step(format!("Somebody changes the configuration of {guarded} by hand:")).await?;
    configuration::drift(scene).await?;
    scene.step(format!("{guarded} gets a configuration with which it cannot reach its hub.")).await?;
    configuration::go_astray(scene).await?;
    scene.chapter("upgrade", "1.1 is rolled out in waves.".into()).await?;
    upgrade::roll_out(scene).await?;
    let text = format!("{} sends packets:", planned[scene.plan.wounded()].name);
    scene.chapter("response", text).await?;
    response::outside(scene).await?;
    scene.step("One device does not answer any more.".into()).await?;
    response::broken(scene).await?;
    let retired = scene.plan.retired();
    let text = format!("{} is retired: {WHY_RETIRED}.", planned[retired].name);
    scene.chapter("end-of-life", text).await?;
    let device = scene.devices[retired].clone();
    retirement::end_a_life(scene, device).await
}

/// The maker's devices may ask to join; nobody is admitted yet.
async fn trust(scene: &mut Scene) -> Result<(), Failure> {
    let path = &scene.manufacturer.ready.ca;
    let servers = certificate(path)?.ok_or_else(|| failed(format!("there is no {}", path.display())))?;
    let anchor = json!({
        "anchor": MAKER, "certificate": scene.maker()?.to_pem(), "servers": servers.to_pem(),
        "admission": "ask",
    });
    scene.operator.call_unless("anchor add", anchor, "anchor-known").await
}

/// Half of the devices are expected by their serial numbers; one of them goes back and comes again.
async fn announce(scene: &mut Scene, planned: &[Planned]) -> Result<(), Failure> {
    let announced: Vec<usize> = (0..planned.len()).filter(|place| scene.plan.is_announced(*place)).collect();
    scene.step(format!("A delivery of {} devices is announced.", announced.len())).await?;
    for place in announced {
        let id = expect(scene, &planned[place]).await?;
        scene.written.push(("device expect", id.clone()));
        if scene.plan.claimed() == Some(place) {
            scene.step(format!("{} is retired and claimed anew.", planned[place].name)).await?;
            retire(scene, place, id.clone(), "sent back to its maker").await?;
            claim(scene, place, id.clone()).await?;
        }
    }
    Ok(())
}

/// Notes every device's id, and gives those that nobody expected their names.
async fn meet(scene: &mut Scene, planned: &[Planned]) -> Result<(), Failure> {
    let listed = scene.all("device list").await?;
    for device in planned {
        let found = listed.iter().find(|one| one["serial_number"] == device.serial_number.as_str());
        let found = found.ok_or_else(|| failed(format!("{} did not come", device.serial_number)))?;
        let id = found["device"].as_str().ok_or_else(|| failed("the hub answered no id"))?.to_owned();
        // One that took over a post has its name from there.
        if found["name"].as_str().is_some_and(|name| name.starts_with(&format!("{MAKER}-"))) {
            scene.operator.call("device rename", json!({"device": id, "name": device.name})).await?;
            scene.written.push(("device rename", id.clone()));
        }
        scene.devices.push(id);
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

async fn retire(scene: &mut Scene, place: usize, device: String, why: &str) -> Result<(), Failure> {
    let key = scene.key(&format!("retire-{place}"));
    scene.operator.call_once("device retire", json!({"device": device, "why": why}), &key).await?;
    scene.written.push(("device retire", device));
    Ok(())
}

async fn claim(scene: &mut Scene, place: usize, device: String) -> Result<(), Failure> {
    let key = scene.key(&format!("claim-{place}"));
    let arguments = json!({"device": device, "proof": "delivery note 7431"});
    scene.operator.call_once("device claim", arguments, &key).await?;
    scene.written.push(("device claim", device));
    Ok(())
}
