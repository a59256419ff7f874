//! **Posture**: what is required of a fleet, and which devices fall short of it now.
//!
//! Charter: operational security; operational practices, requirements, terminology. The [`catalogue`] is
//! data: requirements by the ids of those who publish them, in words of our own, each with how it is
//! checked. A check looks at the fleet as it is and keeps nothing. What a person should look at in any room is
//! listed by [`attention`].
//!
//! | check | a device at work fails when |
//! |---|---|
//! | good-ldevid | it has no LDevID that is good now |
//! | active-plan | no plan of what it may reach is active |
//! | supported | the support of its product has ended, by the calendar or its maker's description |
//!
//! Absent: verdicts that are remembered. Not yet: SBOMs and vulnerabilities (RFC 9472, RFC 9393),
//! attestation (RFC 9334).
pub mod attention;
pub mod catalogue;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;
