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
//! | held | release (a person, or its playbook helped) | let be; its findings are settled |
//! | any | end (its life here is over, or begins anew) | let be; its findings are settled |
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

/// The room.
pub struct Quarantine;
