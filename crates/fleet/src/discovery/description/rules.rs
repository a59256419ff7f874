//! The rules of descriptions. Pure.
use crate::limits::{DESCRIPTION_PAUSE_MINUTES_MAX, DESCRIPTION_TRIES_MAX};
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A file whose signature was verified. File and signature are named by their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// The file.
    pub file: String,
    /// The signature over it.
    pub signature: String,
    /// The subject of the certificate that signed.
    pub signer: String,
    /// When the file was made.
    pub last_update: Millis,
    /// How long to wait before looking again.
    pub cache_validity_hours: u8,
    /// Whether the maker still looks after the device.
    pub is_supported: bool,
    /// What the device is, for people.
    pub systeminfo: String,
    /// What the device would be allowed, a line each.
    pub lines: Vec<String>,
}

impl Verified {
    /// Whether it may be used for a device whose certificate names this signer, or none (RFC 8520 section
    /// 13.2).
    pub fn counts_for(&self, mud_signer: &str) -> bool {
        mud_signer.is_empty() || mud_signer == self.signer
    }
}

/// Why a description was not verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub why: String,
}

/// What is true of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Somebody named it.
    pub wanted: bool,
    /// When it is to be fetched; `None` when a person has to ask.
    pub due_at: Option<Millis>,
    /// A person asked for it: a new signer is taken.
    pub asked: bool,
    /// The last good file.
    pub verified: Option<Verified>,
    /// When it was last seen to be good.
    pub verified_at: Millis,
    /// Why the last try failed; `None` when it did not.
    pub failure: Option<Failure>,
    /// Tries that failed since the last good one.
    pub tries: u32,
    /// Not all devices that it belongs to know the last good file yet.
    pub untold: bool,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Somebody named it.
    Want,
    /// A person wants it fetched now.
    Ask,
    /// The hub fetched and verified it.
    Verify(Verified),
    /// It could not.
    Fail(Failure),
    /// Every device that it belongs to knows this file.
    Tell {
        /// The file.
        file: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// Somebody named it.
    FetchWanted {
        /// When.
        at: Millis,
    },
    /// A person wants it fetched now.
    FetchAsked {
        /// When.
        at: Millis,
    },
    /// It was fetched and verified.
    DescriptionVerified {
        /// What.
        verified: Verified,
        /// When.
        at: Millis,
    },
    /// It was fetched and verified, and is as it was.
    DescriptionConfirmed {
        /// When.
        at: Millis,
    },
    /// Every device that it belongs to knows this file.
    DescriptionTold {
        /// The file.
        file: String,
    },
    /// It was not fetched, or not verified.
    DescriptionFailed {
        /// Why.
        failure: Failure,
        /// When.
        at: Millis,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody named it.
    Unknown,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        "description-unknown"
    }

    fn sort(&self) -> Sort {
        Sort::NotFound
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("nobody has named this description")
    }
}

/// What happens when `command` is asked of a description in `state` at `now`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    let event = match command {
        Command::Want if state.wanted => return Ok(vec![]),
        Command::Want => Event::FetchWanted { at: now },
        _ if !state.wanted => return Err(Refusal::Unknown),
        Command::Ask => Event::FetchAsked { at: now },
        Command::Verify(verified) => match &state.verified {
            Some(known) if *known == verified => Event::DescriptionConfirmed { at: now },
            // RFC 8520 section 16: a signer that changes is flagged, and an administrator asked.
            Some(known) if known.signer != verified.signer && !state.asked => Event::DescriptionFailed {
                failure: Failure { code: "another-signer".into(), why: another_signer(known, &verified) },
                at: now,
            },
            _ => Event::DescriptionVerified { verified, at: now },
        },
        // Another file was verified meanwhile: it is told as well.
        Command::Tell { file } if state.verified.as_ref().is_none_or(|known| known.file != file) => {
            return Ok(vec![]);
        }
        Command::Tell { file } if state.untold => Event::DescriptionTold { file },
        Command::Tell { .. } => return Ok(vec![]),
        Command::Fail(failure) => Event::DescriptionFailed { failure, at: now },
    };
    Ok(vec![event])
}

fn another_signer(known: &Verified, new: &Verified) -> String {
    format!(
        "the file is signed by \"{}\" now and was by \"{}\" (RFC 8520 section 16); `description fetch` takes the \
         new one",
        new.signer, known.signer
    )
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::FetchWanted { at } => (state.wanted, state.due_at) = (true, Some(*at)),
        Event::FetchAsked { at } => {
            (state.due_at, state.asked, state.tries) = (Some(*at), true, 0);
        }
        Event::DescriptionVerified { verified, at } => {
            let known = state.verified.as_ref().is_some_and(|known| known.file == verified.file);
            let untold = state.untold || !known;
            good(state, verified.clone(), *at);
            state.untold = untold;
        }
        Event::DescriptionTold { .. } => state.untold = false,
        Event::DescriptionConfirmed { at } => {
            let verified = state.verified.take().unwrap_or_default();
            good(state, verified, *at);
        }
        Event::DescriptionFailed { failure, at } => {
            state.failure = Some(failure.clone());
            state.tries = state.tries.saturating_add(1);
            state.asked = false;
            state.due_at = pause_minutes(state).map(|minutes| at.plus_seconds(minutes * 60));
        }
    }
}

fn good(state: &mut State, verified: Verified, at: Millis) {
    let due_at = Some(at.plus_seconds(i64::from(verified.cache_validity_hours) * 3_600));
    let untold = state.untold;
    *state =
        State { wanted: true, due_at, verified: Some(verified), verified_at: at, untold, ..State::default() };
}

/// How long to wait after so many failures: 1, 2, 4 … minutes. One that was never good is given up in the
/// end; one that was is looked for as long as it is used (RFC 8520 section 1.6).
fn pause_minutes(state: &State) -> Option<i64> {
    if state.verified.is_none() && state.tries >= DESCRIPTION_TRIES_MAX {
        return None;
    }
    // 2^20 minutes are beyond the limit.
    let doubled = 1_i64 << (state.tries - 1).min(20);
    Some(doubled.min(DESCRIPTION_PAUSE_MINUTES_MAX))
}
