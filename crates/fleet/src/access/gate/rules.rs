//! The rules of a gate. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is true of a device as a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it is told its site's plans.
    pub appointed: bool,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It shall enforce its site's plans.
    Appoint,
    /// It shall not any more.
    Dismiss {
        /// Why.
        why: String,
    },
    /// Its life or its certificates here ended.
    End {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is told its site's plans.
    Appointed,
    /// It is not any more.
    Dismissed {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is a gate.
    Appointed,
    /// It is none.
    NotAppointed,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Appointed => "gate-known",
            Refusal::NotAppointed => "not-a-gate",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::NotAppointed => Sort::NotFound,
            Refusal::Appointed => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::Appointed => "the device is a gate already",
            Refusal::NotAppointed => "the device is no gate; `gate list` shows those that are",
        })
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Appoint if state.appointed => Err(Refusal::Appointed),
        Command::Appoint => Ok(vec![Event::Appointed]),
        Command::Dismiss { .. } if !state.appointed => Err(Refusal::NotAppointed),
        Command::End { .. } if !state.appointed => Ok(vec![]),
        Command::Dismiss { why } | Command::End { why } => Ok(vec![Event::Dismissed { why }]),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    state.appointed = matches!(event, Event::Appointed);
}
