//! **Restorations**: what this hub has forgotten because it was restored from a backup.
//!
//! Part of onboarding. Between the last entry of the backup's journal and the first start after the
//! restoration lies a *gap*: whatever the hub did then, it does not know. It may have issued LDevIDs in it,
//! and revoked others. An LDevID of this domain that began in a gap and that no row knows was issued, and may
//! be good; outside of every gap it is one that has ended.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | note (the hub's first start on a restored state) | one gap more |
//!
//! A device that shows such an LDevID is *ahead* of the state, which is a finding:
//!
//! | here it is | its maker's devices are admitted | what becomes of it |
//! |---|---|---|
//! | introduced, with its plan active | by rule | its LDevID is adopted |
//! | introduced | by a person; or it was revoked since | it waits (503) for `onboarding adopt` |
//! | under another id, or unknown | | it is expected, and enrols with its IDevID (RFC 7030 section 3.3.2) |
//! | retired | | it is refused; only a claim brings it back |
//!
//! An LDevID that is not younger than every one that the hub knew of its device has ended, whoever ended it.
//! Absent: a way to know what was revoked in a gap. A person revokes it again.
pub mod door;
pub mod rules;
pub mod store;
pub mod view;

/// The room.
pub struct Restoration;
