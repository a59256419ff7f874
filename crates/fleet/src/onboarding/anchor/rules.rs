//! The rules of anchors. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// Who admits the devices of a maker.
    pub enum Admission {
        /// A person, each of them.
        Ask = "ask",
        /// This rule, each of them, at once.
        Automatic = "automatic",
    }
}

/// What is true of an anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The authority's certificate as PEM; `None` when it is not trusted.
    pub certificate: Option<String>,
    /// Who admits its devices.
    pub admission: Option<Admission>,
    /// The authorities that vouch for the maker's servers, as PEM; empty when the anchor itself does.
    pub servers: String,
}

/// What may be asked of an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Trust it.
    Add {
        /// The authority's certificate as PEM.
        certificate: String,
        /// Who admits its devices.
        admission: Admission,
        /// The authorities that vouch for the maker's servers, as PEM.
        servers: String,
    },
    /// Change who admits its devices.
    AdmitBy(Admission),
    /// Trust it no more.
    Remove,
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is trusted.
    AnchorAdded {
        /// The authority's certificate as PEM.
        certificate: String,
        /// Who admits its devices.
        admission: Admission,
        /// The authorities that vouch for the maker's servers, as PEM.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        servers: String,
    },
    /// Somebody else admits its devices.
    AdmissionSet {
        /// Who.
        admission: Admission,
    },
    /// It is not trusted any more.
    AnchorRemoved,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody added it.
    Unknown,
    /// It was added before.
    Known,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown => "anchor-unknown",
            Refusal::Known => "anchor-known",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::Unknown => Sort::NotFound,
            Refusal::Known => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::Unknown => "no anchor has this name; `anchor list` shows them",
            Refusal::Known => "an anchor of this name exists; remove it first",
        })
    }
}

/// What happens when `command` is asked of an anchor in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match (command, state.admission) {
        (Command::Add { certificate, admission, servers }, None) => {
            Ok(vec![Event::AnchorAdded { certificate, admission, servers }])
        }
        (Command::Add { .. }, Some(_)) => Err(Refusal::Known),
        (_, None) => Err(Refusal::Unknown),
        (Command::AdmitBy(wanted), Some(is)) if wanted == is => Ok(vec![]),
        (Command::AdmitBy(admission), Some(_)) => Ok(vec![Event::AdmissionSet { admission }]),
        (Command::Remove, Some(_)) => Ok(vec![Event::AnchorRemoved]),
    }
}

/// Whether it rests on the time being right.
pub fn rests_on_time(event: &Event) -> bool {
    matches!(event, Event::AnchorRemoved)
}

/// What an event does to an anchor.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::AnchorAdded { certificate, admission, servers } => {
            let (certificate, admission) = (Some(certificate.clone()), Some(*admission));
            *state = State { certificate, admission, servers: servers.clone() };
        }
        Event::AdmissionSet { admission } => state.admission = Some(*admission),
        Event::AnchorRemoved => *state = State::default(),
    }
}
