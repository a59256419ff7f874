//! The rules of a decommission. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// How far a decommission is.
    pub enum Phase {
        /// Asked for; the device has not been told.
        Requested = "requested",
        /// The device was told.
        Wiping = "wiping",
        /// Its deadline passed, and nothing was heard.
        Overdue = "overdue",
        /// The device said so, and signed it.
        Wiped = "wiped",
        /// It ended without the device's word: it may still hold keys.
        Forced = "forced",
        /// It was called off.
        Cancelled = "cancelled",
    }
}

impl Phase {
    /// Whether the device's word is waited for.
    pub fn is_open(self) -> bool {
        matches!(self, Phase::Requested | Phase::Wiping | Phase::Overdue)
    }
}

/// What a device said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The report's SHA-256: a blob.
    pub report: String,
    /// What it does not have any more.
    pub wiped: Vec<String>,
    /// The LDevID whose key signed, as PEM.
    pub ldevid: String,
}

/// What is true of a device's decommission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How far it is; `None` when nobody asked for it.
    pub phase: Option<Phase>,
    /// Why its life ends.
    pub why: String,
    /// When it was asked for.
    pub asked_at: Millis,
    /// Until when the device may report.
    pub deadline: Millis,
    /// The LDevIDs that were good when it was asked for, as PEM one after another.
    pub ldevids: String,
    /// When it ended.
    pub ended_at: Millis,
    /// What the device said last.
    pub said: Option<Said>,
    /// When it said so, if its life had ended without that; 0 if not.
    pub heard_at: Millis,
    /// The certificate of decommission, by its SHA-256: a blob; empty until it is signed.
    pub certificate: String,
    /// The certificate of before the device's late word, by its SHA-256: a blob; empty without one.
    pub replaces: String,
}

impl State {
    /// Whether it is over and waits for its certificate of decommission.
    pub fn lacks_certificate(&self) -> bool {
        matches!(self.phase, Some(Phase::Wiped | Phase::Forced)) && self.certificate.is_empty()
    }

    /// When what is certified was so.
    pub fn certified_at(&self) -> Millis {
        self.ended_at.max(self.heard_at)
    }

