//! Does what [`next`](crate::control::next) says: a device that leaves for good ends its firmware, removes its
//! configuration, its slots and its keys, and tells its last report.
//!
//! A file is removed, not overwritten: on most of today's storage, overwriting reaches another place.
use super::folder::{Disk, FolderError, list, optional};
use super::line::Line;
use super::{AgentError, Clock, Settings, blocking, show};
use crate::control::{Left, Step, is_refused, is_told, next};
use crate::machine::{Input, Request, Stage, Timers, Trust, put_off};
use crate::upgrade::Order;
use io::FileKey;
use io::files::{FileError, FolderLock, read_limited, remove_leftovers};
use io::http::url::Url;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use wire::digest::sha256;
use wire::limits::LAST_REPORT_BYTES_MAX;
use wire::retirement::{LAST_REPORT_PATH, LastReport, MEDIA_TYPE, Wipe};
use wire::{Certificate, PublicKey};

/// The order; whoever has it finishes it.
const ORDER: &str = "wipe.json";
const REPORT: &str = "last-report.cms";
const OVER: &str = "wiped";
const SLOTS: &str = "slots";
/// Between two looks whether the firmware's keeper has left.
const LEAVE_LOOK_MILLIS: u64 = 20;
const CONFIGURATION: [&str; 3] =
    ["configuration.json", "configuration.before.json", "configuration.memory.json"];

/// Whether the device of a folder was told to wipe itself.
pub(crate) fn is_begun(folder: &Path) -> bool {
    folder.join(ORDER).exists()
}

/// Has the order on the disk: from here on the device leaves.
pub(super) fn begin(folder: &Path, disk: &dyn Disk, order: &Wipe) -> Result<(), FolderError> {
    Ok(disk.write(&folder.join(ORDER), &order.to_json(), 0o600)?)
}

/// Leaves: wipes the folder, tells the last report until it is heard or `shutdown` resolves.
///
/// # Errors
/// [`AgentError::Wiped`] when all is done.
pub(super) async fn leave(
    path: &Path,
    settings: &Settings,
    registrar: Url,
    clock: Clock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), AgentError> {
    let (path, disk) = (path.to_owned(), settings.disk.clone());
    if let Some(link) = &settings.firmware {
        link.orders.send_replace(Some(Order::Leave));
    }
    let slots = path.join(SLOTS);
    let _slots = tokio::select! {
        () = &mut shutdown => return Ok(()),
        lock = left_by_firmware(slots) => lock?,
    };
    let leaving = blocking(move || Leaving::open(path, disk)).await?;
    let leaving = Arc::new(leaving);
    let at_work = leaving.clone();
    let (report, anchors, is_over) = blocking(move || at_work.erase()).await?;
    if !is_over {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = tell(Line::new(registrar), settings.timers, clock, &report, anchors) => {}
        }
        let at_work = leaving.clone();
        blocking(move || at_work.end()).await?;
    }
    show(settings, Stage::Wiped);
    Err(AgentError::Wiped)
}

/// Waits until nobody keeps a firmware in `slots`, and keeps others from it.
async fn left_by_firmware(slots: PathBuf) -> Result<Option<FolderLock>, FolderError> {
    let mut is_said = false;
    loop {
        let taken = {
            let slots = slots.clone();
            blocking(move || Ok(if slots.exists() { Some(FolderLock::take(&slots)) } else { None })).await?
        };
        match taken.transpose() {
            Err(FileError::InUse { folder, holder }) => {
                if !std::mem::replace(&mut is_said, true) {
                    tracing::info!(folder = %folder.display(), holder, "waiting for who keeps the firmware");
                }
                tokio::time::sleep(Duration::from_millis(LEAVE_LOOK_MILLIS)).await;
            }
            taken => return Ok(taken?),
        }
    }
}

/// Sends the report until that is over. The device shows nothing: it has no key any more.
async fn tell(mut line: Line, timers: Timers, clock: Clock, report: &[u8], anchors: Vec<Certificate>) {
    let (mut failures, mut refusals) = (0_u32, 0_u32);
    loop {
        let mut heard = line.connect(&Trust::Anchors(anchors.clone()), None).await;
        if matches!(heard, Input::Connected(_)) {
            let content = Some((MEDIA_TYPE, report.to_vec()));
            heard = line.send(Request { path: LAST_REPORT_PATH, accept: None, content }).await;
        }
        failures = failures.saturating_add(1);
        let (moment, mut least) = (clock.moment(), 0);
        if let Input::Answered(answer) = &heard {
            least = put_off(answer.retry_after_seconds, moment.random);
            refusals += u32::from(is_refused(answer.status));
            if is_told(answer.status, refusals) {
                return;
            }
        }
        tracing::info!(?heard, "the last report is told again");
        let wait = timers.backoff(failures, moment.random).max(least);
        clock.sleep_until(moment.now.saturating_add(wait)).await;
    }
}

