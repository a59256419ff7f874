//! The rules of what a device should run. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A release, as far as a device that runs it has to be recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The release.
    pub release: String,
    /// Its sequence number.
    pub sequence_number: i64,
}

/// What is true of a device's firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What it should run; nothing when it took no release here.
    pub wanted: Option<Wanted>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It took a release by a rollout.
    Take(Wanted),
    /// Its life here is over, or begins anew.
    End {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It should run this from now on.
    FirmwareTaken {
        /// What.
        wanted: Wanted,
    },
    /// It should run nothing of ours any more.
    FirmwareEnded {
        /// Why.
        why: String,
    },
}

/// Why not: nothing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match *self {}
    }

    fn sort(&self) -> Sort {
        match *self {}
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        match *self {}
    }
}

/// What happens when `command` is asked of a device in `state`. The word of an older rollout comes late.
///
/// # Errors
/// None.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    let newest = state.wanted.as_ref().map(|wanted| wanted.sequence_number);
    Ok(match command {
        Command::Take(wanted) if Some(wanted.sequence_number) > newest => {
            vec![Event::FirmwareTaken { wanted }]
        }
        Command::End { why } if newest.is_some() => vec![Event::FirmwareEnded { why }],
        Command::Take(_) | Command::End { .. } => vec![],
    })
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::FirmwareTaken { wanted } => state.wanted = Some(wanted.clone()),
        Event::FirmwareEnded { .. } => state.wanted = None,
    }
}
