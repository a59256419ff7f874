//! **Upgrade**: how a release comes to the devices, and how far it is.
//!
//! Charter: software/firmware upgrade, discovery and distribution. In the words of RFC 9019 the hub is a
//! status tracker, its devices are recipients. What is offered is a [`release`]; a *rollout* offers it to
//! devices in waves.
//!
//! | phase | command | to |
//! |---|---|---|
//! | - | start | running: the first wave is offered the release |
//! | running | a wave has wholly succeeded | running: the next wave; finished after the last |
//! | running | a wave is over and not all succeeded | paused, by rule |
//! | running, paused | failures reach the bound | stopped, by rule |
//! | running | pause (a person) | paused |
//! | paused | resume (a person) | running: what is left of the wave, or the next one |
//! | running, paused | stop, cancel (a person) | stopped, cancelled |
//!
//! | outcome of a device | means |
//! |---|---|
//! | waiting | it was not offered the release |
//! | offered | it was, and has not said how it went |
//! | succeeded | it runs the release and is healthy |
//! | failed, refused | it tried it in vain, or did not try it |
//! | silent | its wave's deadline passed |
//! | spared | it is not to get it (any more) |
//!
//! What a device took is what it should run ([`firmware`]): what is offered to it again, by order and although
//! it runs, when it is mended ([`told::envelope`]).
//!
//! What a device is told is computed from state and its report at every check-in. Nobody of a wave that
//! has not begun is offered anything, so after a stop nobody of a later wave ever is. A device that runs
//! the same or a newer sequence number (draft-ietf-suit-manifest-37) is not offered the release.
//!
//! Absent: the image's bytes (blobs), what a device does with an envelope. Not yet: schedules, groups,
//! more than one component.
pub mod firmware;
pub mod release;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod told;
pub mod view;

#[cfg(test)]
mod tests;

/// The room. Its subjects are names that the operator gives.
pub struct Rollout;
