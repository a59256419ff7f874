//! The rules of a device's plan. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use wire::packet::Mac;

/// Where a device is on its network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The Ethernet addresses that it sends from.
    pub macs: Vec<Mac>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A description that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its MUD URL.
    pub mud_url: String,
    /// SHA-256 of the file, as hexadecimal digits.
    pub digest: String,
}

/// A plan, and what it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// SHA-256 of the plan, as hexadecimal digits.
    pub plan: String,
    /// SHA-256 of the description's file, as hexadecimal digits.
    pub description: String,
}

/// What is true of a device's access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where it is.
    pub location: Location,
    /// Which description is its.
    pub description: Option<Description>,
    /// The newest plan.
    pub proposed: Option<Made>,
    /// The plan that is enforced.
    pub active: Option<Made>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It is here.
    Locate(Location),
    /// This description is its.
    Describe(Description),
    /// The hub compiled a plan.
    Propose(Made),
    /// The proposed plan shall be enforced.
    Activate,
    /// No plan shall be enforced any more.
    Remove {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is here.
    Located {
        /// Where.
        location: Location,
    },
    /// This description is its.
    Described {
        /// Which.
        description: Description,
    },
    /// A plan was made.
    Proposed {
        /// Which.
        made: Made,
    },
    /// A plan is enforced.
    Activated {
        /// Which.
        made: Made,
    },
    /// No plan is enforced any more.
    Removed {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The plan was made of a description that is not the device's (any more).
    AnotherDescription,
    /// No plan was made.
    NothingProposed,
    /// The plan is active.
    Active,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::AnotherDescription => "another-description",
            Refusal::NothingProposed => "nothing-proposed",
            Refusal::Active => "plan-active",
        }
    }

    fn sort(&self) -> Sort {
        Sort::Conflict
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::AnotherDescription => "the plan was made of a description that is not the device's now",
            Refusal::NothingProposed => {
                "no plan was made for the device; it needs a verified description first"
            }
            Refusal::Active => "the newest plan of the device is active already",
        })
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Locate(location) if location == state.location => Ok(vec![]),
        Command::Locate(location) => Ok(vec![Event::Located { location }]),
        Command::Describe(description) if state.description.as_ref() == Some(&description) => Ok(vec![]),
        Command::Describe(description) => Ok(vec![Event::Described { description }]),
        Command::Propose(made) => propose(state, made),
        Command::Activate => match &state.proposed {
            None => Err(Refusal::NothingProposed),
            proposed if *proposed == state.active => Err(Refusal::Active),
            Some(made) => Ok(vec![Event::Activated { made: made.clone() }]),
        },
        Command::Remove { .. } if *state == State::default() => Ok(vec![]),
        Command::Remove { why } => Ok(vec![Event::Removed { why }]),
    }
}

/// A changed network changes an active plan by itself; a changed description is for a person to look
/// at first (RFC 8520 section 1.9).
fn propose(state: &State, made: Made) -> Result<Vec<Event>, Refusal> {
    if state.description.as_ref().map(|it| &it.digest) != Some(&made.description) {
        return Err(Refusal::AnotherDescription);
    }
    if state.proposed.as_ref() == Some(&made) {
        return Ok(vec![]);
    }
    let mut events = vec![Event::Proposed { made: made.clone() }];
    if state.active.as_ref().is_some_and(|active| active.description == made.description) {
        events.push(Event::Activated { made });
    }
    Ok(events)
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Located { location } => state.location = location.clone(),
        Event::Described { description } => {
            state.description = Some(description.clone());
            state.proposed = None;
        }
        Event::Proposed { made } => state.proposed = Some(made.clone()),
        Event::Activated { made } => state.active = Some(made.clone()),
        Event::Removed { .. } => *state = State::default(),
    }
}
