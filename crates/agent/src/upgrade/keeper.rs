//! Which firmware runs: started, watched, tried, taken back. Without I/O.
use super::device::{Content, Device, Launch, Slot};
use super::record::{Record, Trial};
use crate::limits::TRIAL_STARTS_MAX;
use crate::machine::{Misplaced, Moment, Timers, shortened};
use wire::control::{FirmwareNotKept, FirmwareReport, OrderReport, Progress, Running};
use wire::suit::Reason;

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read what a slot holds, and measure its image. Answered by [`Input::Loaded`].
    Load(Slot),
    /// Have this on the disk. Answered by [`Input::Stored`] or [`Input::Failed`].
    Store(Record),
    /// Start the slot's image. Answered by [`Input::Started`] or [`Input::Failed`].
    Start {
        /// Which.
        slot: Slot,
        /// `suit-parameter-invoke-args`.
        arguments: Option<Vec<u8>>,
    },
    /// Watch the firmware, until this moment if there is one. Answered by [`Input::Healthy`],
    /// [`Input::Ended`] or [`Input::Woken`], or by what became of an offer.
    Watch(Option<u64>),
    /// End the firmware, if it runs. Answered by [`Input::Stopped`].
    Stop,
    /// Have no image in the slot. Answered by [`Input::Stored`] or [`Input::Failed`].
    Discard(Slot),
    /// No firmware runs: do nothing until this moment. Answered by [`Input::Woken`], or by what became
    /// of an offer.
    Wait(u64),
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What the slot holds.
    Loaded(Content),
    /// The disk has it.
    Stored,
    /// The device could not do it.
    Failed(String),
    /// The image runs.
    Started,
    /// It has answered.
    Healthy,
    /// It ended by itself.
    Ended(String),
    /// It was ended.
    Stopped,
    /// Time has passed.
    Woken,
    /// A slot holds a new firmware, by the order of this number if there was one.
    Try(Slot, Option<u32>),
    /// An offer was refused, or did not get here.
    NotTaken(FirmwareNotKept, Option<u32>),
    /// The order of this number: start it anew.
    Restart(u32),
}

impl Input {
    fn name(&self) -> &'static str {
        match self {
            Self::Loaded(_) => "a slot's content",
            Self::Stored => "the disk's success",
            Self::Failed(_) => "a failure",
            Self::Started => "a start",
            Self::Healthy => "an answer of the firmware",
            Self::Ended(_) => "the firmware's end",
            Self::Stopped => "a stop",
            Self::Woken => "time",
            Self::Try(..) | Self::NotTaken(..) => "an offer",
            Self::Restart(_) => "an order",
        }
    }
}

/// The firmware that runs and has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// From where.
    pub slot: Slot,
    /// Its manifest's sequence number.
    pub sequence_number: u64,
    /// Its manifest's digest.
    pub manifest: [u8; 32],
}

#[derive(Debug)]
enum State {
    /// A slot is being read; these come next.
    Loading(Slot, Vec<Slot>),
    /// The start of a trial is being noted.
    Counting(Launch, Record),
    Starting(Launch),
    /// It runs and has not answered yet.
    Proving(Launch, u64),
    /// It has answered, and that is being noted.
    Confirming(Launch, Record),
    /// It is healthy. If that could not be noted, it is noted at this moment.
    Running(Launch, Option<u64>),
    /// It is healthy, and by order from the slot that was written: the other one is being measured, and
    /// then perhaps emptied.
    Measuring(Launch, u32),
    /// Something is being noted that holds even if the disk fails.
    Noting(Next),
    /// The firmware is being ended.
    Stopping(Next),
    /// Nothing runs.
    Pausing(u64),
    Over,
}

impl State {
    fn waits_for(&self) -> &'static str {
        match self {
            Self::Loading(..) | Self::Measuring(..) => "a slot's content",
            Self::Counting(..) | Self::Confirming(..) | Self::Noting(_) => "the disk",
            Self::Starting(_) => "a start",
            Self::Proving(..) | Self::Running(..) => "the firmware",
            Self::Stopping(_) => "a stop",
            Self::Pausing(_) => "time to pass",
            Self::Over => "nothing any more",
        }
    }
}

