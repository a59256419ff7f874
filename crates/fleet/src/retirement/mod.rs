//! **Retirement**: how a device's life ends well, and until when its product is supported.
//!
//! Charter: end of life management. A device that leaves for good is *decommissioned*: it is told to wipe
//! itself, signs a last report with the key of its LDevID, destroys its keys, and reports. Then its life
//! ends (`reactions.rs`: retired, LDevID revoked, rules gone), and the hub signs a certificate of
//! decommission. [`support`] is the calendar (RFC 8520 section 3.6 knows `is-supported`).
//!
//! | from | command | to |
//! |---|---|---|
//! | -, cancelled, archived, overdue | begin | requested |
//! | requested | tell (it checked in) | wiping |
//! | requested, wiping, overdue | hear its last report | wiped (its life: retired) |
//! | requested, wiping | expire (the deadline passed) | overdue |
//! | requested, overdue | cancel | cancelled |
//! | requested, wiping, overdue | call off (the device has to ask again) | cancelled |
//! | overdue, or past the deadline | force (a person) | forced: not wiped (its life: retired) |
//! | requested, wiping, overdue | close (it was retired at once) | forced |
//! | forced | hear its last report | wiped, as it says late (its life, or a new one, stays as it is) |
//! | wiped, forced | archive (the certificate of decommission is signed) | archived |
//!
//! `device retire` ends a life at once and asks the device nothing: for one that is lost, or that goes to
//! somebody else with its factory identity. A decommission ends in it.
//!
//! A last report comes over a connection on which the device shows nothing: its keys are gone. Its
//! signature alone counts, by a certificate of that very device that was good when it was asked to wipe itself.
//! One that comes after a forced end counts too, once: a second certificate of decommission takes the place of
//! the one that did not know of it.
//!
//! Absent: signing and keeping (the hub's work). Not yet: transfer to another domain (RFC 8366bis), makers
//! that are gone.
pub mod door;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod support;
pub mod view;

#[cfg(test)]
mod tests;

/// The room. Its subjects are devices.
pub struct Retirement;
