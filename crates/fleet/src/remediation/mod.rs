//! **Remediation**: what mends a device, for how long it is tried, and what takes its place.
//!
//! Charter: remediation of broken devices. A *playbook* is a list of at most 8 operations with tries and a
//! deadline each. The device is well when a check-in that came after the try began says that all is as it
//! should be; what was tried is then of no interest. A try whose deadline passes is followed by the next
//! one, and the last one by giving up: so it ends, whatever the device does.
//!
//! | from | command | to |
//! |---|---|---|
//! | idle | begin | trying, the first try |
//! | trying | report: it is well | idle; healed, and released if the hold is the one that it was begun on |
//! | trying | report: it was carried out, or could not be, and the device is not well | trying, the next try if there is one |
//! | trying | expire (the try's deadline passed) | trying, the next try; or idle, given up |
//! | trying | give up (a person) | idle; quarantined, needing attention |
//! | has its post | hand over | without a post |
//! | stands for nobody | take over | holds the post of another |
//! | any | end (its life here is over, or begins anew) | idle |
//!
//! A *replacement* takes over a post: the name, and the configuration; never the keys. Place and
//! description have to be the same already.
//!
//! Absent: finding out who is broken (quarantine, silence). Not yet: factory reset (no agent can be told so;
//! its device would come back as a pledge, and the orders of its life here would have to end with it),
//! playbooks with a name, playbooks that begin by themselves, groups.
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Tx};

/// The room.
pub struct Remediation;

/// Whether a report that came at `came` ends what is tried, if its device is well.
///
/// # Errors
/// A fault of the store.
pub fn awaits(tx: &mut dyn Tx, subject: &Subject, came: Millis) -> Result<bool, Fault> {
    let (state, _) = Remediation::load(tx, subject)?.unwrap_or_default();
    Ok(state.trying.is_some_and(|trying| trying.since <= came))
}

/// What was tried was carried out, or could not be, and the device is not well.
///
/// # Errors
/// The refusal of another room, or a fault of the store.
pub fn done(cx: &mut Cx, subject: &Subject, succeeded: bool) -> Result<(), Refusal> {
    cx.change::<Remediation>(subject, rules::Command::Done { succeeded }).map(drop)
}

/// The device is well: what was tried helped.
///
/// # Errors
/// The refusal of another room, or a fault of the store.
pub fn well(cx: &mut Cx, subject: &Subject) -> Result<(), Refusal> {
    cx.change::<Remediation>(subject, rules::Command::Well).map(drop)
}
