//! The rules of the support calendar. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is true of a product's support.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Until when it is supported; `None` when nobody said.
    pub until: Option<Millis>,
    /// Who says so.
    pub source: String,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It is supported until then.
    Set {
        /// Until when.
        until: Millis,
        /// Who says so.
        source: String,
    },
    /// Nobody says anything any more.
    Clear,
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is supported until then.
    Set {
        /// Until when.
        until: Millis,
        /// Who says so.
        source: String,
    },
    /// Nobody says anything any more.
    Cleared,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody said anything of this product.
    Unknown,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        "support-unknown"
    }

    fn sort(&self) -> Sort {
        Sort::NotFound
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the calendar has no such entry; `support list` shows those that it has")
    }
}

/// What happens when `command` is asked of an entry in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Set { until, source } if state.until == Some(until) && state.source == source => Ok(vec![]),
        Command::Set { until, source } => Ok(vec![Event::Set { until, source }]),
        Command::Clear if state.until.is_none() => Err(Refusal::Unknown),
        Command::Clear => Ok(vec![Event::Cleared]),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Set { until, source } => {
            *state = State { until: Some(*until), source: source.clone() };
        }
        Event::Cleared => *state = State::default(),
    }
}
