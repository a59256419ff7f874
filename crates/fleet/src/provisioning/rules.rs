//! The rules of a birth. Pure.
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is true of a serial number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The product; empty when nobody asked for it.
    pub product: String,
    /// SHA-256 of the device's key, as hexadecimal digits.
    pub key: String,
    /// The IDevID as PEM; `None` while it is being signed.
    pub certificate: Option<String>,
    /// When it was born.
    pub born_at: Millis,
    /// The signed birth record as PEM; empty for who was born before there were any.
    pub record: String,
}

/// What may be asked of a serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The factory wants an IDevID for this key.
    Want {
        /// The product.
        product: String,
        /// SHA-256 of the key, as hexadecimal digits.
        key: String,
    },
    /// The hub signed it.
    Bear {
        /// The product.
        product: String,
        /// SHA-256 of the key, as hexadecimal digits.
        key: String,
        /// The IDevID as PEM.
        certificate: String,
        /// The signed birth record as PEM.
        record: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The factory wants an IDevID for this key.
    BirthWanted {
        /// The product.
        product: String,
        /// SHA-256 of the key.
        key: String,
    },
    /// The device is born.
    Born {
        /// The IDevID as PEM.
        certificate: String,
        /// When.
        at: Millis,
        /// The signed birth record as PEM.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        record: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A device of this serial number was born, with another key or as another product.
    BornAlready,
    /// The certificate is for a key that the factory did not ask for.
    NotWanted,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::BornAlready => "born-already",
            Refusal::NotWanted => "key-not-wanted",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::BornAlready => {
                "a device with this serial number was born with another key; a serial number is given once"
            }
            Refusal::NotWanted => "nobody asked for an IDevID for this key",
        })
    }
}

/// What happens when `command` is asked of a serial number in `state` at `now`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Want { product, key } if (&product, &key) == (&state.product, &state.key) => Ok(vec![]),
        // A line that broke down before the IDevID was signed begins again with a new key.
        Command::Want { product, key } if state.certificate.is_none() => {
            Ok(vec![Event::BirthWanted { product, key }])
        }
        Command::Want { .. } => Err(Refusal::BornAlready),
        Command::Bear { product, key, .. } if (&product, &key) != (&state.product, &state.key) => {
            Err(Refusal::NotWanted)
        }
        Command::Bear { .. } if state.certificate.is_some() => Ok(vec![]),
        Command::Bear { certificate, record, .. } => Ok(vec![Event::Born { certificate, at: now, record }]),
    }
}

/// Whether it rests on the time being right.
pub fn rests_on_time(event: &Event) -> bool {
    matches!(event, Event::Born { .. })
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::BirthWanted { product, key } => {
            (state.product, state.key) = (product.clone(), key.clone());
        }
        Event::Born { certificate, at, record } => {
            (state.certificate, state.born_at) = (Some(certificate.clone()), *at);
            state.record.clone_from(record);
        }
    }
}