/// What comes after noting or stopping.
#[derive(Debug)]
enum Next {
    /// A slot is chosen, from all.
    Choose,
    /// A slot is chosen, from these.
    Load(Vec<Slot>),
    /// The firmware is ended, then a slot is chosen.
    Stop,
    /// It was on trial, or confirmed, and is not healthy.
    Failed(Launch, String),
    /// Nothing runs for a while.
    Pause,
    /// The firmware is watched on.
    Watch(Box<State>),
}

/// Keeps a firmware running: the one on trial if there is one, else the one that was confirmed, else
/// whatever the other slot holds.
#[derive(Debug)]
pub struct Keeper {
    device: Device,
    timers: Timers,
    health_millis: u64,
    record: Record,
    failures: u32,
    /// The order that is being done, and from which slot; to start anew, from whichever.
    ordered: Option<(u32, Option<Slot>)>,
    /// The order that is over.
    order: Option<OrderReport>,
    state: State,
}

impl Keeper {
    /// Begins with what was remembered.
    pub fn begin(device: Device, timers: Timers, health_millis: u64, record: Record) -> (Self, Output) {
        let state = State::Over;
        let (ordered, order) = (None, None);
        let mut it = Self { device, timers, health_millis, record, failures: 0, ordered, order, state };
        let output = it.choose();
        (it, output)
    }

    /// What is remembered.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The firmware that runs and was confirmed.
    pub fn runs(&self) -> Option<Runs> {
        match &self.state {
            State::Running(it, _) | State::Measuring(it, _) if !self.is_trial(it) => {
                Some(Runs { slot: it.slot, sequence_number: it.sequence_number, manifest: it.manifest })
            }
            _ => None,
        }
    }

    /// Whether an offer may be looked at: no firmware is on its way to prove itself.
    pub fn is_settled(&self) -> bool {
        self.record.trial.is_none() && matches!(self.state, State::Running(..) | State::Pausing(_))
    }

    /// What the hub is told.
    pub fn report(&self) -> FirmwareReport {
        let running =
            self.runs().map(|it| Running { sequence_number: it.sequence_number, manifest: it.manifest });
        FirmwareReport { running, not_kept: self.record.not_kept.clone(), order: self.order.clone() }
    }

    /// Whether the order of this number is over.
    pub fn is_over(&self, order: u32) -> bool {
        self.order.as_ref().is_some_and(|over| over.order == order)
    }

    /// Takes how it went and says what is next.
    ///
    /// # Errors
    /// [`Misplaced`] for an input that answers another output.
    pub fn step(&mut self, moment: Moment, input: Input) -> Result<Output, Misplaced> {
        let state = std::mem::replace(&mut self.state, State::Over);
        Ok(match (state, input) {
            (State::Loading(slot, left), Input::Loaded(content)) => self.loaded(moment, slot, left, &content),
            (State::Counting(launch, record), Input::Stored) => {
                self.record = record;
                self.start(launch)
            }
            // Started without a note, it could be started for ever.
            (State::Counting(..), Input::Failed(_)) => self.pause(moment),
            (State::Starting(launch), Input::Started) => {
                let until = moment.now.saturating_add(self.health_millis);
                self.watch(State::Proving(launch, until))
            }
            (State::Starting(launch), Input::Failed(why)) => {
                self.not_healthy(moment, launch, &format!("it cannot be started: {why}"))
            }
            (State::Proving(launch, _), Input::Healthy) => self.healthy(launch),
            (State::Proving(launch, _), Input::Ended(why)) => self.not_healthy(moment, launch, &why),
            (State::Proving(launch, _), Input::Woken) => {
                let why = format!("it did not answer within {} ms", self.health_millis);
                self.stop(Next::Failed(launch, why))
            }
            (State::Confirming(launch, record), Input::Stored) => {
                (self.record, self.failures) = (record, 0);
                self.proved(launch)
            }
            (State::Measuring(launch, order), Input::Loaded(content)) => {
                let other = launch.slot.other();
                if content.image.is_some() && self.device.judge(other, &content).is_err() {
                    self.state = State::Measuring(launch, order);
                    return Ok(Output::Discard(other));
                }
                self.done(launch, order)
            }
            (State::Measuring(launch, order), Input::Stored | Input::Failed(_)) => self.done(launch, order),
            (State::Confirming(launch, _), Input::Failed(_)) => {
                let again = self.backed_off(moment);
                self.watch(State::Running(launch, Some(again)))
            }
            (State::Running(launch, _), Input::Woken | Input::Healthy) => self.healthy(launch),
            (State::Running(launch, _), Input::Ended(why)) if self.is_trial(&launch) => {
                self.not_healthy(moment, launch, &why)
            }
            (State::Running(..), Input::Ended(_)) => self.pause(moment),
            (State::Noting(next), Input::Stored | Input::Failed(_)) => self.then(moment, next),
            (State::Stopping(next), Input::Stopped) => self.then(moment, next),
            (State::Pausing(_), Input::Woken) => self.choose(),
            (State::Running(..) | State::Proving(..), Input::Try(slot, order)) => {
                self.put_on_trial(slot, order, Next::Stop)
            }
            (State::Pausing(_), Input::Try(slot, order)) => self.put_on_trial(slot, order, Next::Choose),
            (
                state @ (State::Running(..) | State::Proving(..) | State::Pausing(_)),
                Input::NotTaken(not_kept, order),
            ) => {
                self.order = order.map(|order| failed(order, &not_kept.why)).or(self.order.take());
                self.mention(moment, not_kept, Next::Watch(Box::new(state)))
            }
            (State::Running(..) | State::Proving(..), Input::Restart(order)) => {
                self.ordered = Some((order, None));
                self.stop(Next::Choose)
            }
            (State::Pausing(_), Input::Restart(order)) => {
                self.ordered = Some((order, None));
                self.choose()
            }
            (state, input) => {
                let misplaced = Misplaced { input: input.name(), state: state.waits_for() };
                self.state = state;
                return Err(misplaced);
            }
        })
    }

