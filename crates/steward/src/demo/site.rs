//! The site: every device runs its agent, in this process; a rule admits who asks, and a person who was sent
//! back before.
use super::access;
use super::plan::Planned;
use super::scene::{Scene, word};
use super::story::MAKER;
use super::upgrade::device;
use crate::failure::{Failure, failed};
use crate::limits::{ALL_PAGE_ITEMS_MAX, DEMO_ONBOARDING_SECONDS_MAX};
use agent::AgentError;
use agent::shell::FirmwareLink;
use agent::upgrade::{AtHub, Device, Patience, UpgradeError, keep};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use wire::control::FirmwareReport;

/// Between two looks of the operator at who asks.
const LOOK_MILLIS: u64 = 100;
/// Between two looks of a device at its configuration.
const CONFIGURATION_MILLIS: u64 = 200;
/// How long a firmware may take until it answers.
const HEALTH_MILLIS: u64 = 2_000;

/// The agents that run.
pub struct Site {
    agents: JoinSet<Result<(), String>>,
    stop: watch::Sender<bool>,
    stopped: watch::Sender<BTreeSet<PathBuf>>,
}

impl Site {
    /// A site without devices.
    pub fn new() -> Self {
        Site { agents: JoinSet::new(), stop: watch::Sender::new(false), stopped: watch::Sender::default() }
    }

    /// Switches a device on: its agent, and what keeps its firmware.
    fn start(&mut self, folder: PathBuf, registrar: &str, device: Device) {
        let (report, reported) = watch::channel(FirmwareReport::default());
        let (offers, offered) = watch::channel(None);
        let (orders, ordered) = watch::channel(None);
        let link = FirmwareLink { report: reported, offers: Arc::new(offers), orders: Arc::new(orders) };
        let look_every = Duration::from_millis(CONFIGURATION_MILLIS);
        let (way, ways) = watch::channel(None);
        let (firmware, way) = (Some(link), Some(Arc::new(way)));
        let agent = agent::Settings { look_every, firmware, way, ..agent::Settings::new(registrar) };
        let patience = Patience { health: HEALTH_MILLIS, ..Patience::default() };
        let report = Some(Arc::new(report));
        let firmware = agent::upgrade::Settings::new(device);
        let firmware = agent::upgrade::Settings { patience, report, orders: ordered, ..firmware };
        let source = AtHub::new(registrar, ways);
        let stopped = || self.stopped(&folder);
        let (stopped, over, keeper_stopped, keeper_over) = (stopped(), stopped(), stopped(), stopped());
        let named = folder.clone();
        self.agents.spawn(async move {
            let run = match agent::run(&named, agent, stopped).await {
                // Its life is over, as it was told.
                Err(AgentError::Wiped) => {
                    over.await;
                    Ok(())
                }
                run => run,
            };
            run.map_err(|why| format!("the device in {}: {why}", named.display()))
        });
        self.agents.spawn(async move {
            let kept = match keep(&folder, firmware, offered, source, keeper_stopped).await {
                Err(UpgradeError::Wiped) => {
                    keeper_over.await;
                    Ok(())
                }
                kept => kept,
            };
            kept.map_err(|why| format!("the firmware in {}: {why}", folder.display()))
        });
    }

