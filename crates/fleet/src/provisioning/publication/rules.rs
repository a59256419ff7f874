//! The rules of publications. Pure.
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is true of a product's description. Files are named by their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The file that shall be published; empty when none is waiting.
    pub wanted: String,
    /// The file that is published; empty when none is.
    pub file: String,
    /// The signature over it.
    pub signature: String,
    /// Why the last file was not published; empty when it was.
    pub refused: String,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Publish this file; one that is published already is signed anew.
    Want {
        /// The file.
        file: String,
    },
    /// The hub checked and signed it.
    Publish {
        /// The file.
        file: String,
        /// The signature over it.
        signature: String,
    },
    /// The file is not good.
    Refuse {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A file shall be published.
    DescriptionWanted {
        /// Its SHA-256.
        file: String,
    },
    /// It is published.
    DescriptionPublished {
        /// Its SHA-256.
        file: String,
        /// The SHA-256 of its signature.
        signature: String,
    },
    /// It is not good.
    DescriptionRefused {
        /// Its SHA-256.
        file: String,
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another file is wanted meanwhile.
    NotWanted,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        "file-not-wanted"
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("nobody wants this file to be published (any more)")
    }
}

/// What happens when `command` is asked of a publication in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Want { file } if file == state.wanted => Ok(vec![]),
        Command::Want { file } => Ok(vec![Event::DescriptionWanted { file }]),
        Command::Publish { file, .. } | Command::Refuse { file, .. } if file != state.wanted => {
            Err(Refusal::NotWanted)
        }
        Command::Publish { file, signature } => Ok(vec![Event::DescriptionPublished { file, signature }]),
        Command::Refuse { file, why } => Ok(vec![Event::DescriptionRefused { file, why }]),
    }
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::DescriptionWanted { file } => {
            state.wanted.clone_from(file);
            state.refused.clear();
        }
        Event::DescriptionPublished { file, signature } => {
            *state = State { file: file.clone(), signature: signature.clone(), ..State::default() };
        }
        Event::DescriptionRefused { why, .. } => {
            state.wanted.clear();
            state.refused.clone_from(why);
        }
    }
}
