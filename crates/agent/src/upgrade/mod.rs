//! The device's firmware: which one runs, how another gets here, and the way back.
//!
//! Two slots (`a`, `b`) hold an image each and the SUIT envelope that it came with. The image of one is
//! started as a process. It is healthy when it has answered `healthy` on its standard output to the
//! line `health` on its standard input, within a time. An image is started only if its envelope is
//! authentic and the image is the one that it describes (draft-ietf-suit-manifest-37, invocation
//! procedure): one changed byte, and it is not started.
//!
//! ```text
//! offer -> Install: judge -> fetch by pieces into the other slot -> judge -> Keeper: on trial
//! Keeper: choose a slot -> judge -> start -> healthy -> confirmed
//!                                         -> not in time, or ended -> stop, note why, the other slot
//! ```
//!
//! A number that was confirmed once is the lowest that is taken, also on the way back to an older slot
//! ([`Record::floor`]). What lies in a slot may be started whatever its number is.
//!
//! A hub may order to start the firmware anew, or to install it anew although it runs. The first is done when a
//! new process has answered, the second when one has from the slot that was written; then the other slot is
//! measured, and an image that is not right is discarded.
//!
//! | file in `slots/` | holds |
//! |---|---|
//! | `state` | which slot is confirmed, up to which number, which is on trial, what failed; one rename switches |
//! | `a/image`, `b/image` | the firmware |
//! | `a/manifest.suit`, `b/manifest.suit` | the envelope that it came with |
//!
//! `device`, `install`, `keeper` and `record` decide; `slots`, `process` and `run` do. [`ByRange`] fetches over HTTP
//! from where the manifest says, [`AtHub`] from the device's hub. Absent: who offers a release to whom, and whom a payload may be fetched from.
mod by_range;
mod device;
mod install;
mod keeper;
mod process;
mod record;
mod run;
mod slots;

pub use by_range::{AtHub, ByRange};
pub use device::{Content, Device, Slot};
pub use install::{Image, Install, Missed, Outcome};
pub use keeper::{Keeper, Runs};
pub use record::{Record, RecordRefused, Trial};
pub use run::{Order, Patience, Settings, Source, UpgradeError, keep};
pub use slots::{SlotsError, lay};

/// What the machines say and hear.
pub mod message {
    pub use super::install::{Input as InstallInput, Output as InstallOutput};
    pub use super::keeper::{Input as KeeperInput, Output as KeeperOutput};
}
