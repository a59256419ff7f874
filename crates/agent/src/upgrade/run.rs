//! Keeps a device's firmware running: does what the machines say.
use super::device::{Content, Device, Slot};
use super::install::{self, Image, Install, Missed, Outcome};
use super::keeper::{Input, Keeper, Output};
use super::process::{Event, Firmware};
use super::slots::{Slots, SlotsError};
use crate::control::FirmwareOrder;
use crate::limits::HEALTH_SECONDS_MAX;
use crate::machine::{Misplaced, Timers};
use crate::shell::{Clock, Disk, LocalDisk, is_wiping};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::sync::watch;
use wire::control::FirmwareReport;

/// Where the bytes of a payload come from.
pub trait Source: Send + Sync + 'static {
    /// At most `length` bytes of `image`, from `offset` on, and at least one.
    fn piece(
        &self,
        image: &Image,
        offset: u64,
        length: u64,
    ) -> impl Future<Output = Result<Vec<u8>, Missed>> + Send;
}

/// What is ordered beside what is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// By the hub.
    Do(FirmwareOrder),
    /// The device was told to wipe itself: end the firmware, and leave its folder.
    Leave,
}

/// How patient a device is with its firmware.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a firmware may take until it answers, in milliseconds.
    pub health: u64,
    /// How long is waited after failures.
    pub timers: Timers,
}

impl Default for Patience {
    fn default() -> Self {
        Self { health: HEALTH_SECONDS_MAX * 1000, timers: Timers::default() }
    }
}

/// How a device's firmware is kept.
#[derive(Clone)]
pub struct Settings {
    /// What the device is.
    pub device: Device,
    /// How patient it is.
    pub patience: Patience,
    /// What it writes with.
    pub disk: Arc<dyn Disk>,
    /// Where it is shown what runs and what was not kept.
    pub report: Option<Arc<watch::Sender<FirmwareReport>>>,
    /// What is ordered last.
    pub orders: watch::Receiver<Option<Order>>,
}

impl Settings {
    /// As patient as the limits say.
    pub fn new(device: Device) -> Self {
        let (_, orders) = watch::channel(None);
        Self { device, patience: Patience::default(), disk: Arc::new(LocalDisk), report: None, orders }
    }
}

