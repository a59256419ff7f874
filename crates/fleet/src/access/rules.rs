//! The rules of a device's plan. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use wire::packet::Mac;
use wire::plan::Level;

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
    /// How far it is held back.
    pub level: Option<Level>,
}

impl State {
    /// Whether anything is known of where it is.
    pub fn is_located(&self) -> bool {
        self.location != Location::default()
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It is here.
    Locate(Location),
    /// This description is its.
    Describe(Description),
    /// The hub compiled a plan for this level.
    Propose(Made, Option<Level>),
    /// It is held back this far.
    Hold(Level),
    /// It is held back no more.
    LetGo,
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
    /// It is held back.
    Held {
        /// How far.
        level: Level,
    },
    /// It is held back no more.
    LetGo,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The plan was made of a description that is not the device's (any more).
    AnotherDescription,
    /// The plan was made for another level of quarantine than the device's.
    AnotherLevel,
    /// No plan was made.
    NothingProposed,
    /// The plan is active.
    Active,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::AnotherDescription => "another-description",
            Refusal::AnotherLevel => "another-level",
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
            Refusal::AnotherLevel => {
                "the plan was made for another level of quarantine than the device's now"
            }
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
        Command::Propose(made, level) => propose(state, made, level),
        Command::Hold(level) if state.level == Some(level) => Ok(vec![]),
        Command::Hold(level) => Ok(vec![Event::Held { level }]),
        Command::LetGo if state.level.is_none() => Ok(vec![]),
        Command::LetGo => Ok(vec![Event::LetGo]),
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
/// at first (RFC 8520 section 1.9). What only takes away waits for nobody, and leaves open which
/// description a person agreed to.
fn propose(state: &State, mut made: Made, level: Option<Level>) -> Result<Vec<Event>, Refusal> {
    if level != state.level {
        return Err(Refusal::AnotherLevel);
    }
    let narrow = is_narrow(state);
    if narrow {
        let agreed = state.active.as_ref().map(|active| active.description.clone());
        made.description = agreed.unwrap_or_default();
    } else if state.description.as_ref().map(|it| &it.digest) != Some(&made.description) {
        return Err(Refusal::AnotherDescription);
    }
    if state.proposed.as_ref() == Some(&made) {
        return Ok(vec![]);
    }
    let mut events = vec![Event::Proposed { made: made.clone() }];
    if narrow || state.active.as_ref().is_some_and(|active| active.description == made.description) {
        events.push(Event::Activated { made });
    }
    Ok(events)
}

/// Whether the device is held back so far that its description does not count.
pub fn is_narrow(state: &State) -> bool {
    state.level.is_some_and(Level::narrows)
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
        Event::Held { level } => state.level = Some(*level),
        Event::LetGo => {
            state.level = None;
            // It had no plan before it was held.
            if state.active.as_ref().is_some_and(|active| active.description.is_empty()) {
                (state.proposed, state.active) = (None, None);
            }
        }
    }
}
