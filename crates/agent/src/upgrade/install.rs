//! How an offered firmware gets into a slot: the update procedure of its manifest, without I/O.
use super::device::{Device, Slot, failed, not_kept, refused};
use super::keeper::Runs;
use super::record::Record;
use crate::limits::{FETCH_FAILURES_MAX, IMAGE_BYTES_MAX, PIECE_BYTES_MAX};
use crate::machine::{Misplaced, Moment, Timers, put_off};
use wire::control::FirmwareNotKept;
use wire::suit::{self, Authentic, Procedure, ProcessFailed, Processor, Reason};

/// What a manifest has a device fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where the author says that it is.
    pub uri: String,
    /// Its SHA-256: whoever has these bytes may give them.
    pub digest: [u8; 32],
}

/// Why no piece of an image came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// In words.
    pub why: String,
    /// For how long whoever has it wants not to be asked, if it said so.
    pub retry_after_seconds: Option<u64>,
}

impl From<String> for Missed {
    fn from(why: String) -> Self {
        Self { why, retry_after_seconds: None }
    }
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Have this envelope in the slot; if another was there, no image. Answered by
    /// [`Input::Prepared`] or [`Input::Failed`].
    Prepare {
        /// Where.
        slot: Slot,
        /// The envelope, as it was offered.
        envelope: Vec<u8>,
    },
    /// Get bytes of the payload. Answered by [`Input::Fetched`] or [`Input::Lost`].
    Fetch {
        /// Of what.
        image: Image,
        /// From this byte on.
        offset: u64,
        /// At most so many, and at least one.
        length: u64,
    },
    /// Have the bytes in the slot's image, which ends with them. Answered by [`Input::Stored`] or
    /// [`Input::Failed`].
    Append {
        /// Where.
        slot: Slot,
        /// From this byte on.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Measure the slot's image. Answered by [`Input::Measured`] or [`Input::Failed`].
    Measure(Slot),
    /// Have no image in the slot. Answered by [`Input::Stored`] or [`Input::Failed`].
    Discard(Slot),
    /// Do nothing until this moment. Answered by [`Input::Woken`].
    Wait(u64),
    /// The end. Nothing is answered.
    End(Outcome),
}

/// What became of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The slot holds it; it may be tried.
    Try(Slot),
    /// It was refused, or did not get here.
    NotTaken(FirmwareNotKept),
    /// It runs already, or it was tried before and failed, and that was told last: nothing new is to be told.
    Known,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The envelope is in the slot, with an image of so many bytes and this digest.
    Prepared(Option<(u64, [u8; 32])>),
    /// Bytes of the payload.
    Fetched(Vec<u8>),
    /// No bytes came.
    Lost(Missed),
    /// The disk has it.
    Stored,
    /// The length and the digest of the slot's image, if there is one.
    Measured(Option<(u64, [u8; 32])>),
    /// The device itself could not do it.
    Failed(String),
    /// Time has passed.
    Woken,
}

impl Input {
    fn name(&self) -> &'static str {
        match self {
            Self::Prepared(_) => "a prepared slot",
            Self::Fetched(_) | Self::Lost(_) => "a piece",
            Self::Stored => "the disk's success",
            Self::Measured(_) => "a measurement",
            Self::Failed(_) => "a failure",
            Self::Woken => "time",
        }
    }
}

/// The payload that is fetched.
#[derive(Clone, Debug)]
struct Payload {
    image: Image,
    bytes: u64,
    have: u64,
    failures: u32,
}

#[derive(Debug)]
enum State {
    Preparing(Payload),
    Fetching(Payload),
    Appending(Payload),
    Pausing(Payload),
    Measuring,
    Discarding(FirmwareNotKept),
    Over,
}

impl State {
    fn waits_for(&self) -> &'static str {
        match self {
            Self::Preparing(_) => "a prepared slot",
            Self::Fetching(_) => "a piece",
            Self::Appending(_) | Self::Discarding(_) => "the disk",
            Self::Pausing(_) => "time to pass",
            Self::Measuring => "a measurement",
            Self::Over => "nothing any more",
        }
    }
}