    /// Until all are to stop, or the device in `folder` is.
    fn stopped(&self, folder: &Path) -> impl Future<Output = ()> + use<> {
        let (mut stop, mut stopped) = (self.stop.subscribe(), self.stopped.subscribe());
        let own = folder.to_owned();
        async move {
            // Nobody left to say it is the same.
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                _ = stopped.wait_for(|stopped| stopped.contains(&own)) => {}
            }
        }
    }

    /// Switches one device off for good.
    pub fn stop(&mut self, folder: &Path) {
        self.stopped.send_modify(|stopped| {
            stopped.insert(folder.to_owned());
        });
    }

    /// Says why a device does not run any more.
    fn check(&mut self) -> Result<(), Failure> {
        match self.agents.try_join_next() {
            None => Ok(()),
            Some(Ok(Err(why))) => Err(failed(why)),
            Some(Err(why)) => Err(failed(why)),
            Some(Ok(Ok(()))) if !self.stopped.borrow().is_empty() => Ok(()),
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
    let firmware = device(scene)?;
    for device in planned.iter().filter(|device| !retired.contains(device.serial_number.as_str())) {
        let folder = scene.device_folder(device)?;
        scene.site.start(folder.path().to_owned(), &registrar, firmware.clone());
    }
    Ok(())
}

/// Waits until every device has asked to join, says where it is, and waits until its plan knows that: before
/// anybody is admitted.
///
/// # Errors
/// [`Failure::Failed`] when that takes too long or a device gave up; else as the hub says it.
pub async fn locate_all(scene: &mut Scene, planned: &[Planned]) -> Result<(), Failure> {
    for (place, device) in planned.iter().enumerate() {
        let Some(id) = asking(scene, device).await? else { continue };
        let (address, mac) = access::location(scene.plan, place);
        let location = json!({"device": id, "addresses": address, "macs": mac});
        scene.operator.call("access locate", location).await?;
        scene.written.push(("access locate", id.clone()));
        // It is judged by the plan that is proposed: none is active yet.
        let packet = json!({"device": id, "packet": access::recorded(access::DESCRIBED, scene.plan, place)?});
        let knows_it = |verdict: &Json| verdict["action"] == "accept";
        scene.until("access judge", packet, DEMO_ONBOARDING_SECONDS_MAX, knows_it).await?;
    }
    Ok(())
}

/// The id of a device that asks to join, once it does; nothing if it was admitted in a story that is played again.
async fn asking(scene: &mut Scene, device: &Planned) -> Result<Option<String>, Failure> {
    let end = Instant::now() + Duration::from_secs(DEMO_ONBOARDING_SECONDS_MAX);
    loop {
        let listed = scene.all("device list").await?;
        let found = listed.iter().find(|one| one["serial_number"] == device.serial_number.as_str());
        match found.map(|one| (word(&one["stage"]), word(&one["device"]))) {
            Some(("discovered", id)) => return Ok(Some(id.to_owned())),
            None | Some(("expected", _)) => {}
            Some(_) => return Ok(None),
        }
        scene.site.check()?;
        scene.check()?;
        if Instant::now() > end {
            let why = format!("{} did not ask within {DEMO_ONBOARDING_SECONDS_MAX} s", device.name);
            return Err(failed(why));
        }
        sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
}

/// Admits by rule who asks and is described, and waits until every device is at work or retired. Who was sent
/// back before is admitted by a person.
///
/// # Errors
/// [`Failure::Failed`] when that takes too long or a device gave up; else as the hub says it.
pub async fn admit_all(scene: &mut Scene) -> Result<(), Failure> {
    scene.operator.call("anchor admit-by", json!({"anchor": MAKER, "admission": "automatic"})).await?;
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
    let held = count("quarantined") + count("remediation");
    Ok(count("operational") + held + count("retired") == u64::from(scene.plan.devices))
}

async fn admit(scene: &mut Scene, device: &Json) -> Result<(), Failure> {
    let id = device["device"].as_str().unwrap_or_default().to_owned();
    let key = scene.key(&format!("admit-{id}"));
    match scene.operator.call_once("onboarding admit", json!({"device": id}), &key).await {
        // The hub fetches it now: at the next look, perhaps.
        // Or the rule was faster.
        Err(Failure::Refused(no))
            if ["description-unverified", "wrong-stage", "already-admitted"].contains(&no.code()) =>
        {
            return Ok(());
        }
        admitted => drop(admitted?),
    }
    scene.written.push(("onboarding admit", id));
    Ok(())
}
