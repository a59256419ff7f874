//! When a clock is accepted. Pure.
use crate::limits::CLOCK_BEHIND_MILLIS_MAX;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The last entry of a lane that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The lane.
    pub lane: i64,
    /// The entry's number.
    pub seq: i64,
}

/// What a person said of the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What the clock said when it was accepted.
    pub accepted_at: Millis,
    /// The time of the newest entry that counted until then.
    pub newest: Millis,
    /// Why it was accepted.
    pub why: String,
    /// Until where the entries do not count, by lane.
    pub places: Vec<Place>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A person says that the clock is right.
    Accept {
        /// Why.
        why: String,
        /// The time of the newest entry that counts.
        newest: Millis,
        /// Until where the entries are not to count, by lane.
        places: Vec<Place>,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The clock was accepted.
    ClockAccepted {
        /// What it said.
        at: Millis,
        /// The time of the newest entry that counted until then.
        newest: Millis,
        /// Why.
        why: String,
        /// Until where the entries do not count, by lane.
        places: Vec<Place>,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The clock is not behind the journal.
    NotBehind,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        "clock-not-behind"
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the hub's clock is not before its newest journal entry; there is nothing to accept")
    }
}

/// Whether a clock that says `now` is before the `newest` entry by more than a small step.
pub fn is_behind(now: Millis, newest: Millis) -> bool {
    now.0.saturating_add(CLOCK_BEHIND_MILLIS_MAX) < newest.0
}

/// What happens when `command` is asked.
///
/// # Errors
/// Why not.
pub fn decide(_: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    let Command::Accept { why, newest, places } = command;
    match is_behind(now, newest) {
        true => Ok(vec![Event::ClockAccepted { at: now, newest, why, places }]),
        false => Err(Refusal::NotBehind),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    let Event::ClockAccepted { at, newest, why, places } = event;
    *state = State { accepted_at: *at, newest: *newest, why: why.clone(), places: places.clone() };
}
