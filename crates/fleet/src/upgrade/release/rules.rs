//! The rules of an operator's releases. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a release is, and whose it is said to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where its envelope is.
    pub url: String,
    /// The anchor of its maker.
    pub maker: String,
    /// It is kept although it does not verify: the devices are to judge it.
    pub even_if_unverified: bool,
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    /// The envelope, in base64.
    pub envelope: String,
    /// Why it does not verify; empty when it does. If not, what follows is unknown.
    pub unverified: String,
    /// The manifest's digest, as it is signed.
    pub manifest: String,
    /// Its sequence number.
    pub sequence_number: i64,
    /// The version, in the author's words; empty when there are none.
    pub version: String,
    /// Who made the devices that it is for.
    pub vendor_id: String,
    /// Which devices it is for.
    pub class_id: String,
    /// The image, by its SHA-256.
    pub image: String,
    /// How many bytes the image has.
    pub image_bytes: i64,
    /// Who signed: the subject of its certificate.
    pub signer: String,
}

/// What is true of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where it is; `None` when nobody wanted it.
    pub source: Option<Source>,
    /// What was fetched.
    pub fetched: Option<Fetched>,
    /// Why it was not kept; empty otherwise.
    pub refused: String,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Fetch it.
    Want(Source),
    /// It was fetched.
    Keep(Box<Fetched>),
    /// It could not be fetched, or is not good.
    Refuse {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It shall be fetched.
    ReleaseWanted {
        /// From where.
        source: Source,
    },
    /// It is kept.
    ReleaseKept {
        /// What it is.
        fetched: Box<Fetched>,
    },
    /// It is not kept.
    ReleaseRefused {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another has this name.
    Known,
    /// Nobody wants it (any more).
    NotWanted,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Known => "release-known",
            Refusal::NotWanted => "release-not-wanted",
        }
    }

    fn sort(&self) -> Sort {
        Sort::Conflict
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::Known => "a release of this name is here or on its way; give the other a `name`",
            Refusal::NotWanted => "nobody wants this release to be fetched (any more)",
        })
    }
}

/// What happens when `command` is asked of a release in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    let waits = state.source.is_some() && state.fetched.is_none() && state.refused.is_empty();
    match command {
        Command::Want(source) if waits && state.source.as_ref() == Some(&source) => Ok(vec![]),
        Command::Want(_) if waits || state.fetched.is_some() => Err(Refusal::Known),
        Command::Want(source) => Ok(vec![Event::ReleaseWanted { source }]),
        _ if !waits => Err(Refusal::NotWanted),
        Command::Keep(fetched) => Ok(vec![Event::ReleaseKept { fetched }]),
        Command::Refuse { why } => Ok(vec![Event::ReleaseRefused { why }]),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::ReleaseWanted { source } => {
            *state = State { source: Some(source.clone()), ..State::default() };
        }
        Event::ReleaseKept { fetched } => state.fetched = Some(fetched.as_ref().clone()),
        Event::ReleaseRefused { why } => state.refused.clone_from(why),
    }
}
