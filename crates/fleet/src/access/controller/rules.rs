//! The rules of a class of hosts. Pure.
use crate::limits::CLASS_MEMBERS_MAX;
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use wire::prefix::Prefix;

/// What is true of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Its hosts.
    pub members: BTreeSet<Prefix>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// These hosts belong to it.
    Add(Prefix),
    /// These do not any more.
    Remove(Prefix),
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// These hosts belong to it.
    Added {
        /// Which.
        hosts: Prefix,
    },
    /// These do not any more.
    Removed {
        /// Which.
        hosts: Prefix,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They belong to it already.
    Known,
    /// They do not belong to it.
    Unknown,
    /// The class is full.
    TooMany,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Known => "controller-known",
            Refusal::Unknown => "controller-unknown",
            Refusal::TooMany => "too-many-controllers",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::Known => Sort::Conflict,
            Refusal::Unknown => Sort::NotFound,
            Refusal::TooMany => Sort::TooMuch,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Known => f.write_str("these hosts belong to the class already"),
            Refusal::Unknown => {
                f.write_str("these hosts do not belong to the class; `controller show` lists those that do")
            }
            Refusal::TooMany => {
                write!(
                    f,
                    "the class has {CLASS_MEMBERS_MAX} entries; remove some, or add a prefix that holds them"
                )
            }
        }
    }
}

/// What happens when `command` is asked of a class in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Add(hosts) if state.members.contains(&hosts) => Err(Refusal::Known),
        Command::Add(_) if state.members.len() >= CLASS_MEMBERS_MAX => Err(Refusal::TooMany),
        Command::Add(hosts) => Ok(vec![Event::Added { hosts }]),
        Command::Remove(hosts) if state.members.contains(&hosts) => Ok(vec![Event::Removed { hosts }]),
        Command::Remove(_) => Err(Refusal::Unknown),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Added { hosts } => {
            state.members.insert(*hosts);
        }
        Event::Removed { hosts } => {
            state.members.remove(hosts);
        }
    }
}