/// An offered firmware on its way into a slot.
#[derive(Debug)]
pub struct Install {
    device: Device,
    timers: Timers,
    slot: Slot,
    authentic: Authentic,
    /// Nothing that is there is used.
    anew: bool,
    processor: Option<Processor>,
    state: State,
}

impl Install {
    /// Judges an offer. Nothing is touched before it is known to be authentic, not older than anything that was
    /// confirmed ([`Record::floor`]), for this device, and understood whole.
    ///
    /// `runs` is the firmware that runs; the other slot is written to. `anew` says that it is written to
    /// although the same firmware runs, was tried in vain, or lies there.
    ///
    /// # Errors
    /// The end, if it comes at once.
    pub fn begin(
        device: &Device,
        timers: Timers,
        record: &Record,
        runs: Option<&Runs>,
        envelope: &[u8],
        anew: bool,
    ) -> Result<(Self, Output), Outcome> {
        let authentic = device.authenticate(envelope).map_err(|why| Outcome::NotTaken(refused(&why)))?;
        let runs_it = runs.is_some_and(|runs| runs.manifest == authentic.digest);
        if !anew && runs_it {
            return Err(Outcome::Known);
        }
        if !anew && record.failed.contains(&authentic.digest) {
            return Err(tried_before(record, &authentic));
        }
        let slot = runs.map(|runs| runs.slot).or(record.confirmed.map(|(slot, _)| slot));
        let slot = slot.map_or(Slot::A, Slot::other);
        let device = device.clone();
        let mut it = Self { device, timers, slot, processor: None, state: State::Over, authentic, anew };
        match it.first(record.floor(), envelope) {
            Ok(output) => Ok((it, output)),
            Err(why) => Err(Outcome::NotTaken(failed(&it.authentic, &why))),
        }
    }

