//! The machine: what is held, and the step from one state to the next.
use super::memory::{Memory, NotKept, Trial};
use super::message::FirmwareOrder;
use super::message::{Change, Document, Held, Input, Output, Trouble, digest, hub};
use crate::limits::{CHECK_IN_MILLIS_MIN, QUICK_ANSWERS_MAX, TRIAL_STARTS_MAX};
use crate::machine::{Answer, Misplaced, Moment, Timers, put_off, shortened};
use std::collections::VecDeque;
use wire::control::{
    self, Apply, ConfigurationReport, Desired, ENROL_AGAIN, FirmwareReport, OrderReport, Progress, Report,
};
use wire::digest::sha256;
use wire::limits::CONTROL_NAMES_MAX;

/// A device that has joined, and does what its hub wants.
#[derive(Clone, Debug)]
pub struct Member {
    timers: Timers,
    document: Document,
    /// What is taken back when a trial fails.
    before: Vec<u8>,
    memory: Memory,
    /// Until when the trial has time, by the monotonic clock.
    trial_until: Option<u64>,
    /// The hub wants the document with the next report.
    send_document: bool,
    /// What runs, if anybody keeps a firmware on this device.
    firmware: Option<FirmwareReport>,
    /// The envelope that the hub offered last, until it is taken.
    offered: Option<Vec<u8>>,
    /// What the hub ordered for the firmware, until it is taken.
    ordered: Option<FirmwareOrder>,
    /// The number of the newest order for the firmware.
    order: Option<u32>,
    /// The hub wants the device to enrol again, and nobody has been told yet.
    lapsed: bool,
    not_understood: Vec<String>,
    state: State,
    /// When the last report was sent.
    sent_at: u64,
    /// Answers in quick succession.
    quick: u32,
    /// Failures in a row.
    failures: u32,
    trouble: Option<Trouble>,
}

/// What a member waits for.
#[derive(Clone, Debug)]
enum State {
    /// A connection.
    Opening,
    /// An answer.
    Talking,
    /// A look at the file, to do this order.
    Looking(Apply),
    /// The disk, with what is to be stored after this change; then a check-in over this connection or
    /// another.
    Storing(Change, VecDeque<Change>, Next),
    /// A moment, to go on.
    Pausing(u64, Next),
    /// Nothing: it leaves for good.
    Leaving,
}

/// How a check-in begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// From what the disk has: something could not be stored.
    Start,
    /// Over a new connection.
    Connect,
    /// Over the open one.
    Send,
}

impl Member {
    /// A device as it starts, for the first time or again, and the first thing to do.
    pub fn resume(timers: Timers, held: Held, moment: Moment) -> (Self, Output) {
        let Held { document, before, memory, firmware } = held;
        let mut member = Self {
            timers,
            document,
            before,
            memory,
            trial_until: None,
            send_document: false,
            firmware,
            offered: None,
            ordered: None,
            order: None,
            lapsed: false,
            not_understood: Vec::new(),
            state: State::Opening,
            sent_at: moment.now,
            quick: 0,
            failures: 0,
            trouble: None,
        };
        let output = member.start(moment);
        (member, output)
    }

    /// A trial goes on if the disk has all of it.
    fn start(&mut self, moment: Moment) -> Output {
        let Some(trial) = self.memory.trial.clone() else { return self.connect() };
        let has = self.digest();
        if has == Some(sha256(&self.before)) && has != Some(trial.digest) {
            // The power went before the new file was there: the hub orders it again.
            let memory = Memory { trial: None, ..self.memory.clone() };
            return self.store([Change::Memory(memory)], Next::Connect);
        }
        if has != Some(trial.digest) {
            return self.give_up_trial();
        }
        if trial.starts >= TRIAL_STARTS_MAX {
            return self.revert("the device started again and again on trial");
        }
        self.begin_trial(moment, trial.confirm_seconds);
        let trial = Some(Trial { starts: trial.starts + 1, ..trial });
        self.store([Change::Memory(Memory { trial, ..self.memory.clone() })], Next::Connect)
    }

