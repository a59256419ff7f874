//! What the story, the damage and the invariants work on.
use super::device::{DeviceFolder, certificate};
use super::hubs::{HubProcess, Start, row};
use super::joined::Visitor;
use super::plan::{Plan, Planned};
use super::site::Site;
use crate::failure::{Failure, failed};
use crate::kill::KillAt;
use crate::print::{aside, line_if_read};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wire::Certificate;

/// Between two looks at the journal of whoever waits for an entry.
const LOOK_MILLIS: u64 = 5;
/// Between two looks at something that takes its time.
const WAIT_MILLIS: u64 = 50;

/// Before the name of a chapter, in a story that is to be killed: `xtask/src/kills.rs` looks for it.
const CHAPTER: &str = "chapter: ";

/// A write that a hub answered: the operation, and the id of the device.
pub type Written = (&'static str, String);

/// Two hubs that are not running yet.
pub struct Curtain {
    folder: PathBuf,
    plan: Plan,
    pace: Duration,
    aside: bool,
    /// Whether plans are enforced by this machine's kernel.
    pub enforces: bool,
    /// Whether chapters are told by their names too.
    pub names_chapters: bool,
    /// Words for the `steward serve` of the operator's hub.
    pub operator: Vec<String>,
    /// Words for the `steward serve` of the manufacturer's hub.
    pub manufacturer: Vec<String>,
}

/// A chapter of the story, and how far the journals were when it began.
#[derive(Clone, Debug, Serialize)]
pub struct Chapter {
    /// Its name.
    pub name: &'static str,
    /// The newest entry of the operator's journal.
    pub operator: i64,
    /// The newest entry of the manufacturer's journal.
    pub manufacturer: i64,
}

/// A device that is at work.
pub struct AtWork {
    /// Its id.
    pub id: String,
    /// Its maker's serial number.
    pub serial_number: String,
    /// Its folder.
    pub folder: DeviceFolder,
}

/// A text of an answer, as people read it; nothing when it is none.
pub fn word(answer: &Json) -> &str {
    answer.as_str().unwrap_or_default()
}

/// Two running hubs and what was done so far.
pub struct Scene {
    /// The hub of who runs the network.
    pub operator: HubProcess,
    /// The hub of who makes the devices.
    pub manufacturer: HubProcess,
    /// The devices that are switched on.
    pub site: Site,
    /// Which devices there are.
    pub plan: Plan,
    /// The operator's devices by their ids, in the order of the plan.
    pub devices: Vec<String>,
    /// What was written at the operator's hub.
    pub written: Vec<Written>,
    /// How many devices run the newest firmware.
    pub upgraded: i64,
    /// Whether the first rollout was stopped by rule.
    pub rollout_stopped: bool,
    /// The chapters that have begun.
    pub chapters: Vec<Chapter>,
    /// What came of the chapter on access.
    pub access: Json,
    /// Whether plans are enforced by this machine's kernel.
    pub enforces: bool,
    /// Who came in the retired device's name before it was retired, and is still there.
    pub visitor: Option<Visitor>,
    names_chapters: bool,
    folder: PathBuf,
    pace: Duration,
    aside: bool,
}

impl Curtain {
    /// A scene in `folder`. `aside` says that standard output is for the summary alone.
    pub fn new(folder: PathBuf, plan: Plan, pace: Duration, aside: bool) -> Self {
        let (operator, manufacturer) = (Vec::new(), Vec::new());
        let (enforces, names_chapters) = (false, false);
        Curtain { folder, plan, pace, aside, enforces, names_chapters, operator, manufacturer }
    }

    /// Starts both hubs.
    ///
    /// # Errors
    /// [`Failure::Failed`] when one does not start.
    pub async fn open(self) -> Result<Scene, Failure> {
        let Curtain { folder, plan, pace, aside, enforces, names_chapters, mut operator, manufacturer } =
            self;
        operator.push("--fetch-loopback".into());
        let start = |name: &str, words| HubProcess::start(Start { folder: folder.join(name), words });
        let (manufacturer, operator) =
            tokio::try_join!(start("manufacturer", manufacturer), start("operator", operator))?;
        let (site, devices, written, chapters) = (Site::new(), Vec::new(), Vec::new(), Vec::new());
        let access = Json::Null;
        let scene = Scene {
            operator,
            manufacturer,
            site,
            plan,
            devices,
            written,
            chapters,
            access,
            upgraded: 0,
            rollout_stopped: false,
            enforces,
            visitor: None,
            names_chapters,
            folder,
            pace,
            aside,
        };
        scene.tell(format!("The manufacturer's hub is at {}.", scene.manufacturer.ready.people))?;
        scene.tell(format!("The operator's hub is at {}.", scene.operator.ready.people))?;
        Ok(scene)
    }
}

impl Scene {
    /// Tells whoever watches; nobody has to.
    ///
    /// # Errors
    /// The output could not be written.
    pub fn tell(&self, text: String) -> Result<(), Failure> {
        if self.aside {
            aside(&text);
            return Ok(());
        }
        line_if_read(&text)
    }

    /// Tells a step, and leaves the time to read it.
    ///
    /// # Errors
    /// The output could not be written.
    pub async fn step(&self, text: String) -> Result<(), Failure> {
        self.tell(text)?;
        sleep(self.pace).await;
        Ok(())
    }

    /// Begins a chapter, and tells it.
    ///
    /// # Errors
    /// [`Failure`], as a hub says it.
    pub async fn chapter(&mut self, name: &'static str, text: String) -> Result<(), Failure> {
        let operator = self.operator.journal_head().await?;
        let manufacturer = self.manufacturer.journal_head().await?;
        self.chapters.push(Chapter { name, operator, manufacturer });
        if self.names_chapters {
            aside(&format!("{CHAPTER}{name}"));
        }
        self.step(text).await
    }

    /// Kills this process, and with it the devices, once the operator's journal has come so far.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the operator's hub cannot be asked.
    pub fn kill_devices(&self, at: KillAt) -> Result<(), Failure> {
        let (mut remote, row) = (self.operator.asked_with(&self.operator.ready.token)?, row("audit list")?);
        tokio::spawn(async move {
            loop {
                let newest = remote.call(row, &json!({"limit": 1}), "look").await.unwrap_or_default();
                if newest["items"][0]["seq"].as_i64().is_some_and(|seq| seq >= at.entry) {
                    return at.now();
                }
                sleep(Duration::from_millis(LOOK_MILLIS)).await;
            }
        });
        Ok(())
    }

    /// Says whether a hub has ended by itself.
    ///
    /// # Errors
    /// [`Failure::Failed`] when one has.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.operator.check()?;
        self.manufacturer.check()
    }

    /// Asks the operator's hub for what looks at something until `good` takes the answer. A refusal says that
    /// there is nothing to look at yet.
    ///
    /// # Errors
    /// [`Failure::Failed`] when a hub has ended, or when that takes longer than `seconds_max`; else as the hub
    /// says it.
    pub async fn until(
        &mut self,
        operation: &str,
        arguments: Json,
        seconds_max: u64,
        good: impl Fn(&Json) -> bool,
    ) -> Result<Json, Failure> {
        let end = Instant::now() + Duration::from_secs(seconds_max);
        loop {
            let (shown, said) = match self.operator.call(operation, arguments.clone()).await {
                Err(Failure::Refused(no)) => (Json::Null, no.to_string()),
                shown => shown.map(|shown| (shown.clone(), shown.to_string()))?,
            };
            if good(&shown) {
                return Ok(shown);
            }
            if Instant::now() > end {
                let so_far = format!("{arguments} did not come so far within {seconds_max} s: {said}");
                return Err(failed(format!("`{operation}` of {so_far}")));
            }
            self.check()?;
            sleep(Duration::from_millis(WAIT_MILLIS)).await;
        }
    }

    /// The devices that are at work, in the order of the plan.
    ///
    /// # Errors
    /// [`Failure`], as the hub or the disk says it.
    pub async fn at_work(&mut self) -> Result<Vec<AtWork>, Failure> {
        let listed = self.all("device list").await?;
        let mut found = Vec::new();
        for device in self.plan.list() {
            let is_it = |one: &&Json| one["serial_number"] == device.serial_number.as_str();
            let Some(one) = listed.iter().find(is_it).filter(|one| one["stage"] == "operational") else {
                continue;
            };
            let (id, folder) = (word(&one["device"]).to_owned(), self.device_folder(&device)?);
            found.push(AtWork { id, serial_number: device.serial_number, folder });
        }
        Ok(found)
    }

    /// An idempotency key of this story: the same when the demo is started again.
    pub fn key(&self, what: &str) -> String {
        format!("demo-{}-{what}", self.plan.seed)
    }

    /// Where the hubs' and devices' folders are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a device.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be made.
    pub fn device_folder(&self, device: &Planned) -> Result<DeviceFolder, Failure> {
        DeviceFolder::open(&self.folder, device)
    }

    /// The authority of who makes the devices.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be read.
    pub fn maker(&self) -> Result<Certificate, Failure> {
        let path = &self.manufacturer.ready.factory;
        certificate(path)?.ok_or_else(|| failed(format!("there is no {}", path.display())))
    }

    /// The operator's whole list of `operation`, page by page.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn all(&mut self, operation: &str) -> Result<Vec<Json>, Failure> {
        self.operator.all(operation).await
    }

    /// The operator's whole journal, oldest entry first.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn export(&mut self) -> Result<Vec<Json>, Failure> {
        self.all("audit export").await
    }

    /// Ends the devices and both hubs.
    ///
    /// # Errors
    /// [`Failure::Failed`] when one did not end well; the others were ended all the same.
    pub async fn end(mut self) -> Result<(), Failure> {
        let site = self.site.end().await;
        let (manufacturer, operator) = tokio::join!(self.manufacturer.end(), self.operator.end());
        site.and(manufacturer).and(operator)
    }
}