/// The folder of a device that leaves, its own as long as this lives.
struct Leaving {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    _lock: FolderLock,
}

impl Leaving {
    fn open(path: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, FolderError> {
        let lock = FolderLock::take(&path)?;
        for folder in [&path, &path.join("ldevid")] {
            remove_leftovers(folder)?;
        }
        Ok(Self { path, disk, _lock: lock })
    }

    fn left(&self) -> Result<Left, FolderError> {
        let has = |name: &str| self.path.join(name).exists();
        Ok(Left {
            configuration: CONFIGURATION.iter().any(|name| has(name)),
            slots: has(SLOTS),
            report: has(REPORT),
            keys: !self.keys()?.is_empty(),
            over: has(OVER),
        })
    }

    /// Every file that ends in `.key`.
    fn keys(&self) -> Result<Vec<PathBuf>, FolderError> {
        let mut keys = Vec::new();
        for folder in [self.path.clone(), self.path.join("ldevid")] {
            let failed = |source| FileError::Failed { doing: "list", path: folder.clone(), source };
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                keys.extend(Some(path).filter(|path| path.extension().is_some_and(|it| it == "key")));
            }
        }
        Ok(keys)
    }

    /// Wipes: the report, whose servers are believed, and whether there is nothing left to tell.
    fn erase(&self) -> Result<(Vec<u8>, Vec<Certificate>, bool), FolderError> {
        loop {
            let left = self.left()?;
            match next(&left) {
                Step::RemoveConfiguration => {
                    for name in CONFIGURATION {
                        self.disk.remove(&self.path.join(name))?;
                    }
                }
                Step::RemoveSlots => self.disk.remove(&self.path.join(SLOTS))?,
                Step::SignReport => self.disk.write(&self.path.join(REPORT), &self.sign()?, 0o600)?,
                Step::RemoveKeys => {
                    for key in self.keys()? {
                        self.disk.remove(&key)?;
                    }
                }
                step @ (Step::Tell | Step::End) => {
                    let report = read_limited(&self.path.join(REPORT), LAST_REPORT_BYTES_MAX)?;
                    return Ok((report, self.anchors()?, step == Step::End));
                }
            }
        }
    }

    /// The last report, signed with the key of the LDevID.
    fn sign(&self) -> Result<Vec<u8>, FolderError> {
        let order = read_limited(&self.path.join(ORDER), LAST_REPORT_BYTES_MAX)?;
        let order =
            Wipe::from_json(&order).map_err(|why| FolderError::Order { path: self.path.join(ORDER), why })?;
        let missing = || FolderError::NoSuchKey(self.path.join("ldevid"));
        let ldevid =
            list(&self.path.join("ldevid/certificate.pem"))?.into_iter().next().ok_or_else(missing)?;
        let mut key = None;
        for path in self.keys()? {
            let candidate = FileKey::open(&path)?;
            if PublicKey::of(&candidate).is_ok_and(|public| public == *ldevid.public_key()) {
                key = Some(candidate);
            }
        }
        let idevid = list(&self.path.join("idevid.pem"))?.into_iter().next();
        let report = LastReport {
            at: order.at,
            serial_number: idevid.and_then(|it| it.serial_number()).unwrap_or_default(),
            certificate: sha256(ldevid.der()),
            wiped: vec!["configuration".into(), "firmware".into(), "keys".into()],
        };
        Ok(report.sign(&ldevid, &key.ok_or_else(missing)?)?)
    }

    /// Whose servers are believed: as the domain distributed them, or as the device found it.
    fn anchors(&self) -> Result<Vec<Certificate>, FolderError> {
        for name in ["anchors.pem", "anchor.pem", "pinned.pem"] {
            if let Some(anchors) = optional(list(&self.path.join(name)))?.filter(|all| !all.is_empty()) {
                return Ok(anchors);
            }
        }
        Err(FolderError::NothingTrusted(self.path.clone()))
    }

    fn end(&self) -> Result<(), FolderError> {
        Ok(self.disk.write(&self.path.join(OVER), b"", 0o600)?)
    }
}
