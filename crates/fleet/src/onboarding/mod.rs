//! **Onboarding**: who may join, with which proof; certificates, their renewal and their end.
//!
//! Charter: onboarding of devices. A device shows its IDevID (IEEE 802.1AR), whose maker an operator
//! trusts by an [`anchor`]; a person or the anchor's rule admits it; it enrols by EST (RFC 7030,
//! RFC 8951) and gets an LDevID; its enrolment status (RFC 8995 section 5.9.4) makes it operational.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | introduce | introduced (its life: discovered) |
//! | introduced | admit | admitted (its life: onboarding) |
//! | admitted | keep voucher | a [`voucher`] of its maker; with the device's verdict when it reports it |
//! | admitted | want | a key wanted; the hub signs outside of the transaction |
//! | a key wanted | issue | an LDevID more; the oldest of more than two is superseded |
//! | admitted | report well | enrolled (its life: operational) |
//! | introduced | refuse a voucher, fail to enrol, be near another registrar | a trouble, which is a finding |
//! | a trouble | succeed, or settle (a person) | none |
//! | any | revoke | no LDevID, not introduced (its life: expected); only a person admits it again |
//! | any | show ahead | a certificate of this domain that no row knows waits ([`restoration`]), with a finding |
//! | admitted | adopt (a person, or who admits by rule) | that certificate is good; enrolled |
//!
//! Absent: TLS, the signing of certificates (the hub's and the simulator's work), the device's life
//! (`reactions.rs` leads it). Not yet: EST over CoAP, server-side key generation.
pub mod anchor;
pub mod door;
pub mod restoration;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;
pub mod voucher;

#[cfg(test)]
mod tests;

/// The room.
pub struct Onboarding;
