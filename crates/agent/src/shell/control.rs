//! Does what the [member](crate::control) says: files, time, and a connection of its own beside the
//! pledge's.
use super::folder::{Disk, Folder, FolderError};
use super::line::{Line, dialer};
use super::{AgentError, Clock, blocking, wipe};
use crate::control::{Change, Document, Held, Input, Member, Memory, Output};
use crate::limits::MEMORY_FILE_BYTES_MAX;
use crate::machine::{self, Identity, Request, Timers, Trust};
use crate::upgrade::Order;
use io::files::{FileError, read_limited};
use io::http::client::Dialer;
use io::http::url::Url;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use wire::Certificate;
use wire::control::{CHECK_IN_PATH, FirmwareReport, MEDIA_TYPE};
use wire::digest::sha256;
use wire::limits::CONFIGURATION_BYTES_MAX;

/// What a device that has joined shows and trusts.
#[derive(Clone, PartialEq)]
pub(super) struct Joined {
    pub(super) ldevid: Certificate,
    pub(super) anchors: Vec<Certificate>,
}

impl Joined {
    /// How the hub is reached.
    pub(super) fn way(&self, folder: &Folder) -> Result<Dialer, String> {
        let identity = folder.identity(&Identity::Ldevid(Box::new(self.ldevid.clone())));
        let identity = identity.map_err(|why| why.to_string())?;
        dialer(&Trust::Anchors(self.anchors.clone()), Some(&identity))
    }
}

/// Where the [keeping of a firmware](crate::upgrade) and the check-ins meet.
#[derive(Clone)]
pub struct FirmwareLink {
    /// What runs, and what was not kept.
    pub report: watch::Receiver<FirmwareReport>,
    /// The envelope that the hub offered last.
    pub offers: Arc<watch::Sender<Option<Vec<u8>>>>,
    /// What was ordered last.
    pub orders: Arc<watch::Sender<Option<Order>>>,
}

impl FirmwareLink {
    fn now(&mut self) -> FirmwareReport {
        self.report.borrow_and_update().clone()
    }
}

/// What is new of the firmware; nothing is, if nobody keeps one any more.
async fn news(link: &mut Option<FirmwareLink>) -> FirmwareReport {
    if let Some(link) = link
        && link.report.changed().await.is_ok()
    {
        return link.now();
    }
    std::future::pending().await
}

/// The files of a device's configuration.
#[derive(Clone)]
pub(super) struct Files {
    folder: PathBuf,
    document: PathBuf,
    before: PathBuf,
    memory: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Files {
    pub(super) fn new(folder: &Path, disk: Arc<dyn Disk>) -> Self {
        let path = |name: &str| folder.join(name);
        Self {
            folder: folder.to_owned(),
            document: path("configuration.json"),
            before: path("configuration.before.json"),
            memory: path("configuration.memory.json"),
            disk,
        }
    }

    /// What the device remembers, or nothing.
    pub(super) fn memory(&self) -> Result<Memory, FolderError> {
        let read = match read_limited(&self.memory, MEMORY_FILE_BYTES_MAX) {
            Err(why) if why.is_missing() => return Ok(Memory::default()),
            read => read?,
        };
        Memory::from_json(&read).map_err(|why| FolderError::Memory { path: self.memory.clone(), why })
    }

    fn held(&self, firmware: Option<FirmwareReport>) -> Result<Held, FolderError> {
        let before = read(&self.before).unwrap_or_default();
        Ok(Held { document: self.document(), before, memory: self.memory()?, firmware })
    }

    fn document(&self) -> Document {
        read(&self.document).map_err(|why| why.to_string())
    }

    fn store(&self, change: &Change) -> Result<(), FolderError> {
        let write = |path: &Path, bytes: &[u8]| self.disk.write(path, bytes, 0o600);
        match change {
            Change::Document(bytes) => write(&self.document, bytes)?,
            Change::Before(bytes) => write(&self.before, bytes)?,
            Change::Memory(memory) => {
                let refused = |why| FolderError::Memory { path: self.memory.clone(), why };
                write(&self.memory, &memory.to_json().map_err(refused)?)?;
            }
        }
        Ok(())
    }
}

/// A configuration; the empty one if there is no file.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    match read_limited(path, CONFIGURATION_BYTES_MAX) {
        Err(why) if why.is_missing() => Ok(b"{}".to_vec()),
        read => read,
    }
}

/// What the member has for hands.
pub(super) struct Hands {
    pub(super) folder: Arc<Folder>,
    pub(super) files: Files,
    /// Where the device joined.
    pub(super) registrar: Url,
    pub(super) timers: Timers,
    pub(super) look_every: Duration,
    pub(super) clock: Clock,
    pub(super) joined: watch::Receiver<Option<Joined>>,
    pub(super) firmware: Option<FirmwareLink>,
    /// The LDevID that was shown last.
    pub(super) shown: Option<Certificate>,
    /// The LDevID that the hub does not know (any more).
    pub(super) lapsed: watch::Sender<Option<Certificate>>,
}