/// Why a device's firmware is not kept any more.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Its slots cannot be used. The operator, or the environment.
    #[error(transparent)]
    Slots(#[from] SlotsError),
    /// The device was told to wipe itself. Nobody is to blame: there is no firmware any more.
    #[error("the device was told to wipe itself; its firmware was ended")]
    Wiped,
    /// The shell and the machines misunderstood each other. This program.
    #[error("a fault of the agent, please report it: {0}")]
    Misplaced(#[from] Misplaced),
}

/// Keeps the firmware of the device whose folder is `folder` running until `shutdown` resolves, and
/// takes up what `offers` holds: the envelope that was offered last.
///
/// It may be stopped at any moment, also by a power cut, and run again: it goes on from its folder. From a
/// device that is to wipe itself it keeps away.
///
/// # Errors
/// [`UpgradeError`]: running it again without a person's help would end the same way.
pub async fn keep(
    folder: &Path,
    settings: Settings,
    offers: watch::Receiver<Option<Vec<u8>>>,
    source: impl Source,
    shutdown: impl Future<Output = ()>,
) -> Result<(), UpgradeError> {
    if is_wiping(folder) {
        return Err(UpgradeError::Wiped);
    }
    let (own, disk) = (folder.to_owned(), settings.disk.clone());
    let (slots, record) = blocking(move || Slots::open(&own, disk)).await?;
    // Ordered meanwhile, perhaps: who wipes has to have the slots.
    if is_wiping(folder) {
        return Err(UpgradeError::Wiped);
    }
    let Settings { device, patience, report, orders, .. } = settings;
    let (keeper, output) = Keeper::begin(device.clone(), patience.timers, patience.health, record);
    let leaving = orders.clone();
    let hands = Hands {
        device,
        timers: patience.timers,
        slots: Arc::new(slots),
        source: Arc::new(source),
        clock: Clock::start(),
        offers,
        orders,
        firmware: None,
        installing: None,
    };
    tokio::pin!(shutdown);
    let mut is_left = false;
    let stopped = async {
        tokio::select! {
            () = &mut shutdown => {}
            () = told_to_leave(leaving) => is_left = true,
        }
    };
    live(keeper, output, hands, report, pin!(stopped)).await?;
    if is_left { Err(UpgradeError::Wiped) } else { Ok(()) }
}

/// Until the device is to wipe itself.
async fn told_to_leave(mut orders: watch::Receiver<Option<Order>>) {
    if orders.wait_for(|order| *order == Some(Order::Leave)).await.is_err() {
        std::future::pending().await
    }
}

async fn live(
    mut keeper: Keeper,
    mut output: Output,
    mut hands: Hands<impl Source>,
    report: Option<Arc<watch::Sender<FirmwareReport>>>,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), UpgradeError> {
    loop {
        if let Some(report) = &report {
            report.send_if_modified(|now| std::mem::replace(now, keeper.report()) != keeper.report());
        }
        let input = match output {
            Output::Watch(until) => tokio::select! {
                () = &mut shutdown => break,
                input = hands.watch(&keeper, until) => input?,
            },
            Output::Wait(until) => tokio::select! {
                () = &mut shutdown => break,
                input = hands.watch(&keeper, Some(until)) => input?,
            },
            output => hands.perform(output).await,
        };
        output = keeper.step(hands.clock.moment(), input)?;
    }
    hands.stop().await;
    // Who is told that it stopped may start it again at once: the disk is not left alone.
    hands.installing = None;
    drop(hands.slots.turn().await);
    Ok(())
}

/// An installation on its way: where to, and by which order if there was one.
struct Installing {
    slot: Slot,
    order: Option<u32>,
    work: Pin<Box<dyn Future<Output = Result<Outcome, Misplaced>> + Send>>,
}

/// What the keeper has for hands.
struct Hands<S> {
    device: Device,
    timers: Timers,
    slots: Arc<Slots>,
    source: Arc<S>,
    clock: Clock,
    offers: watch::Receiver<Option<Vec<u8>>>,
    orders: watch::Receiver<Option<Order>>,
    firmware: Option<Firmware>,
    installing: Option<Installing>,
}

impl<S: Source> Hands<S> {
    async fn perform(&mut self, output: Output) -> Input {
        match output {
            Output::Load(slot) => {
                // What is being written there would not be what is started.
                if self.installing.as_ref().is_some_and(|it| it.slot == slot) {
                    return Input::Loaded(Content::default());
                }
                let loaded = on_disk(&self.slots, move |slots| Ok(slots.load(slot))).await;
                Input::Loaded(loaded.unwrap_or_default())
            }
            Output::Store(record) => {
                let stored = on_disk(&self.slots, move |slots| slots.store(&record)).await;
                stored.map_or_else(|why| Input::Failed(why.to_string()), |()| Input::Stored)
            }
            Output::Start { slot, arguments } => {
                let (image, folder) = (self.slots.image(slot), self.slots.folder(slot));
                match Firmware::start(&image, &folder, arguments.as_deref()).await {
                    Ok(firmware) => {
                        self.firmware = Some(firmware);
                        Input::Started
                    }
                    Err(why) => Input::Failed(why.to_string()),
                }
            }
            Output::Stop => {
                self.stop().await;
                Input::Stopped
            }
            Output::Discard(slot) => {
                let discarded = on_disk(&self.slots, move |slots| slots.discard(slot)).await;
                discarded.map_or_else(|why| Input::Failed(why.to_string()), |()| Input::Stored)
            }
            Output::Watch(_) | Output::Wait(_) => Input::Woken,
        }
    }

    async fn stop(&mut self) {
        if let Some(firmware) = self.firmware.take() {
            firmware.stop().await;
        }
    }

    /// Waits for the firmware, the time, or the end of an installation; takes up an offer.
    async fn watch(&mut self, keeper: &Keeper, until: Option<u64>) -> Result<Input, Misplaced> {
        let clock = self.clock;
        let time = async move {
            match until {
                Some(until) => {
                    while clock.moment().now < until {
                        clock.sleep_until(until).await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        let mut time = pin!(time);
        loop {
            let is_free = self.installing.is_none() && keeper.is_settled();
            if let Some(input) = is_free.then(|| self.take_up(keeper)).flatten() {
                return Ok(input);
            }
            tokio::select! {
                event = event(&mut self.firmware) => {
                    return Ok(match event {
                        Event::Healthy => Input::Healthy,
                        Event::Ended(why) => {
                            self.firmware = None;
                            Input::Ended(why)
                        }
                    });
                }
                () = &mut time => return Ok(Input::Woken),
                (order, outcome) = installed(&mut self.installing) => {
                    self.installing = None;
                    match outcome? {
                        Outcome::Try(slot) => return Ok(Input::Try(slot, order)),
                        Outcome::NotTaken(not_kept) => return Ok(Input::NotTaken(not_kept, order)),
                        Outcome::Known => {}
                    }
                }
                () = changed(&self.offers), if is_free => {}
                () = changed(&self.orders), if is_free => {}
            }
        }
    }

    /// Looks at an order or an offer that was not looked at before.
    fn take_up(&mut self, keeper: &Keeper) -> Option<Input> {
        if let Some(Order::Do(FirmwareOrder { number, install })) = news(&mut self.orders)
            && !keeper.is_over(number)
        {
            return match install {
                Some(envelope) => self.install(keeper, &envelope, Some(number)),
                None => Some(Input::Restart(number)),
            };
        }
        let envelope = news(&mut self.offers)?;
        self.install(keeper, &envelope, None)
    }

    /// By order it is installed anew.
    fn install(&mut self, keeper: &Keeper, envelope: &[u8], order: Option<u32>) -> Option<Input> {
        let (runs, anew) = (keeper.runs(), order.is_some());
        match Install::begin(&self.device, self.timers, keeper.record(), runs.as_ref(), envelope, anew) {
            Ok((install, output)) => {
                let slot = install.slot();
                let work = work(install, output, self.slots.clone(), self.source.clone(), self.clock);
                self.installing = Some(Installing { slot, order, work: Box::pin(work) });
                None
            }
            Err(Outcome::NotTaken(not_kept)) => Some(Input::NotTaken(not_kept, order)),
            Err(_) => None,
        }
    }
}

/// What was not seen before.
fn news<T: Clone>(told: &mut watch::Receiver<Option<T>>) -> Option<T> {
    let now = told.borrow_and_update();
    if now.has_changed() { now.clone() } else { None }
}

/// Something new, or never if nobody tells anything any more.
async fn changed<T>(told: &watch::Receiver<Option<T>>) {
    if told.clone().changed().await.is_err() {
        std::future::pending().await
    }
}

async fn event(firmware: &mut Option<Firmware>) -> Event {
    match firmware {
        Some(firmware) => firmware.event().await,
        None => std::future::pending().await,
    }
}

async fn installed(installing: &mut Option<Installing>) -> (Option<u32>, Result<Outcome, Misplaced>) {
    match installing {
        Some(Installing { order, work, .. }) => (*order, work.await),
        None => std::future::pending().await,
    }
}

async fn work(
    mut install: Install,
    mut output: install::Output,
    slots: Arc<Slots>,
    source: Arc<impl Source>,
    clock: Clock,
) -> Result<Outcome, Misplaced> {
    use install::{Input, Output};
    let failed = |why: SlotsError| Input::Failed(why.to_string());
    loop {
        let input = match output {
            Output::Prepare { slot, envelope } => {
                let prepared = on_disk(&slots, move |slots| slots.prepare(slot, &envelope)).await;
                prepared.map_or_else(failed, Input::Prepared)
            }
            Output::Fetch { image, offset, length } => {
                let fetched = source.piece(&image, offset, length).await;
                fetched.map_or_else(Input::Lost, Input::Fetched)
            }
            Output::Append { slot, offset, bytes } => {
                let stored = on_disk(&slots, move |slots| slots.append(slot, offset, &bytes)).await;
                stored.map_or_else(failed, |()| Input::Stored)
            }
            Output::Measure(slot) => {
                on_disk(&slots, move |slots| slots.measure(slot)).await.map_or_else(failed, Input::Measured)
            }
            Output::Discard(slot) => on_disk(&slots, move |slots| slots.discard(slot))
                .await
                .map_or_else(failed, |()| Input::Stored),
            Output::Wait(until) => {
                clock.sleep_until(until).await;
                Input::Woken
            }
            Output::End(outcome) => return Ok(outcome),
        };
        output = install.step(clock.moment(), input)?;
    }
}

/// Runs what waits for the disk where nobody waits for it, one at a time.
async fn on_disk<T: Send + 'static>(
    slots: &Arc<Slots>,
    work: impl FnOnce(&Slots) -> Result<T, SlotsError> + Send + 'static,
) -> Result<T, SlotsError> {
    let (turn, slots) = (slots.turn().await, slots.clone());
    let work = move || {
        let done = work(&slots);
        drop(slots);
        drop(turn);
        done
    };
    blocking(work).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SlotsError> + Send + 'static,
) -> Result<T, SlotsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(SlotsError::Interrupted(why.to_string())),
    }
}
