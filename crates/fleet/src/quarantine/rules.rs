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

words! {
    /// What a device can be ahead of its hub in: the hub was restored from a backup, or somebody else told
    /// the device what to do.
    pub enum Ahead {
        /// It showed a certificate of this domain that the hub does not know.
        Certificate = "ahead-of-state/certificate",
        /// It took up an order for its configuration that the hub has not given.
        Configuration = "ahead-of-state/configuration",
        /// It runs a firmware that is newer than every one that the hub knows of its maker.
        Firmware = "ahead-of-state/firmware",
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// A packet that its description does not allow: the first of its kind.
    Packet(Packet),
    /// It is ahead of what the hub knows.
    Ahead {
        /// In what.
        of: Ahead,
        /// What it showed or said.
        what: String,
    },
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub matter: Matter,
    /// When it was seen.
    pub at: Millis,
    /// Its device was released since, or a person settled it.
    pub settled: bool,
}

impl Finding {
    fn is_of_packet(&self) -> bool {
        matches!(self.matter, Matter::Packet(_))
    }
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
    /// A playbook was begun on the device as it is held: when that helps, the hold ends.
    pub entrusted: bool,
    /// Findings by number, from 1; of those that are settled, the newest are kept.
    pub findings: BTreeMap<u32, Finding>,
    /// The newest number.
    pub newest: u32,
}

impl State {
    /// The open finding of packets like this one.
    pub fn open(&self, packet: &Packet) -> Option<u32> {
        let is_like = |it: &Finding| matches!(&it.matter, Matter::Packet(known) if known.is_like(packet));
        let open = self.findings.iter().find(|(_, it)| !it.settled && is_like(it));
        open.map(|(number, _)| *number)
    }

    /// Whether that it is ahead in this is news: nothing of the kind is open, exactly this was not settled,
    /// and there is room.
    pub fn is_news(&self, ahead: Ahead, said: &str) -> bool {
        let known = |it: &Finding| matches!(&it.matter, Matter::Ahead { of, what } if *of == ahead && (!it.settled || what == said));
        !self.findings.values().any(known) && !self.is_full()
    }

    /// Whether there is no room for one more.
    fn is_full(&self) -> bool {
        self.findings.len() >= DEVICE_FINDINGS_MAX && !self.findings.values().any(|it| it.settled)
    }

    fn has_open(&self) -> bool {
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
    /// It is ahead of what the hub knows.
    FindAhead {
        /// In what.
        of: Ahead,
        /// What it showed or said.
        what: String,
    },
    /// A person looked at a finding, and it is settled.
    Settle {
        /// Its number.
        finding: u32,
        /// Why.
        why: String,
    },
    /// Let it be.
    Release {
        /// Why.
        why: String,
    },
    /// A playbook was begun on it.
    Entrust,
    /// Its playbook helped.
    Heal {
        /// Why it is let be.
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
    /// It is ahead of what the hub knows.
    FoundAhead {
        /// The finding's number.
        finding: u32,
        /// In what.
        of: Ahead,
        /// What it showed or said.
        what: String,
        /// When.
        at: Millis,
    },
    /// A person looked at a finding, and it is settled.
    Settled {
        /// The finding's number.
        finding: u32,
        /// Why.
        why: String,
    },
    /// It is held back no more.
    Released {
        /// Why.
        why: String,
    },
    /// A playbook was begun on it as it is held.
    Entrusted,
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
    /// There is no such finding (any more).
    Unknown(u32),
    /// Findings of packets end with the device's release.
    OfPacket,
    /// It is settled.
    Settled,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Held(_) => "already-held",
            Refusal::NotHeld => "not-held",
            Refusal::Unknown(_) => "finding-unknown",
            Refusal::OfPacket => "finding-of-packet",
            Refusal::Settled => "finding-settled",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::Unknown(_) => Sort::NotFound,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Held(level) => write!(f, "the device is held at {level} already"),
            Refusal::NotHeld => f.write_str("the device is not held back; there is nothing to release"),
            Refusal::Unknown(finding) => {
                write!(f, "the device has no finding {finding}; `finding list` shows them")
            }
            Refusal::OfPacket => f.write_str(
                "findings of packets are settled when their device is let be: `quarantine release`",
            ),
            Refusal::Settled => f.write_str("the finding is settled already"),
        }
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        // Said once more, it outlasts the playbook.
        Command::Hold { level, .. } if state.level == Some(level) && !state.entrusted => {
            Err(Refusal::Held(level))
        }
        Command::Hold { level, why } => Ok(vec![Event::Held { level, why, at: now }]),
        Command::Find(packet) => Ok(find(state, packet, now)),
        Command::Release { .. } if state.level.is_none() => Err(Refusal::NotHeld),
        Command::Release { why } => Ok(vec![Event::Released { why }]),
        Command::Entrust if state.level.is_some() && !state.entrusted => Ok(vec![Event::Entrusted]),
        Command::Heal { why } if state.entrusted => Ok(vec![Event::Released { why }]),
        Command::Entrust | Command::Heal { .. } => Ok(vec![]),
        Command::FindAhead { of, what } if state.is_news(of, &what) => {
            Ok(vec![Event::FoundAhead { finding: state.newest + 1, of, what, at: now }])
        }
        Command::FindAhead { .. } => Ok(vec![]),
        Command::Settle { finding, why } => match state.findings.get(&finding) {
            None => Err(Refusal::Unknown(finding)),
            Some(known) if known.is_of_packet() => Err(Refusal::OfPacket),
            Some(known) if known.settled => Err(Refusal::Settled),
            Some(_) => Ok(vec![Event::Settled { finding, why }]),
        },
        Command::End { .. } if state.level.is_none() && !state.has_open() => Ok(vec![]),
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
    let found = (state.open(&packet).is_none() && !state.is_full()).then(|| Event::Found {
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
            state.entrusted = false;
        }
        Event::Entrusted => state.entrusted = true,
        Event::Found { finding, packet, at } => {
            add(state, *finding, Matter::Packet(packet.clone()), *at);
        }
        Event::FoundAhead { finding, of, what, at } => {
            add(state, *finding, Matter::Ahead { of: *of, what: what.clone() }, *at);
        }
        Event::Settled { finding, .. } => {
            state.findings.entry(*finding).and_modify(|finding| finding.settled = true);
        }
        Event::Released { .. } => {
            let_be(state);
            let of_packets = state.findings.values_mut().filter(|finding| finding.is_of_packet());
            of_packets.for_each(|finding| finding.settled = true);
        }
        Event::Ended { .. } => {
            let_be(state);
            state.findings.values_mut().for_each(|finding| finding.settled = true);
        }
    }
}

fn let_be(state: &mut State) {
    (state.level, state.why, state.since, state.entrusted) = (None, String::new(), Millis(0), false);
}

fn add(state: &mut State, number: u32, matter: Matter, at: Millis) {
    state.findings.insert(number, Finding { matter, at, settled: false });
    state.newest = number;
    forget(state);
}

/// The oldest that is settled makes room.
fn forget(state: &mut State) {
    if state.findings.len() <= DEVICE_FINDINGS_MAX {
        return;
    }
    let oldest = state.findings.iter().find(|(_, it)| it.settled).map(|(number, _)| *number);
    oldest.and_then(|number| state.findings.remove(&number));
}
