//! A device's operations, and the steps from what it reports to what is desired. Pure.
use crate::limits::DEVICE_OPERATIONS_MAX;
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use wire::control::{Progress, Report};
use wire::digest::hex;

words! {
    /// What an operation is for.
    pub enum Kind {
        /// Take up a version of its configuration.
        ApplyConfiguration = "apply-configuration",
        /// Hand over the configuration that it has.
        BackUpConfiguration = "back-up-configuration",
        /// Destroy its keys and its configuration: its life here ends.
        Wipe = "wipe",
        /// Start its firmware anew.
        Restart = "restart",
        /// Install a release anew, although it runs.
        Reinstall = "re-install",
    }
}

words! {
    /// How far an operation is.
    pub enum Phase {
        /// Asked for; the device has not been told.
        Requested = "requested",
        /// The device was told.
        Running = "running",
        /// It is done.
        Succeeded = "succeeded",
        /// It could not be done.
        Failed = "failed",
        /// It is not wanted any more.
        Cancelled = "cancelled",
        /// Its time passed.
        Expired = "expired",
    }
}

impl Phase {
    /// Whether something may still come of it.
    pub fn is_open(self) -> bool {
        matches!(self, Phase::Requested | Phase::Running)
    }
}

/// What was asked of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What for.
    pub kind: Kind,
    /// Of what: a version's number, a release; empty where the kind says all.
    pub about: String,
    /// How far it is.
    pub phase: Phase,
    /// When it was asked for.
    pub asked_at: Millis,
    /// Until when it may end well.
    pub deadline: Millis,
    /// Why it did not; empty otherwise.
    pub why: String,
}

/// The operations of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// By number, from 1; of those that are over, the newest are kept.
    pub operations: BTreeMap<u32, Operation>,
    /// The newest number.
    pub newest: u32,
}

impl State {
    /// The order for the firmware that is open: its number and what it is.
    pub fn firmware_order(&self) -> Option<(u32, &Operation)> {
        self.open(Kind::Reinstall).or(self.open(Kind::Restart))
    }