    /// Whether the device's word is waited for.
    pub fn is_open(&self) -> bool {
        self.phase.is_some_and(Phase::is_open)
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A person wants the device to be wiped and its life to end.
    Begin {
        /// Why.
        why: String,
        /// Until when the device may report.
        deadline: Millis,
        /// Its good LDevIDs, as PEM.
        ldevids: String,
    },
    /// The device was told.
    Tell,
    /// Its last report was verified.
    Hear(Said),
    /// The deadline passed.
    Expire,
    /// A person does not want it any more.
    Cancel,
    /// The device has to ask again: what it was told does not count any more.
    CallOff,
    /// A person waits no longer.
    Force {
        /// Why.
        why: String,
    },
    /// The device's life ended on another way.
    Close {
        /// Why.
        why: String,
    },
    /// The certificate of decommission was signed and kept.
    Archive {
        /// Its SHA-256.
        certificate: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The device is to be wiped.
    Begun {
        /// Why.
        why: String,
        /// When it was asked for.
        at: Millis,
        /// Until when the device may report.
        deadline: Millis,
        /// Its good LDevIDs, as PEM.
        ldevids: String,
    },
    /// The device was told.
    Told,
    /// The device is wiped, by its own signed word.
    Wiped {
        /// When that was heard.
        at: Millis,
        /// What it said.
        said: Said,
    },
    /// The deadline passed.
    Expired,
    /// It was called off.
    Cancelled,
    /// It ended without the device's word.
    Forced {
        /// When.
        at: Millis,
        /// Why.
        why: String,
    },
    /// The certificate of decommission is there.
    Archived {
        /// Its SHA-256.
        certificate: String,
    },
    /// The device is wiped, by its own signed word, which came after its life had ended.
    WipedLate {
        /// When that was heard.
        at: Millis,
        /// What it said.
        said: Said,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody asked for it.
    NotBegun,
    /// It was begun before.
    Begun(Phase),
    /// It is over.
    Over(Phase),
    /// The device is at it.
    Wiping,
    /// The device has time left.
    Early(Millis),
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::NotBegun => "not-decommissioned",
            Refusal::Begun(_) => "decommission-begun",
            Refusal::Over(_) => "decommission-over",
            Refusal::Wiping => "already-wiping",
            Refusal::Early(_) => "deadline-ahead",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::NotBegun => Sort::NotFound,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::NotBegun => {
                f.write_str("nobody asked for the device to be wiped; `retirement begin` does")
            }
            Refusal::Begun(phase) => write!(f, "the device's decommission was begun before; it is {phase}"),
            Refusal::Over(phase) => write!(f, "the device's decommission is over: it is {phase}"),
            Refusal::Wiping => {
                f.write_str("the device was told to wipe itself; that cannot be called off any more")
            }
            Refusal::Early(deadline) => write!(
                f,
                "the device may report until {deadline}; wait for it, or end its life at once with `device retire`"
            ),
        }
    }
}

/// What happens when `command` is asked of a decommission in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    let event = match (command, state.phase) {
        (Command::Begin { .. }, Some(phase @ (Phase::Requested | Phase::Wiping))) => {
            return Err(Refusal::Begun(phase));
        }
        (Command::Begin { .. }, Some(phase)) if state.lacks_certificate() => {
            return Err(Refusal::Begun(phase));
        }
        (Command::Begin { why, deadline, ldevids }, _) => Event::Begun { why, at: now, deadline, ldevids },
        (Command::Tell, Some(Phase::Requested)) => Event::Told,
        (Command::Expire, Some(Phase::Requested | Phase::Wiping)) => Event::Expired,
        (Command::Cancel, Some(Phase::Requested | Phase::Overdue)) => Event::Cancelled,
        (Command::CallOff, _) if state.is_open() => Event::Cancelled,
        (Command::Cancel, Some(Phase::Wiping)) => return Err(Refusal::Wiping),
        (Command::Close { why }, _) if state.is_open() => Event::Forced { at: now, why },
        // What follows from other rooms is not refused when there is nothing to do.
        (Command::Tell | Command::Expire | Command::Cancel | Command::CallOff | Command::Close { .. }, _) => {
            return Ok(vec![]);
        }
        (_, None) => return Err(Refusal::NotBegun),
        (Command::Hear(said), _) if state.is_open() => Event::Wiped { at: now, said },
        (Command::Hear(said), Some(Phase::Forced)) => Event::WipedLate { at: now, said },
        // It was told twice, because the answer was lost.
        (Command::Hear(said), _) if state.said.as_ref() == Some(&said) => return Ok(vec![]),
        (Command::Force { .. }, Some(Phase::Requested | Phase::Wiping)) if now <= state.deadline => {
            return Err(Refusal::Early(state.deadline));
        }
        (Command::Force { why }, _) if state.is_open() => Event::Forced { at: now, why },
        (Command::Archive { certificate }, _) if state.lacks_certificate() => Event::Archived { certificate },
        (Command::Archive { .. } | Command::Hear(_) | Command::Force { .. }, Some(phase)) => {
            return Err(Refusal::Over(phase));
        }
    };
    Ok(vec![event])
}

/// Whether it rests on the time being right: a deadline, and the end of a life.
pub fn rests_on_time(event: &Event) -> bool {
    match event {
        Event::Begun { .. }
        | Event::Wiped { .. }
        | Event::WipedLate { .. }
        | Event::Expired
        | Event::Forced { .. } => true,
        Event::Told | Event::Cancelled | Event::Archived { .. } => false,
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Begun { why, at, deadline, ldevids } => {
            *state = State {
                phase: Some(Phase::Requested),
                why: why.clone(),
                asked_at: *at,
                deadline: *deadline,
                ldevids: ldevids.clone(),
                ..State::default()
            };
        }
        Event::Told => state.phase = Some(Phase::Wiping),
        Event::Wiped { at, said } => {
            (state.phase, state.ended_at, state.said) = (Some(Phase::Wiped), *at, Some(said.clone()));
        }
        Event::Expired => state.phase = Some(Phase::Overdue),
        Event::Cancelled => state.phase = Some(Phase::Cancelled),
        Event::Forced { at, why } => {
            (state.phase, state.ended_at) = (Some(Phase::Forced), *at);
            state.why.clone_from(why);
        }
        Event::Archived { certificate } => state.certificate.clone_from(certificate),
        Event::WipedLate { at, said } => {
            (state.phase, state.heard_at, state.said) = (Some(Phase::Wiped), *at, Some(said.clone()));
            state.replaces = std::mem::take(&mut state.certificate);
        }
    }
}