    /// SHA-256 of the configuration, as far as it is known here; nothing for one that cannot be read.
    pub fn digest(&self) -> Option<[u8; 32]> {
        digest(&self.document)
    }

    /// When the trial is over: [`Input::Woken`] is to come then.
    pub fn deadline(&self) -> Option<u64> {
        self.trial_until
    }

    /// What the device remembers.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The envelope of a firmware that the hub offered since this was last asked.
    pub fn take_offer(&mut self) -> Option<Vec<u8>> {
        self.offered.take()
    }

    /// What the hub ordered for the firmware since this was last asked.
    pub fn take_order(&mut self) -> Option<FirmwareOrder> {
        self.ordered.take()
    }

    /// Whether the hub said, since this was last asked, that it does not know the device's LDevID.
    pub fn take_lapsed(&mut self) -> bool {
        std::mem::take(&mut self.lapsed)
    }

    /// What went wrong last, until something goes well: for a log.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Takes how the last output went, and says what to do next.
    ///
    /// # Errors
    /// [`Misplaced`] for an input that answers another output; nothing has changed then.
    pub fn step(&mut self, moment: Moment, input: Input) -> Result<Output, Misplaced> {
        let state = std::mem::replace(&mut self.state, State::Opening);
        let leaves = matches!(state, State::Opening | State::Talking | State::Pausing(..));
        match (state, input) {
            (State::Looking(apply), Input::Looked(document)) => Ok(self.ordered(moment, apply, document)),
            (_, Input::Looked(document)) if leaves => Ok(self.changed(document)),
            (_, Input::Firmware(report)) if leaves => {
                self.firmware = Some(report);
                Ok(self.connect())
            }
            (_, Input::Woken) if leaves && self.is_late(moment) => {
                let seconds = self.memory.trial.as_ref().map_or(0, |trial| trial.confirm_seconds);
                Ok(self.revert(&format!("no check-in by it was confirmed within {seconds} seconds")))
            }
            (State::Opening, Input::Connected) => Ok(self.send(moment)),
            (State::Opening | State::Talking, Input::Lost(why)) => {
                Ok(self.again(moment, Trouble::Lost(shortened(&why)), 0))
            }
            (State::Talking, Input::Answered(answer)) => Ok(self.answered(moment, &answer)),
            (State::Storing(change, left, next), Input::Stored) => {
                self.stored(moment, change);
                Ok(self.store_or(moment, left, next))
            }
            (State::Storing(..), Input::Failed(why)) => {
                Ok(self.again_by(moment, Trouble::Device(shortened(&why)), 0, Next::Start))
            }
            (State::Pausing(until, next), Input::Woken) if moment.now >= until => {
                Ok(self.go_on(moment, next))
            }
            (State::Pausing(until, next), Input::Woken) => {
                self.state = State::Pausing(until, next);
                Ok(Output::Wait(until))
            }
            (state, input) => {
                let misplaced = Misplaced { input: input.name(), state: state.waits_for() };
                self.state = state;
                Err(misplaced)
            }
        }
    }

    fn is_late(&self, moment: Moment) -> bool {
        self.trial_until.is_some_and(|until| moment.now >= until)
    }

    fn go_on(&mut self, moment: Moment, next: Next) -> Output {
        match next {
            Next::Start => self.start(moment),
            Next::Connect => self.connect(),
            Next::Send => self.send(moment),
        }
    }

    fn connect(&mut self) -> Output {
        self.state = State::Opening;
        let said = self.document.as_ref().ok().and_then(|document| hub(document).ok()).flatten();
        // On trial by its own word alone; otherwise every other try goes to where the device joined.
        let own = self.memory.trial.is_some() || self.failures.is_multiple_of(2);
        Output::Connect { hub: said.filter(|_| own) }
    }

