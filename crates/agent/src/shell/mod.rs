//! One device in its folder: does what the [machine](crate::machine) says, over TLS and on the disk.
//!
//! | file | holds | who writes it |
//! |---|---|---|
//! | `idevid.pem`, `idevid.key` | the identity from the factory: its path in PEM, its P-256 key | the factory |
//! | `anchor.pem` | the certificate of the domain that the device shall join; it goes before the next | a person |
//! | `masa.pem` | the authority of those who sign vouchers for the device | the factory |
//! | `pinned.pem` | the certificate of the domain that a voucher named | the agent |
//! | `voucher-request.vcj`, `voucher.vcj` | that voucher, and what it answers: CMS, for a person | the agent |
//! | `anchors.pem` | the authorities that the domain distributes | the agent |
//! | `ldevid/certificate.pem` | the identity in the domain | the agent |
//! | `ldevid/N.key` | its key, and for a while the one before or after it | the agent |
//! | `ldevid/told` | the digest of the certificate that the registrar knows to have arrived | the agent |
//! | `configuration.json` | its configuration | anybody |
//! | `configuration.before.json` | the one before | the agent |
//! | `configuration.memory.json` | the order on trial, and the last one that was not kept | the agent |
//!
//! | `wipe.json` | the order to wipe: whoever has it finishes it | the agent |
//! | `last-report.cms` | what a wiped device says last: CMS | the agent |
//! | `wiped` | that this was heard: the device's life is over | the agent |
//!
//! The folder is the device's alone (0700), and one process works in it at a time.
mod control;
mod folder;
mod line;
mod wipe;

pub use control::FirmwareLink;
pub use folder::{Disk, FolderError, LocalDisk};
pub(crate) use wipe::is_begun as is_wiping;

use crate::limits::{LOOK_MILLIS_MAX, SLEEP_HOURS_MAX};
use crate::machine::{Failure, Input, Misplaced, Moment, Output, Pledge, Stage, Timers};
use control::{Files, Hands, Joined};
use folder::Folder;
use io::http::client::Dialer;
use io::http::url::{Url, UrlError};
use line::Line;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::Certificate;

/// How a device is run.
#[derive(Clone)]
pub struct Settings {
    /// The registrar's URL: `https://` with a name or an address, and a port. A path is not used.
    pub registrar: String,
    /// How patient the device is.
    pub timers: Timers,
    /// How often it looks whether somebody changed its configuration.
    pub look_every: Duration,
    /// The firmware that somebody keeps on this device, if there is one.
    pub firmware: Option<FirmwareLink>,
    /// Where the device's stage is shown, for whoever watches it.
    pub stage: Option<Arc<watch::Sender<Stage>>>,
    /// Where it is told how the device reaches its hub as a member of the domain, for whatever else runs on
    /// it: with its LDevID, judged by its anchors. Nothing before it has joined.
    pub way: Option<Arc<watch::Sender<Option<Dialer>>>>,
    /// What the device writes with.
    pub disk: Arc<dyn Disk>,
}

impl Settings {
    /// A device that is as patient as the limits say.
    pub fn new(registrar: &str) -> Self {
        Self {
            registrar: registrar.into(),
            timers: Timers::default(),
            look_every: Duration::from_millis(LOOK_MILLIS_MAX),
            firmware: None,
            stage: None,
            way: None,
            disk: Arc::new(LocalDisk),
        }
    }
}