    /// Where it is written to.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    fn first(&mut self, current: Option<u64>, envelope: &[u8]) -> Result<Output, ProcessFailed> {
        let mut view = self.device.view(self.slot, None);
        let new = |procedure, view: &_| Processor::new(self.authentic.clone(), procedure, current, view);
        // Not found out only when it is to be started.
        new(Procedure::Invocation, &view)?;
        let mut processor = new(Procedure::Update, &view)?;
        let output = processor.run(&mut view)?;
        let payload = match payload(output) {
            Ok(payload) => payload,
            Err(why) => return Err(processor.failed(why)),
        };
        self.processor = Some(processor);
        self.state = State::Preparing(payload);
        Ok(Output::Prepare { slot: self.slot, envelope: envelope.to_vec() })
    }

    /// Takes how it went and says what is next.
    ///
    /// # Errors
    /// [`Misplaced`] for an input that answers another output; the installation is over then.
    pub fn step(&mut self, moment: Moment, input: Input) -> Result<Output, Misplaced> {
        let state = std::mem::replace(&mut self.state, State::Over);
        Ok(match (state, input) {
            (State::Preparing(mut payload), Input::Prepared(found)) => {
                // What a crash left is gone on with; what is too long is none of it.
                let found = found.filter(|_| !self.anew);
                payload.have = found.map_or(0, |(bytes, _)| bytes).min(payload.bytes);
                self.fetch(payload)
            }
            (State::Fetching(payload), Input::Fetched(bytes)) => self.append(moment, payload, bytes),
            (State::Fetching(payload), Input::Lost(why)) => self.lost(moment, payload, why),
            (State::Appending(payload), Input::Stored) => self.fetch(payload),
            (State::Pausing(payload), Input::Woken) => self.fetch(payload),
            (State::Measuring, Input::Measured(found)) => self.judge(found.map(|(_, digest)| digest)),
            (State::Discarding(why), Input::Stored | Input::Failed(_)) => Output::End(Outcome::NotTaken(why)),
            (State::Preparing(_) | State::Appending(_) | State::Measuring, Input::Failed(why)) => {
                Output::End(Outcome::NotTaken(self.not_taken(&why)))
            }
            (state, input) => return Err(Misplaced { input: input.name(), state: state.waits_for() }),
        })
    }

    fn fetch(&mut self, payload: Payload) -> Output {
        let left = payload.bytes - payload.have;
        if left == 0 {
            self.state = State::Measuring;
            return Output::Measure(self.slot);
        }
        let (image, offset, length) = (payload.image.clone(), payload.have, left.min(PIECE_BYTES_MAX));
        self.state = State::Fetching(payload);
        Output::Fetch { image, offset, length }
    }

    fn append(&mut self, moment: Moment, mut payload: Payload, bytes: Vec<u8>) -> Output {
        let wanted = (payload.bytes - payload.have).min(PIECE_BYTES_MAX);
        let count = bytes.len() as u64;
        if !(1..=wanted).contains(&count) {
            let why = format!("{count} bytes came where 1 to {wanted} were asked for");
            return self.lost(moment, payload, why.into());
        }
        let offset = payload.have;
        payload.have += count;
        payload.failures = 0;
        self.state = State::Appending(payload);
        Output::Append { slot: self.slot, offset, bytes }
    }

    fn lost(&mut self, moment: Moment, mut payload: Payload, missed: Missed) -> Output {
        payload.failures += 1;
        if payload.failures >= FETCH_FAILURES_MAX {
            return Output::End(Outcome::NotTaken(self.not_taken(&missed.why)));
        }
        let least = put_off(missed.retry_after_seconds, moment.random);
        let until =
            moment.now.saturating_add(self.timers.backoff(payload.failures, moment.random).max(least));
        self.state = State::Pausing(payload);
        Output::Wait(until)
    }

    /// All bytes are here: the rest of the procedure judges them.
    fn judge(&mut self, image: Option<[u8; 32]>) -> Output {
        let Some(mut processor) = self.processor.take() else {
            return Output::End(Outcome::NotTaken(self.not_taken("the procedure is over")));
        };
        let outcome = match processor.run(&mut self.device.view(self.slot, image)) {
            Ok(suit::Output::Done) => return Output::End(Outcome::Try(self.slot)),
            Ok(_) => processor.failed("this device fetches one payload and invokes it later"),
            Err(why) => why,
        };
        self.state = State::Discarding(failed(&self.authentic, &outcome));
        Output::Discard(self.slot)
    }

    fn not_taken(&self, why: &str) -> FirmwareNotKept {
        let which = (self.authentic.manifest.sequence_number, self.authentic.digest);
        not_kept(Some(which), Reason::OperationFailed, why)
    }
}

/// A firmware that was not healthy: its end was told, or has to be told again because another one was since.
fn tried_before(record: &Record, authentic: &Authentic) -> Outcome {
    if record.not_kept.as_ref().is_some_and(|told| told.manifest == Some(authentic.digest)) {
        return Outcome::Known;
    }
    let which = (authentic.manifest.sequence_number, authentic.digest);
    let why = "it was tried before and was not healthy";
    Outcome::NotTaken(FirmwareNotKept { tried: true, ..not_kept(Some(which), Reason::OperationFailed, why) })
}

/// What is to be fetched, if its size is known and bounded and its digest is known.
fn payload(output: suit::Output) -> Result<Payload, String> {
    let suit::Output::Fetch { uri, image_size, image_digest, .. } = output else {
        return Err("the manifest does not fetch the firmware first".into());
    };
    match (image_size, image_digest) {
        (Some(bytes @ 1..=IMAGE_BYTES_MAX), Some(digest)) => {
            Ok(Payload { image: Image { uri, digest }, bytes, have: 0, failures: 0 })
        }
        (Some(bytes), Some(_)) => Err(format!("the image has {bytes} bytes, and 1 to {IMAGE_BYTES_MAX} fit")),
        _ => Err("suit-parameter-image-size and suit-parameter-image-digest are needed to fetch".into()),
    }
}