    fn send(&mut self, moment: Moment) -> Output {
        let document = self.document.as_ref();
        let last = self.memory.not_kept.as_ref();
        let configuration = ConfigurationReport {
            digest: self.digest(),
            trouble: document.err().map(|why| shortened(why)),
            applied: self.memory.applied,
            trial: self.memory.trial.as_ref().map(|trial| trial.order),
            last: last.map(|last| control::NotKept {
                order: last.order,
                reverted: last.reverted,
                why: shortened(&last.why),
            }),
            document: document.ok().filter(|_| self.send_document).cloned(),
        };
        let not_understood = self.not_understood.clone();
        let firmware = self.firmware.clone().map(|firmware| self.with_order(firmware));
        let report = Report { configuration, firmware, not_understood, ..Report::default() };
        (self.sent_at, self.state) = (moment.now, State::Talking);
        Output::Send(report.to_json())
    }

    /// What was handed on and is not told of yet is under way.
    fn with_order(&self, firmware: FirmwareReport) -> FirmwareReport {
        let is_told = firmware.order.as_ref().map(|told| told.order) == self.order;
        match self.order.filter(|_| !is_told) {
            Some(order) => {
                let order = Some(OrderReport { order, progress: Progress::UnderWay });
                FirmwareReport { order, ..firmware }
            }
            None => firmware,
        }
    }

    fn answered(&mut self, moment: Moment, answer: &Answer) -> Output {
        if answer.status != 200 {
            let words = shortened(&String::from_utf8_lossy(&answer.body));
            self.lapsed = answer.status == 403 && words.split(':').next() == Some(ENROL_AGAIN);
            let least = put_off(answer.retry_after_seconds, moment.random);
            return self.again(moment, Trouble::Refused(answer.status, words), least);
        }
        match Desired::from_json(&answer.body) {
            Ok(desired) => self.told(moment, desired),
            Err(why) => self.again(moment, Trouble::Unreadable(why), 0),
        }
    }

    fn told(&mut self, moment: Moment, desired: Desired) -> Output {
        (self.failures, self.trouble) = (0, None);
        let is_quick = moment.now.saturating_sub(self.sent_at) < CHECK_IN_MILLIS_MIN;
        self.quick = if is_quick { self.quick.saturating_add(1) } else { 0 };
        self.send_document = desired.send_configuration;
        self.not_understood = desired.unknown;
        if let Some(order) = desired.wipe {
            self.state = State::Leaving;
            return Output::Wipe(order);
        }
        self.told_of_firmware(desired.firmware, desired.reinstall, desired.restart);
        if let Some(trial) = &self.memory.trial {
            if desired.confirmed != Some(trial.order) {
                return self.next(moment);
            }
            let memory = Memory { applied: trial.order, trial: None, not_kept: None };
            return self.store([Change::Memory(memory)], Next::Send);
        }
        match desired.configuration {
            Some(apply) => {
                self.state = State::Looking(apply);
                Output::Look
            }
            None => self.next(moment),
        }
    }

    fn told_of_firmware(&mut self, offer: Option<Vec<u8>>, reinstall: Option<u32>, restart: Option<u32>) {
        let named = [("firmware", offer.is_some()), ("restart", restart.is_some())];
        if self.firmware.is_none() {
            let named = named.into_iter().filter(|(_, is_asked)| *is_asked);
            // A hub refuses a report that tells more: what has a meaning to it comes before the rest.
            self.not_understood.truncate(CONTROL_NAMES_MAX.saturating_sub(named.clone().count()));
            self.not_understood.extend(named.map(|(name, _)| name.into()));
            return;
        }
        let order = match (offer, reinstall, restart) {
            (Some(envelope), Some(number), _) => FirmwareOrder { number, install: Some(envelope) },
            (offer, _, restart) => {
                self.offered = offer.or(self.offered.take());
                let Some(number) = restart else { return };
                FirmwareOrder { number, install: None }
            }
        };
        if self.order != Some(order.number) {
            self.order = Some(order.number);
            self.ordered = Some(order);
        }
    }

    /// The next check-in: at once, unless a hub keeps on answering at once.
    fn next(&mut self, moment: Moment) -> Output {
        if self.quick <= QUICK_ANSWERS_MAX {
            return self.send(moment);
        }
        let until = moment.now.saturating_add(CHECK_IN_MILLIS_MIN);
        self.state = State::Pausing(until, Next::Send);
        Output::Wait(until)
    }

