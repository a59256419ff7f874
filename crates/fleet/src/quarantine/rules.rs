//! Levels and findings. Pure.
use crate::limits::DEVICE_FINDINGS_MAX;
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

words! {
    /// How far a device is held back.
    pub enum Level {
        /// Nothing is blocked that was not before.
        Watched = "watched",
        /// It reaches its hub, the hosts of the class `update-hosts`, and names.
        UpdateOnly = "update-only",
        /// It reaches its hub.
        Isolated = "isolated",
        /// It reaches nothing.
        Dark = "dark",
    }
}

/// A packet that its description does not allow, without what changes from one to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    /// What drops it: an entry of the plan, or a default.
    pub by: String,
    /// What it is, for people.
    pub what: String,
    /// SHA-256 of the plan, as hexadecimal digits.
    pub plan: String,
}

impl Packet {
    fn is_like(&self, other: &Packet) -> bool {
        (&self.by, &self.what) == (&other.by, &other.what)
    }
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first packet of its kind.
    pub packet: Packet,
    /// When it was seen.
    pub at: Millis,
    /// Its device was released since.
    pub settled: bool,
}

/// What is true of a device's quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How far it is held back; not at all without one.
    pub level: Option<Level>,
    /// Why; empty when it is not.
    pub why: String,
    /// Since when it is held at this level.
    pub since: Millis,
    /// Findings by number, from 1; of those that are settled, the newest are kept.
    pub findings: BTreeMap<u32, Finding>,
    /// The newest number.
    pub newest: u32,
}

impl State {
    /// The open finding of packets like this one.
    pub fn open(&self, packet: &Packet) -> Option<u32> {
        let open = self.findings.iter().find(|(_, it)| !it.settled && it.packet.is_like(packet));
        open.map(|(number, _)| *number)
    }

    /// Whether a finding is open.
    pub fn is_outside_description(&self) -> bool {
        self.findings.values().any(|finding| !finding.settled)
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold it back.
    Hold {
        /// How far.
        level: Level,
        /// Why.
        why: String,
    },
    /// It sent a packet that its description does not allow.
    Find(Packet),
    /// Let it be.
    Release {
        /// Why.
        why: String,
    },
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
    /// It is held back.
    Held {
        /// How far.
        level: Level,
        /// Why.
        why: String,
        /// When.
        at: Millis,
    },
    /// It sent a packet that its description does not allow.
    Found {
        /// The finding's number.
        finding: u32,
        /// The packet.
        packet: Packet,
        /// When.
        at: Millis,
    },
    /// It is held back no more.
    Released {
        /// Why.
        why: String,
    },
    /// Its life here is over, or begins anew.
    Ended {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is held exactly so far.
    Held(Level),
    /// It is not held.
    NotHeld,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Held(_) => "already-held",
            Refusal::NotHeld => "not-held",
        }
    }

    fn sort(&self) -> Sort {
        Sort::Conflict
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Held(level) => write!(f, "the device is held at {level} already"),
            Refusal::NotHeld => f.write_str("the device is not held back; there is nothing to release"),
        }
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Hold { level, .. } if state.level == Some(level) => Err(Refusal::Held(level)),
        Command::Hold { level, why } => Ok(vec![Event::Held { level, why, at: now }]),
        Command::Find(packet) => Ok(find(state, packet, now)),
        Command::Release { .. } if state.level.is_none() => Err(Refusal::NotHeld),
        Command::Release { why } => Ok(vec![Event::Released { why }]),
        Command::End { .. } if state.level.is_none() && !state.is_outside_description() => Ok(vec![]),
        Command::End { why } => Ok(vec![Event::Ended { why }]),
    }
}

/// One open finding for each kind of packet, as long as there is room for it; and a device that was let
/// be is held.
fn find(state: &State, packet: Packet, now: Millis) -> Vec<Event> {
    let hold = state.level.is_none().then(|| Event::Held {
        level: Level::UpdateOnly,
        why: format!("it sent what its description does not allow: {}", packet.what),
        at: now,
    });
    let full = state.findings.len() >= DEVICE_FINDINGS_MAX && !state.findings.values().any(|it| it.settled);
    let found = (state.open(&packet).is_none() && !full).then(|| Event::Found {
        finding: state.newest + 1,
        packet,
        at: now,
    });
    found.into_iter().chain(hold).collect()
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Held { level, why, at } => {
            (state.level, state.why, state.since) = (Some(*level), why.clone(), *at);
        }
        Event::Found { finding, packet, at } => {
            let found = Finding { packet: packet.clone(), at: *at, settled: false };
            state.findings.insert(*finding, found);
            state.newest = *finding;
            forget(state);
        }
        Event::Released { .. } | Event::Ended { .. } => {
            (state.level, state.why, state.since) = (None, String::new(), Millis(0));
            state.findings.values_mut().for_each(|finding| finding.settled = true);
        }
    }
}

/// The oldest that is settled makes room.
fn forget(state: &mut State) {
    if state.findings.len() <= DEVICE_FINDINGS_MAX {
        return;
    }
    let oldest = state.findings.iter().find(|(_, it)| it.settled).map(|(number, _)| *number);
    oldest.and_then(|number| state.findings.remove(&number));
}
