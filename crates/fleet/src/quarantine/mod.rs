//! **Quarantine**: how far a device is held back from its network, and why.
//!
//! Charter: isolation and quarantine. A person holds a device back, or a *finding* does: a packet that it
//! sent and that its description (RFC 8520) does not allow, as the active plan judges it. By rule a
//! finding holds at `update-only`; one who is watched stays watched. How far it is held is part of its
//! enforcement plan, which is made anew.
//!
//! | from | command | to |
//! |---|---|---|
//! | let be, held | hold (a person) | held at this level |
//! | let be | find (a packet outside its description) | held at `update-only`, one finding more |
//! | held | find | held as before, one finding more |
//! | held | entrust (a playbook was begun on it) | held as before, until that helped or somebody holds it anew |
//! | held | release (a person) | let be; its findings are settled |
//! | held | heal (the playbook helped that was begun on this hold) | let be; its findings are settled |
//! | any | end (its life here is over, or begins anew) | let be; its findings are settled |
//! | any | find ahead | as before, one finding more: it has what the hub does not know |
//! | any | settle (a person) | as before, that finding is settled |
//!
//! Of one kind of packet there is one open finding, and of one device there are a few: a device that
//! floods its network does not flood the journal. A finding is an observation, no more: whoever can send
//! from a device's addresses can make one.
//!
//! Absent: packets on a wire (a gate reports them), what mends a device (remediation). Not yet: levels by
//! attestation (RFC 9334), rules of the operator's own.
pub mod rules;
pub mod scripts;
pub mod store;
pub mod traffic;
pub mod view;

#[cfg(test)]
mod tests;

use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};
use crate::tx::{Fault, Tx};
use rules::{Ahead, Command};

/// The room.
pub struct Quarantine;

/// Whether that a device runs a firmware that nobody here knows would be a finding.
///
/// # Errors
/// A fault of the store.
pub fn is_news(tx: &mut dyn Tx, subject: &Subject, firmware: &str) -> Result<bool, Fault> {
    let (state, _) = Quarantine::load(tx, subject)?.unwrap_or_default();
    Ok(state.is_news(Ahead::Firmware, firmware))
}

/// A device runs a firmware that nobody here knows: that is a finding.
///
/// # Errors
/// A fault of the store.
pub fn find_firmware(cx: &mut Cx, subject: &Subject, firmware: String) -> Result<(), Refusal> {
    let found = Command::FindAhead { of: Ahead::Firmware, what: firmware };
    cx.change::<Quarantine>(subject, found).map(drop)
}