    /// The open operation of a kind: there is one at most.
    pub fn open(&self, kind: Kind) -> Option<(u32, &Operation)> {
        let open = |(number, operation): (&u32, _)| (*number, operation);
        self.operations
            .iter()
            .map(open)
            .find(|(_, o): &(u32, &Operation)| o.kind == kind && o.phase.is_open())
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Something is wanted of the device.
    Request {
        /// What.
        kind: Kind,
        /// Of what.
        about: String,
        /// Until when.
        deadline: Millis,
    },
    /// The device was told.
    Begin {
        /// What.
        kind: Kind,
    },
    /// It is done.
    Succeed {
        /// What.
        kind: Kind,
        /// Of what.
        about: String,
    },
    /// It could not be done.
    Fail {
        /// What.
        kind: Kind,
        /// Of what.
        about: String,
        /// Why.
        why: String,
    },
    /// A person does not want it any more.
    Cancel {
        /// Its number.
        operation: u32,
        /// Why.
        why: String,
    },
    /// The firmware need not be started or installed anew any more.
    CancelFirmwareOrders {
        /// Why.
        why: String,
    },
    /// The one of this kind is not wanted any more.
    CancelKind {
        /// Which.
        kind: Kind,
        /// Why.
        why: String,
    },
    /// None is wanted any more.
    CancelAll {
        /// Why.
        why: String,
    },
    /// Look at the deadlines.
    Expire,
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// Something is wanted.
    Requested {
        /// The operation's number.
        operation: u32,
        /// What for.
        kind: Kind,
        /// Of what.
        about: String,
        /// When.
        at: Millis,
        /// Until when.
        deadline: Millis,
    },
    /// The device was told.
    Begun {
        /// The operation's number.
        operation: u32,
    },
    /// It is done.
    Succeeded {
        /// The operation's number.
        operation: u32,
    },
    /// It could not be done.
    Failed {
        /// The operation's number.
        operation: u32,
        /// Why.
        why: String,
    },
    /// It is not wanted any more.
    Cancelled {
        /// The operation's number.
        operation: u32,
        /// What it was for.
        kind: Kind,
        /// Of what.
        about: String,
        /// Why.
        why: String,
    },
    /// Its time passed.
    Expired {
        /// The operation's number.
        operation: u32,
        /// What it was for.
        kind: Kind,
        /// Of what.
        about: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such operation (any more).
    Unknown(u32),
    /// It is over.
    Over(Phase),
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown(_) => "operation-unknown",
            Refusal::Over(_) => "operation-over",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::Unknown(_) => Sort::NotFound,
            Refusal::Over(_) => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Unknown(number) => {
                write!(f, "the device has no operation {number}; `operation list` shows them")
            }
            Refusal::Over(phase) => write!(f, "the operation is over: it is {phase}"),
        }
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    Ok(match command {
        Command::Request { kind, about, deadline } => {
            let why = "a newer one took its place";
            let older = state.open(kind).map(|(number, open)| cancelled(number, open, why));
            let operation = state.newest + 1;
            let requested = Event::Requested { operation, kind, about, at: now, deadline };
            older.into_iter().chain([requested]).collect()
        }
        Command::Begin { kind } => match state.open(kind) {
            Some((operation, open)) if open.phase == Phase::Requested => vec![Event::Begun { operation }],
            _ => vec![],
        },
        Command::Succeed { kind, about } => {
            ended(state, kind, &about, |operation| Event::Succeeded { operation })
        }
        Command::Fail { kind, about, why } => {
            ended(state, kind, &about, |operation| Event::Failed { operation, why })
        }
        Command::Cancel { operation, why } => {
            let known = state.operations.get(&operation).ok_or(Refusal::Unknown(operation))?;
            if !known.phase.is_open() {
                return Err(Refusal::Over(known.phase));
            }
            vec![cancelled(operation, known, &why)]
        }
        Command::CancelFirmwareOrders { why } => {
            let orders = open(state).filter(|(_, o)| [Kind::Restart, Kind::Reinstall].contains(&o.kind));
            orders.map(|(number, operation)| cancelled(number, operation, &why)).collect()
        }
        Command::CancelKind { kind, why } => {
            state.open(kind).map(|(number, open)| cancelled(number, open, &why)).into_iter().collect()
        }
        Command::CancelAll { why } => {
            open(state).map(|(number, operation)| cancelled(number, operation, &why)).collect()
        }
        Command::Expire => {
            let late = open(state).filter(|(_, operation)| operation.deadline < now);
            late.map(|(number, Operation { kind, about, .. })| Event::Expired {
                operation: number,
                kind: *kind,
                about: about.clone(),
            })
            .collect()
        }
    })
}

fn open(state: &State) -> impl Iterator<Item = (u32, &Operation)> {
    state.operations.iter().filter(|(_, o)| o.phase.is_open()).map(|(number, o)| (*number, o))
}

/// The end of the open operation of a kind, if it is about this.
fn ended(state: &State, kind: Kind, about: &str, end: impl FnOnce(u32) -> Event) -> Vec<Event> {
    let open = state.open(kind).filter(|(_, open)| open.about == about);
    open.map(|(number, _)| end(number)).into_iter().collect()
}

fn cancelled(operation: u32, known: &Operation, why: &str) -> Event {
    let (kind, about) = (known.kind, known.about.clone());
    Event::Cancelled { operation, kind, about, why: why.into() }
}

/// Whether it rests on the time being right.
pub fn rests_on_time(event: &Event) -> bool {
    matches!(event, Event::Expired { .. })
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Requested { operation, kind, about, at, deadline } => {
            let (kind, about, phase) = (*kind, about.clone(), Phase::Requested);
            let asked =
                Operation { kind, about, phase, asked_at: *at, deadline: *deadline, why: String::new() };
            state.operations.insert(*operation, asked);
            state.newest = *operation;
            forget(state);
        }
        Event::Begun { operation } => end(state, *operation, Phase::Running, ""),
        Event::Succeeded { operation } => end(state, *operation, Phase::Succeeded, ""),
        Event::Failed { operation, why } => end(state, *operation, Phase::Failed, why),
        Event::Cancelled { operation, why, .. } => end(state, *operation, Phase::Cancelled, why),
        Event::Expired { operation, .. } => end(state, *operation, Phase::Expired, "its time passed"),
    }
}

