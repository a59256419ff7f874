//! The site: every device runs its agent, in this process; a rule admits who asks, and a person who was sent
//! back before.
use super::plan::Planned;
use super::scene::Scene;
use crate::failure::{Failure, failed};
use crate::limits::{ALL_PAGE_ITEMS_MAX, DEMO_ONBOARDING_SECONDS_MAX};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Between two looks of the operator at who asks.
const LOOK_MILLIS: u64 = 100;
/// Between two looks of a device at its configuration.
const CONFIGURATION_MILLIS: u64 = 200;

/// The agents that run.
pub struct Site {
    agents: JoinSet<Result<(), String>>,
    stop: watch::Sender<bool>,
}

impl Site {
    /// A site without devices.
    pub fn new() -> Self {
        Site { agents: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    /// Switches a device on.
    fn start(&mut self, folder: PathBuf, registrar: &str) {
        let look_every = Duration::from_millis(CONFIGURATION_MILLIS);
        let settings = agent::Settings { look_every, ..agent::Settings::new(registrar) };
        let mut stop = self.stop.subscribe();
        self.agents.spawn(async move {
            let stopped = async move {
                // Nobody left to say it is the same.
                let _ = stop.wait_for(|stop| *stop).await;
            };
            let run = agent::run(&folder, settings, stopped).await;
            run.map_err(|why| format!("the device in {}: {why}", folder.display()))
        });
    }

    /// Says why a device does not run any more.
    fn check(&mut self) -> Result<(), Failure> {
        match self.agents.try_join_next() {
            None => Ok(()),
            Some(Ok(Err(why))) => Err(failed(why)),
            Some(Err(why)) => Err(failed(why)),
            Some(Ok(Ok(()))) => Err(failed("a device ended before it was told to")),
        }
    }

    /// Switches every device off and waits until it has left its folder.
    ///
    /// # Errors
    /// [`Failure::Failed`] when one had ended before.
    pub async fn end(&mut self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        let mut ended = Ok(());
        while let Some(agent) = self.agents.join_next().await {
            ended = ended.and(agent.map_err(failed)?.map_err(failed));
        }
        ended
    }
}

/// Switches on every device that is not retired. It knows where a registrar is and whose vouchers count, and
/// nothing of the domain.
///
/// # Errors
/// [`Failure`], as the hub or the disk says it.
pub async fn switch_on(scene: &mut Scene, planned: &[Planned]) -> Result<(), Failure> {
    let listed = scene.all("device list").await?;
    let retired = listed.iter().filter(|device| device["stage"] == "retired");
    let retired: BTreeSet<&str> = retired.filter_map(|device| device["serial_number"].as_str()).collect();
    let registrar = scene.operator.ready.devices.clone();
    for device in planned.iter().filter(|device| !retired.contains(device.serial_number.as_str())) {
        let folder = scene.device_folder(device)?;
        scene.site.start(folder.path().to_owned(), &registrar);
    }
    Ok(())
}

/// Waits until every device is at work or retired. Who was sent back before is admitted by a person.
///
/// # Errors
/// [`Failure::Failed`] when that takes too long or a device gave up; else as the hub says it.
pub async fn admit_all(scene: &mut Scene) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(DEMO_ONBOARDING_SECONDS_MAX);
    while !is_done(scene).await? {
        scene.site.check()?;
        scene.check()?;
        if Instant::now() > end {
            let why = format!("not every device was at work within {DEMO_ONBOARDING_SECONDS_MAX} s");
            return Err(failed(why));
        }
        let asking = json!({"stage": "discovered", "limit": ALL_PAGE_ITEMS_MAX});
        let asking = scene.operator.call("device list", asking).await?;
        let sent_back = scene.plan.claimed().map(|place| scene.plan.list().swap_remove(place).serial_number);
        for device in asking["items"].as_array().into_iter().flatten() {
            // The others are admitted by the rule for their maker.
            if device["serial_number"].as_str() == sent_back.as_deref() {
                admit(scene, device).await?;
            }
        }
        sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Ok(())
}

async fn is_done(scene: &mut Scene) -> Result<bool, Failure> {
    let counts = scene.operator.call("device count", json!({})).await?;
    let count = |stage: &str| counts[stage].as_u64().unwrap_or_default();
    Ok(count("operational") + count("retired") == u64::from(scene.plan.devices))
}

async fn admit(scene: &mut Scene, device: &Json) -> Result<(), Failure> {
    let id = device["device"].as_str().unwrap_or_default().to_owned();
    let key = scene.key(&format!("admit-{id}"));
    match scene.operator.call_once("onboarding admit", json!({"device": id}), &key).await {
        // The hub fetches it now: at the next look, perhaps.
        // Or the rule was faster.
        Err(Failure::Refused(no)) if ["description-unverified", "wrong-stage"].contains(&no.code()) => {
            return Ok(());
        }
        admitted => drop(admitted?),
    }
    scene.written.push(("onboarding admit", id));
    Ok(())
}