impl Hands {
    /// Checks in from when the device has joined until it is told to stop, or (true) to wipe itself.
    pub(super) async fn run(mut self, mut stopping: watch::Receiver<bool>) -> Result<bool, AgentError> {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return Ok(false),
            joined = self.joined.wait_for(Option::is_some) => if joined.is_err() { return Ok(false) },
        }
        let mut firmware = self.firmware.take();
        let (files, runs) = (self.files.clone(), firmware.as_mut().map(FirmwareLink::now));
        let held = blocking(move || files.held(runs)).await?;
        let (mut member, mut output) = Member::resume(self.timers, held, self.clock.moment());
        let mut watcher = Watcher::new(self.files.clone(), self.look_every);
        let mut line = Line::new(self.registrar.clone());
        loop {
            self.log(&member, &output);
            if let Output::Wipe(order) = output {
                let (folder, disk) = (self.files.folder.clone(), self.files.disk.clone());
                blocking(move || wipe::begin(&folder, &*disk, &order)).await?;
                return Ok(true);
            }
            let (leave, clock) = (output.may_be_left(), self.clock);
            let (known, deadline) = (member.digest(), member.deadline());
            let input = tokio::select! {
                _ = stopping.wait_for(|stop| *stop), if leave => return Ok(false),
                document = watcher.other_than(known), if leave => Input::Looked(document),
                report = news(&mut firmware), if leave => Input::Firmware(report),
                () = clock.sleep_until(deadline.unwrap_or(u64::MAX)), if leave && deadline.is_some() => Input::Woken,
                input = self.perform(&mut line, output) => input,
            };
            output = member.step(self.clock.moment(), input)?;
            if member.take_lapsed() {
                self.lapsed.send_replace(self.shown.clone());
            }
            if let Some(link) = &firmware {
                let (offer, order) = (member.take_offer(), member.take_order());
                offer.map(|offer| link.offers.send_replace(Some(offer)));
                order.map(|order| link.orders.send_replace(Some(Order::Do(order))));
            }
        }
    }

    fn log(&self, member: &Member, output: &Output) {
        if let (Output::Wait(until), Some(trouble)) = (output, member.trouble()) {
            let seconds = until.saturating_sub(self.clock.moment().now) / 1000;
            tracing::info!(serial_number = self.folder.serial_number(), %trouble, seconds, "checking in again");
        }
    }

    async fn perform(&mut self, line: &mut Line, output: Output) -> Input {
        match output {
            Output::Connect { hub } => self.connect(line, hub).await,
            Output::Send(report) => {
                let content = Some((MEDIA_TYPE, report));
                match line.send(Request { path: CHECK_IN_PATH, accept: None, content }).await {
                    machine::Input::Answered(answer) => Input::Answered(answer),
                    other => lost(other),
                }
            }
            Output::Look => {
                let files = self.files.clone();
                let looked = blocking(move || Ok(files.document())).await;
                Input::Looked(looked.unwrap_or_else(|why| Err(why.to_string())))
            }
            Output::Store(change) => {
                let files = self.files.clone();
                let stored = blocking(move || files.store(&change)).await;
                stored.map_or_else(|why| Input::Failed(why.to_string()), |()| Input::Stored)
            }
            Output::Wipe(_) => Input::Failed("the device leaves".into()),
            Output::Wait(until) => {
                self.clock.sleep_until(until).await;
                Input::Woken
            }
        }
    }

    async fn connect(&mut self, line: &mut Line, hub: Option<String>) -> Input {
        let url = match hub.map(|hub| Url::parse(&hub)).transpose() {
            Ok(url) => url.unwrap_or_else(|| self.registrar.clone()),
            Err(why) => return Input::Lost(why.to_string()),
        };
        *line = Line::new(url);
        let Some(Joined { ldevid, anchors }) = self.joined.borrow().clone() else {
            return Input::Lost("the device has no identity here".into());
        };
        self.shown = Some(ldevid.clone());
        let identity = match self.folder.identity(&Identity::Ldevid(Box::new(ldevid))) {
            Ok(identity) => identity,
            Err(why) => return Input::Lost(why.to_string()),
        };
        match line.connect(&Trust::Anchors(anchors), Some(&identity)).await {
            machine::Input::Connected(_) => Input::Connected,
            other => lost(other),
        }
    }
}

fn lost(input: machine::Input) -> Input {
    match input {
        machine::Input::Lost(why) => Input::Lost(why),
        other => Input::Lost(format!("the line said {other:?}")),
    }
}

/// Sees when somebody changes the configuration's file.
struct Watcher {
    files: Files,
    ticks: Interval,
    seen: Option<Seen>,
}

/// What changes when a file is written to.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Watcher {
    fn new(files: Files, every: Duration) -> Self {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { files, ticks, seen: None }
    }

    /// Resolves when the file holds something else than what has this digest.
    async fn other_than(&mut self, known: Option<[u8; 32]>) -> Document {
        loop {
            self.ticks.tick().await;
            let (files, seen) = (self.files.clone(), self.seen.clone());
            let looked = blocking(move || Ok(look(&files, seen))).await;
            let Ok(Some((seen, document))) = looked else { continue };
            if document.as_ref().ok().map(|bytes| sha256(bytes)) != known {
                return document;
            }
            // As long as it looks like this it need not be read.
            self.seen = Some(seen);
        }
    }
}

fn look(files: &Files, seen: Option<Seen>) -> Option<(Seen, Document)> {
    let data = std::fs::symlink_metadata(&files.document).ok();
    let now = Seen {
        bytes: data.as_ref().map_or(0, std::fs::Metadata::len),
        modified: data.as_ref().and_then(|data| data.modified().ok()),
    };
    (seen.as_ref() != Some(&now)).then(|| (now, files.document()))
}