    /// An order is done over exactly what the hub knew.
    fn ordered(&mut self, moment: Moment, apply: Apply, document: Document) -> Output {
        self.document = document;
        let Apply { order, over, document: new, confirm_seconds } = apply;
        if self.digest() != over {
            return self.next(moment);
        }
        if let Err(why) = hub(&new) {
            let not_kept = Some(NotKept { order, reverted: false, why: why.to_string() });
            return self.store([Change::Memory(Memory { not_kept, ..self.memory.clone() })], Next::Send);
        }
        let before = self.document.clone().unwrap_or_else(|_| EMPTY.to_vec());
        let trial = Some(Trial { order, digest: sha256(&new), confirm_seconds, starts: 0 });
        let memory = Memory { trial, ..self.memory.clone() };
        self.store([Change::Before(before), Change::Memory(memory), Change::Document(new)], Next::Connect)
    }

    /// The file was changed from outside: that is reported, and ends a trial.
    fn changed(&mut self, document: Document) -> Output {
        self.document = document;
        if self.memory.trial.is_some() { self.give_up_trial() } else { self.connect() }
    }

    fn give_up_trial(&mut self) -> Output {
        let memory = self.without_trial(false, "the file was changed from outside while it was tried");
        self.trial_until = None;
        self.store([Change::Memory(memory)], Next::Connect)
    }

    fn revert(&mut self, why: &str) -> Output {
        let memory = self.without_trial(true, why);
        self.trial_until = None;
        self.store([Change::Document(self.before.clone()), Change::Memory(memory)], Next::Connect)
    }

    fn without_trial(&self, reverted: bool, why: &str) -> Memory {
        let order = self.memory.trial.as_ref().map(|trial| trial.order);
        let not_kept = order.map(|order| NotKept { order, reverted, why: why.into() });
        Memory { trial: None, not_kept, ..self.memory.clone() }
    }

    fn store(&mut self, changes: impl Into<VecDeque<Change>>, next: Next) -> Output {
        let mut left = changes.into();
        match left.pop_front() {
            Some(change) => {
                self.state = State::Storing(change.clone(), left, next);
                Output::Store(change)
            }
            None => self.connect(),
        }
    }

    fn store_or(&mut self, moment: Moment, left: VecDeque<Change>, next: Next) -> Output {
        if left.is_empty() { self.go_on(moment, next) } else { self.store(left, next) }
    }

    fn stored(&mut self, moment: Moment, change: Change) {
        match change {
            Change::Before(before) => self.before = before,
            Change::Memory(memory) => {
                if memory.trial.is_none() {
                    self.trial_until = None;
                }
                self.memory = memory;
            }
            Change::Document(document) => {
                self.document = Ok(document);
                // The time of a trial begins when all of it is there.
                let begun = self.memory.trial.as_ref().filter(|trial| self.digest() == Some(trial.digest));
                if let Some(seconds) = begun.map(|trial| trial.confirm_seconds) {
                    self.begin_trial(moment, seconds);
                }
            }
        }
    }

    fn begin_trial(&mut self, moment: Moment, confirm_seconds: u32) {
        self.trial_until = Some(moment.now.saturating_add(u64::from(confirm_seconds) * 1000));
    }

    /// Something failed that may pass by itself: a new connection, after a backoff.
    fn again(&mut self, moment: Moment, trouble: Trouble, least: u64) -> Output {
        self.again_by(moment, trouble, least, Next::Connect)
    }

    fn again_by(&mut self, moment: Moment, trouble: Trouble, least: u64, next: Next) -> Output {
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(trouble);
        let wait = self.timers.backoff(self.failures, moment.random).max(least);
        let until = moment.now.saturating_add(wait);
        self.state = State::Pausing(until, next);
        Output::Wait(until)
    }
}

/// The configuration of a device that has none.
const EMPTY: &[u8] = b"{}";

impl State {
    /// In words.
    fn waits_for(&self) -> &'static str {
        match self {
            Self::Opening => "a connection",
            Self::Talking => "an answer",
            Self::Looking(_) => "a look at the file",
            Self::Storing(..) => "the disk",
            Self::Pausing(..) => "time to pass",
            Self::Leaving => "nothing, for it leaves",
        }
    }
}