    fn choose(&mut self) -> Output {
        let confirmed = self.record.confirmed.map_or(Slot::A, |(slot, _)| slot);
        let mut slots = vec![confirmed, confirmed.other()];
        if let Some(trial) = self.record.trial {
            slots.sort_by_key(|slot| *slot != trial.slot);
        }
        self.load(slots)
    }

    fn load(&mut self, mut slots: Vec<Slot>) -> Output {
        let first = slots.remove(0);
        self.state = State::Loading(first, slots);
        Output::Load(first)
    }

    fn load_or_pause(&mut self, moment: Moment, slots: Vec<Slot>) -> Output {
        if slots.is_empty() { self.pause(moment) } else { self.load(slots) }
    }

    fn loaded(&mut self, moment: Moment, slot: Slot, left: Vec<Slot>, content: &Content) -> Output {
        let on_trial = self.record.trial.filter(|trial| trial.slot == slot);
        let confirmed = self.record.confirmed.is_some_and(|(confirmed, _)| confirmed == slot);
        match self.device.judge(slot, content) {
            Err(not_kept) if on_trial.is_some() => {
                self.record.trial = None;
                self.not_done(slot, &not_kept.why);
                self.note(not_kept, Next::Choose)
            }
            // The confirmed one is not what it was. An empty slot is nobody's fault.
            Err(not_kept) if confirmed => self.mention(moment, not_kept, Next::Load(left)),
            Err(_) => self.load_or_pause(moment, left),
            Ok(launch) if confirmed => self.start(launch),
            // On trial only by order.
            Ok(launch) if on_trial.is_none() && self.record.failed.contains(&launch.manifest) => {
                self.load_or_pause(moment, left)
            }
            Ok(launch) => match on_trial.map_or(0, |trial| trial.starts) {
                TRIAL_STARTS_MAX.. => {
                    let why = format!("it was started {TRIAL_STARTS_MAX} times and never confirmed");
                    self.not_healthy(moment, launch, &why)
                }
                starts => {
                    let trial = Some(Trial { slot, starts: starts + 1 });
                    let record = Record { trial, ..self.record.clone() };
                    self.state = State::Counting(launch, record.clone());
                    Output::Store(record)
                }
            },
        }
    }

    fn is_trial(&self, launch: &Launch) -> bool {
        self.record.trial.is_some_and(|trial| trial.slot == launch.slot)
    }

