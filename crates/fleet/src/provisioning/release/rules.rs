//! The rules of published releases. Pure.
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a release is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The product.
    pub product: String,
    /// Its version, for people.
    pub version: String,
    /// Its manifest's sequence number.
    pub sequence_number: i64,
    /// The image, by its SHA-256.
    pub image: String,
    /// How many bytes the image has.
    pub image_bytes: i64,
    /// The domain name that the vendor ID is made of.
    pub vendor: String,
    /// It is an older image under a newer number.
    pub way_back: bool,
}

/// What is true of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What it is; `None` when nobody wanted it.
    pub content: Option<Content>,
    /// Its envelope, by its SHA-256; empty until it is published.
    pub envelope: String,
    /// Why it was not published; empty otherwise.
    pub refused: String,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Publish it.
    Want(Content),
    /// The hub wrote and signed its envelope.
    Publish {
        /// The envelope, by its SHA-256.
        envelope: String,
    },
    /// It could not be written.
    Refuse {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It shall be published.
    ReleaseWanted {
        /// What it is.
        content: Content,
    },
    /// It is published.
    ReleasePublished {
        /// The SHA-256 of its envelope.
        envelope: String,
    },
    /// It could not be written.
    ReleaseRefused {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The number was given before.
    Known,
    /// It is not waiting to be published.
    NotWanted,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Known => "sequence-not-newer",
            Refusal::NotWanted => "release-not-wanted",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::Known => "this sequence number was given before; a number is given once",
            Refusal::NotWanted => "the release is not waiting to be published",
        })
    }
}

/// What happens when `command` is asked of a release in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    let waits = state.content.is_some() && state.envelope.is_empty() && state.refused.is_empty();
    match command {
        Command::Want(_) if state.content.is_some() => Err(Refusal::Known),
        Command::Want(content) => Ok(vec![Event::ReleaseWanted { content }]),
        // A hub that was ended while it signed asks again.
        Command::Publish { envelope } if envelope == state.envelope => Ok(vec![]),
        _ if !waits => Err(Refusal::NotWanted),
        Command::Publish { envelope } => Ok(vec![Event::ReleasePublished { envelope }]),
        Command::Refuse { why } => Ok(vec![Event::ReleaseRefused { why }]),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::ReleaseWanted { content } => state.content = Some(content.clone()),
        Event::ReleasePublished { envelope } => state.envelope.clone_from(envelope),
        Event::ReleaseRefused { why } => state.refused.clone_from(why),
    }
}
