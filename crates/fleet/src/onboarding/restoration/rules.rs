//! Gaps. Pure.
use crate::limits::RESTORATIONS_MAX;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A time of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The newest entry of the journal that was restored.
    pub from: Millis,
    /// When the hub first started on it.
    pub until: Millis,
}

impl Gap {
    /// Whether something that began in the second of `at` began in this gap.
    fn has(&self, at: Millis) -> bool {
        let second = |time: Millis| time.0.div_euclid(1000);
        (second(self.from)..=second(self.until)).contains(&second(at))
    }
}

/// What an organisation's hub has forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The newest gaps, oldest first.
    pub gaps: Vec<Gap>,
}

impl State {
    /// Whether something that began then may have been forgotten.
    pub fn has_forgotten(&self, at: Millis) -> bool {
        self.gaps.iter().any(|gap| gap.has(at))
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The hub starts on a restored state.
    Note {
        /// The newest entry of its journal.
        newest: Millis,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The hub starts on a restored state.
    Restored {
        /// What it has forgotten.
        gap: Gap,
    },
}

/// Why not: nothing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match *self {}
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        match *self {}
    }
}

/// What happens when `command` is asked.
///
/// # Errors
/// None.
pub fn decide(_state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    let Command::Note { newest } = command;
    Ok(vec![Event::Restored { gap: Gap { from: newest, until: now } }])
}

/// What an event does. LDevIDs do not live as long as it takes to forget a gap.
pub fn apply(state: &mut State, event: &Event) {
    let Event::Restored { gap } = event;
    state.gaps.push(*gap);
    let surplus = state.gaps.len().saturating_sub(RESTORATIONS_MAX);
    state.gaps.drain(..surplus);
}