fn end(state: &mut State, number: u32, phase: Phase, why: &str) {
    if let Some(operation) = state.operations.get_mut(&number) {
        (operation.phase, operation.why) = (phase, why.into());
    }
}

/// The oldest that is over makes room.
fn forget(state: &mut State) {
    if state.operations.len() <= DEVICE_OPERATIONS_MAX {
        return;
    }
    let over = state.operations.iter().find(|(_, o)| !o.phase.is_open()).map(|(number, _)| *number);
    over.and_then(|number| state.operations.remove(&number));
}

/// What is desired of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// An order for its configuration: its number, the digest of what it is to replace (as hexadecimal
    /// digits, empty for a file that cannot be read), and until when it may be given.
    pub configuration: Option<(u32, String, Millis)>,
    /// The document of its configuration is wanted.
    pub document: bool,
    /// It is to wipe itself.
    pub wipe: bool,
    /// An order for its firmware: its number, what it is, and until when it may be given.
    pub firmware: Option<(u32, Kind, Millis)>,
}

/// What a device is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To take up the order for its configuration.
    Apply,
    /// That what it tries proved itself.
    Confirm(u32),
    /// To send its configuration's document.
    SendConfiguration,
    /// To destroy its keys and its configuration.
    Wipe,
    /// To start its firmware anew, by the order of this number.
    Restart(u32),
    /// To install its firmware anew, by the order of this number.
    Reinstall(u32),
}

/// What a report says of the open order for the firmware: how it ended, if it did. Of one that the device was
/// not told it can say nothing: it means one of a hub that was restored since.
pub fn ended_by(state: &State, report: &Report) -> Option<Command> {
    let (number, open) = state.firmware_order().filter(|(_, open)| open.phase == Phase::Running)?;
    let (kind, about) = (open.kind, open.about.clone());
    let fail = |why: String| Some(Command::Fail { kind, about: about.clone(), why });
    let named = [kind.member(), "firmware"];
    if report.not_understood.iter().any(|word| named.contains(&word.as_str())) {
        return fail("the device does not know how to do that".into());
    }
    let told = report.firmware.as_ref()?.order.as_ref().filter(|told| told.order == number)?;
    match &told.progress {
        Progress::UnderWay => None,
        Progress::Done => Some(Command::Succeed { kind, about }),
        Progress::Failed(why) => fail(why.clone()),
    }
}

impl Kind {
    /// The member of an answer that orders it.
    fn member(self) -> &'static str {
        if self == Kind::Reinstall { "reinstall" } else { "restart" }
    }
}

/// What leads from what a device reports to what is desired. Nothing, when all is as it should be or the
/// device has to act first.
pub fn steps(desired: &Desired, report: &Report, now: Millis) -> Vec<Step> {
    let reported = &report.configuration;
    if desired.wipe {
        // Nothing else is worth doing.
        return vec![Step::Wipe];
    }
    let mut steps = Vec::new();
    if let Some((order, over, deadline)) = &desired.configuration
        && now <= *deadline
    {
        let has = reported.digest.map(|digest| hex(&digest)).unwrap_or_default();
        match reported.trial {
            Some(trial) if trial == *order => steps.push(Step::Confirm(trial)),
            Some(_) => {}
            None if has == *over => steps.push(Step::Apply),
            None => {}
        }
    }
    if desired.document && reported.trial.is_none() {
        steps.push(Step::SendConfiguration);
    }
    let knows = report.firmware.as_ref().and_then(|firmware| firmware.order.as_ref()).map(|it| it.order);
    if let Some((number, kind, deadline)) = desired.firmware
        && now <= deadline
        && knows != Some(number)
    {
        let reinstall = kind == Kind::Reinstall;
        steps.push(if reinstall { Step::Reinstall(number) } else { Step::Restart(number) });
    }
    steps
}