    fn start(&mut self, launch: Launch) -> Output {
        let output = Output::Start { slot: launch.slot, arguments: launch.arguments.clone() };
        self.state = State::Starting(launch);
        output
    }

    fn healthy(&mut self, launch: Launch) -> Output {
        let record = self.record.confirming(launch.slot, launch.sequence_number);
        if record == self.record {
            self.failures = 0;
            return self.proved(launch);
        }
        self.state = State::Confirming(launch, record.clone());
        Output::Store(record)
    }

    /// It is healthy and confirmed. That may be what was ordered.
    fn proved(&mut self, launch: Launch) -> Output {
        match self.ordered {
            Some((order, None)) => self.done(launch, order),
            Some((order, Some(slot))) if slot == launch.slot => {
                let other = launch.slot.other();
                self.state = State::Measuring(launch, order);
                Output::Load(other)
            }
            _ => self.watch(State::Running(launch, None)),
        }
    }

    fn done(&mut self, launch: Launch, order: u32) -> Output {
        self.ordered = None;
        self.order = Some(OrderReport { order, progress: Progress::Done });
        self.watch(State::Running(launch, None))
    }

    /// What was to be started from `slot` by order is not.
    fn not_done(&mut self, slot: Slot, why: &str) {
        if let Some((order, _)) = self.ordered.take_if(|(_, by)| *by == Some(slot)) {
            self.order = Some(failed(order, why));
        }
    }

    /// A trial is over and the other slot's turn has come; a confirmed firmware is started again later.
    fn not_healthy(&mut self, moment: Moment, launch: Launch, why: &str) -> Output {
        let not_kept = FirmwareNotKept {
            sequence_number: Some(launch.sequence_number),
            manifest: Some(launch.manifest),
            tried: true,
            reason: Reason::OperationFailed.name().into(),
            why: shortened(why),
        };
        if !self.is_trial(&launch) {
            return self.mention(moment, not_kept, Next::Pause);
        }
        self.record.trial = None;
        self.not_done(launch.slot, why);
        self.record.add_failed(launch.manifest);
        self.note(not_kept, Next::Choose)
    }

    /// Notes it, unless it is noted already.
    fn mention(&mut self, moment: Moment, not_kept: FirmwareNotKept, next: Next) -> Output {
        if self.record.not_kept.as_ref() == Some(&not_kept) {
            return self.then(moment, next);
        }
        self.note(not_kept, next)
    }

    fn note(&mut self, not_kept: FirmwareNotKept, next: Next) -> Output {
        self.record.not_kept = Some(not_kept);
        self.state = State::Noting(next);
        Output::Store(self.record.clone())
    }

    fn put_on_trial(&mut self, slot: Slot, order: Option<u32>, next: Next) -> Output {
        self.ordered = order.map(|order| (order, Some(slot))).or(self.ordered);
        self.record.trial = Some(Trial { slot, starts: 0 });
        self.state = State::Noting(next);
        Output::Store(self.record.clone())
    }

    fn then(&mut self, moment: Moment, next: Next) -> Output {
        match next {
            Next::Choose => self.choose(),
            Next::Load(slots) => self.load_or_pause(moment, slots),
            Next::Stop => self.stop(Next::Choose),
            Next::Failed(launch, why) => self.not_healthy(moment, launch, &why),
            Next::Pause => self.pause(moment),
            Next::Watch(state) => self.watch(*state),
        }
    }

    fn stop(&mut self, next: Next) -> Output {
        self.state = State::Stopping(next);
        Output::Stop
    }

    fn watch(&mut self, state: State) -> Output {
        let output = match &state {
            State::Proving(_, until) | State::Running(_, Some(until)) => Output::Watch(Some(*until)),
            State::Pausing(until) => Output::Wait(*until),
            _ => Output::Watch(None),
        };
        self.state = state;
        output
    }

    fn pause(&mut self, moment: Moment) -> Output {
        let until = self.backed_off(moment);
        self.watch(State::Pausing(until))
    }

    fn backed_off(&mut self, moment: Moment) -> u64 {
        self.failures = self.failures.saturating_add(1);
        moment.now.saturating_add(self.timers.backoff(self.failures, moment.random))
    }
}

fn failed(order: u32, why: &str) -> OrderReport {
    OrderReport { order, progress: Progress::Failed(shortened(why)) }
}
