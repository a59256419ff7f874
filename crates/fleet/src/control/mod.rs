//! **Control**: what devices shall do, and how far they are.
//!
//! Charter: administrative control. A device checks in and says what it has; what it is to do follows from
//! what is desired and what it said, computed anew each time ([`rules::steps`]), so nothing is lost half
//! way. What a person asked for is an *operation*: it has a deadline and ends in one of few words.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | request | requested; an open one of the same kind is cancelled |
//! | requested | begin (the device was told) | running |
//! | requested, running | succeed / fail | succeeded / failed |
//! | requested, running | cancel (a person, a newer one, the device's end) | cancelled |
//! | requested, running | expire (its deadline passed) | expired |
//!
//! A restart and a re-installation are orders with the operation's number: the device says which order it took
//! up last and how far it is, and is told until it does. It has done one when a process has answered that was
//! started for it.
//!
//! Contact (when a device was last heard of, and with which configuration) lies in a table of its own
//! outside of the journal's fold, written in sorted batches: it is no meaning, and there is much of it.
//!
//! Absent: what a configuration is (its own room), sockets and waiting (the hub holds a request). Not yet:
//! groups, schedules, CoAP and CORECONF (RFC 7252, RFC 9254).
pub mod door;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::room::{Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Tx};

/// The room.
pub struct Control;

/// The release that a device is being told to install anew.
///
/// # Errors
/// A fault of the store.
pub fn reinstalls(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<String>, Fault> {
    let (state, _) = Control::load(tx, subject)?.unwrap_or_default();
    Ok(state.open(rules::Kind::Reinstall).map(|(_, open)| open.about.clone()))
}

/// When a device was ordered to wipe itself, as far as that is kept.
///
/// # Errors
/// A fault of the store.
pub fn wipes(tx: &mut dyn Tx, subject: &Subject) -> Result<Vec<Millis>, Fault> {
    let (state, _) = Control::load(tx, subject)?.unwrap_or_default();
    let wipes = state.operations.into_values().filter(|asked| asked.kind == rules::Kind::Wipe);
    Ok(wipes.map(|asked| asked.asked_at).collect())
}
