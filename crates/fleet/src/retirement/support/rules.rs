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
    /// The maker's signed description says that it is not supported; `None` when it does not say so.
    pub ended: Option<Ended>,
}

/// The end of a product's support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Since when; for a description, when the hub learnt of it.
    pub at: Millis,
    /// Who says so.
    pub source: String,
}

impl State {
    /// Its end, if it is over at `now`. What the maker signed counts more than a date that was entered.
    pub fn ended(&self, now: Millis) -> Option<Ended> {
        let by_date = || {
            let at = self.until.filter(|until| *until < now)?;
            Some(Ended { at, source: self.source.clone() })
        };
        self.ended.clone().or_else(by_date)
    }

    /// Whether anybody said anything.
    pub fn is_known(&self) -> bool {
        self.until.is_some() || self.ended.is_some()
    }
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
    /// Nobody enters anything any more.
    Clear,
    /// A verified description says whether it is supported (RFC 8520 section 3.6).
    Describe {
        /// What it says.
        is_supported: bool,
        /// Which file.
        source: String,
    },
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
    /// Nobody enters anything any more.
    Cleared,
    /// A verified description says that it is not supported.
    Ended {
        /// When the hub learnt of it.
        at: Millis,
        /// Which file.
        source: String,
    },
    /// A verified description says that it is supported after all.
    Resumed,
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
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Set { until, source } if state.until == Some(until) && state.source == source => Ok(vec![]),
        Command::Set { until, source } => Ok(vec![Event::Set { until, source }]),
        Command::Clear if state.until.is_none() => Err(Refusal::Unknown),
        Command::Clear => Ok(vec![Event::Cleared]),
        Command::Describe { is_supported, source } => Ok(match (is_supported, &state.ended) {
            (false, None) => vec![Event::Ended { at: now, source }],
            (true, Some(_)) => vec![Event::Resumed],
            // The first file that said so is the one to look at.
            (false, Some(_)) | (true, None) => vec![],
        }),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Set { until, source } => {
            (state.until, state.source) = (Some(*until), source.clone());
        }
        Event::Cleared => (state.until, state.source) = (None, String::new()),
        Event::Ended { at, source } => state.ended = Some(Ended { at: *at, source: source.clone() }),
        Event::Resumed => state.ended = None,
    }
}