/// Why a device does not run any more.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its folder cannot be used. The operator, or the environment.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The registrar's address is none. The operator.
    #[error("the registrar `{registrar}`: {why}")]
    Registrar {
        /// What was configured.
        registrar: String,
        /// What is wrong with it.
        why: UrlError,
    },
    /// Only a person can help.
    #[error(transparent)]
    GivenUp(#[from] Failure),
    /// It was told to wipe itself, and has done so. Nobody is to blame: its life is over.
    #[error("the device was wiped, as its hub ordered; its life here is over")]
    Wiped,
    /// The shell and the machine misunderstood each other. This program.
    #[error("a fault of the agent, please report it: {0}")]
    Misplaced(#[from] Misplaced),
}

/// Runs the device whose folder is `folder` until `shutdown` resolves: joins, stays enrolled, renews, and
/// does what its hub wants.
///
/// It may be stopped at any moment, also by a power cut, and run again: it goes on from its folder.
///
/// # Errors
/// [`AgentError`]: running it again without a person's help would end the same way.
pub async fn run(
    folder: &Path,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let registrar = Url::parse(&settings.registrar)
        .map_err(|why| AgentError::Registrar { registrar: settings.registrar.clone(), why })?;
    Box::pin(live(folder, &settings, registrar, pin!(shutdown))).await
}

async fn live(
    path: &Path,
    settings: &Settings,
    registrar: Url,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), AgentError> {
    if wipe::is_begun(path) {
        return wipe::leave(path, settings, registrar, Clock::start(), shutdown).await;
    }
    let own = path;
    let files = Files::new(path, settings.disk.clone());
    let (path, disk, checked) = (path.to_owned(), settings.disk.clone(), files.clone());
    let (folder, inventory) = blocking(move || {
        let opened = Folder::open(&path, disk)?;
        checked.memory()?;
        Ok(opened)
    })
    .await?;
    let (folder, clock) = (Arc::new(folder), Clock::start());
    let resumed = Pledge::resume(&settings.registrar, settings.timers, inventory, clock.moment());
    let (pledge, output) = resumed.inspect_err(|_| show(settings, Stage::GivenUp))?;
    let (tell, joined) = watch::channel(None);
    let (stop, stopping) = watch::channel(false);
    let (lapsed, mut lapsing) = watch::channel(None);
    let hands = Hands {
        folder: folder.clone(),
        files,
        registrar: registrar.clone(),
        timers: settings.timers,
        look_every: settings.look_every,
        clock,
        joined,
        firmware: settings.firmware.clone(),
        shown: None,
        lapsed,
    };
    let mut device = Device { folder, line: Line::new(registrar.clone()), clock };
    let (leave, mut leaving) = watch::channel(false);
    let joining = async {
        let mut stopped = false;
        let until = async {
            tokio::select! {
                () = &mut shutdown => stopped = true,
                _ = leaving.wait_for(|leave| *leave) => {}
            }
        };
        let ended = device.join(pledge, output, settings, (&tell, &mut lapsing), pin!(until)).await;
        stop.send_replace(true);
        ended.map(|()| stopped)
    };
    let working = async {
        let ended = hands.run(stopping).await;
        if matches!(ended, Ok(true)) {
            leave.send_replace(true);
        }
        ended
    };
    let (ended, left) = tokio::join!(joining, working);
    drop(device);
    match (ended?, left?) {
        (false, true) => wipe::leave(own, settings, registrar, clock, shutdown).await,
        _ => Ok(()),
    }
}

fn show(settings: &Settings, stage: Stage) {
    let Some(shown) = &settings.stage else { return };
    shown.send_if_modified(|now| std::mem::replace(now, stage) != stage);
}

/// What the device shows and trusts once it has joined.
fn tell(joined: &watch::Sender<Option<Joined>>, settings: &Settings, folder: &Folder, pledge: &Pledge) {
    let ldevid = pledge.ldevid().filter(|_| pledge.stage() == Stage::Enrolled);
    let now = ldevid.map(|ldevid| Joined { ldevid: ldevid.clone(), anchors: pledge.trusted() });
    let is_new = joined.send_if_modified(|before| {
        let changed = *before != now;
        *before = now;
        changed
    });
    if let (true, Some(way)) = (is_new, &settings.way) {
        way.send_replace(joined.borrow().as_ref().and_then(|joined| joined.way(folder).ok()));
    }
}

/// What the machine has for hands.
struct Device {
    folder: Arc<Folder>,
    line: Line,
    clock: Clock,
}

impl Device {
    /// Does what the pledge says, tells when the device has joined, and hears when the hub does not know its
    /// LDevID.
    async fn join(
        &mut self,
        mut pledge: Pledge,
        mut output: Output,
        settings: &Settings,
        (joined, lapsed): (&watch::Sender<Option<Joined>>, &mut watch::Receiver<Option<Certificate>>),
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), AgentError> {
        loop {
            show(settings, pledge.stage());
            tell(joined, settings, &self.folder, &pledge);
            if let (Output::Wait(until), Some(trouble)) = (&output, pledge.trouble()) {
                let seconds = until.saturating_sub(self.clock.moment().now) / 1000;
                tracing::info!(serial_number = self.folder.serial_number(), %trouble, seconds, "trying again");
            }
            // The disk is not left alone in the middle: who is told that the device stopped may start it
            // again at once.
            let may_stop = matches!(output, Output::Connect { .. } | Output::Send(_) | Output::Wait(_));
            let waits = matches!(output, Output::Wait(_));
            let good = pledge.good_ldevid().cloned();
            let input = tokio::select! {
                () = &mut shutdown, if may_stop => return Ok(()),
                Ok(_) = lapsed.wait_for(|it| it.is_some() && *it == good), if waits => Input::Lapsed,
                input = self.perform(output) => input?,
            };
            output = pledge.step(self.clock.moment(), input)?;
        }
    }

    async fn perform(&mut self, output: Output) -> Result<Input, AgentError> {
        let folder = self.folder.clone();
        Ok(match output {
            Output::Connect { trust, identity, .. } => match folder.identity(&identity) {
                Ok(identity) => self.line.connect(&trust, Some(&identity)).await,
                Err(why) => Input::Lost(why.to_string()),
            },
            Output::Send(request) => self.line.send(request).await,
            Output::SignVoucherRequest(json) => {
                let signed = blocking(move || folder.sign_voucher_request(&json)).await;
                signed.map_or_else(|why| Input::Failed(why.to_string()), Input::Signed)
            }
            Output::MakeKey => {
                let made = blocking(move || folder.make_key()).await;
                made.map_or_else(|why| Input::Failed(why.to_string()), Input::KeyMade)
            }
            Output::MakeCsr { key, subject } => {
                let made = blocking(move || folder.make_csr(&key, &subject)).await;
                made.map_or_else(|why| Input::Failed(why.to_string()), Input::CsrMade)
            }
            Output::Store(change) => {
                let stored = blocking(move || folder.store(&change)).await;
                stored.map_or_else(|why| Input::Failed(why.to_string()), |()| Input::Stored)
            }
            Output::Wait(until) => {
                self.line.close();
                self.clock.sleep_until(until).await;
                Input::Woken
            }
            Output::GiveUp(failure) => return Err(failure.into()),
        })
    }
}

/// The monotonic clock, counted from the device's start.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn moment(&self) -> Moment {
        let now = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { now, random: u128::from_ne_bytes(io::random::fill()) }
    }

    pub(crate) async fn sleep_until(&self, until: u64) {
        let left = Duration::from_millis(until).saturating_sub(self.0.elapsed());
        tokio::time::sleep(left.min(Duration::from_secs(SLEEP_HOURS_MAX * 3600))).await;
    }
}

/// Runs what waits for the disk where nobody waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FolderError> + Send + 'static,
) -> Result<T, FolderError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(FolderError::Interrupted(why.to_string())),
    }
}
