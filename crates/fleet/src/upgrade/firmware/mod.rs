//! **Firmware**: what each device should run.
//!
//! Part of upgrade. A release that a device took by a rollout is what it should run from then on: what a device
//! that is being mended installs anew, and what it has to run to be well.
//!
//! | from | command | to |
//! |---|---|---|
//! | -, an older release | take (a rollout succeeded on it) | the release |
//! | a release | end (its life here is over, or begins anew) | - |
//!
//! Absent: what a device really runs; it says so at every check-in. What its factory laid is not known here.
pub mod rules;
pub mod store;

/// The room. Its subjects are devices.
pub struct Firmware;
