//! **Access**: what a device may reach, as an enforcement plan.
//!
//! Charter: access control to network resources. A verified description (RFC 8520, RFC 8519) and what is
//! known of a device's network are compiled into a plan, outside of the transaction and by pure code; the
//! plan is active before the device gets its LDevID. [`controller`] keeps the classes of RFC 8520
//! sections 4.6 and 4.7, [`gate`] who enforces the plans of a site.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | locate (these are its addresses) | a plan is wanted |
//! | any | describe (this description is its) | a plan is wanted |
//! | a plan wanted | propose | proposed; active at once if this description was active before |
//! | proposed | activate (its onboarding, or a person for a new description) | active |
//! | any, located | revoked | held: it reaches its hub alone, until it is admitted anew |
//! | any | remove (retired; or revoked, and nobody knows where it is) | no plan, no description, no address |
//!
//! Absent: files (the hub brings the description), packets on a wire (a gate enforces; here they are
//! judged). Not yet: addresses of names that are not registered (a gate's forwarder will give them, RFC 9726), plans made anew
//! when another device of the same manufacturer joins.
pub mod compile;
pub mod controller;
pub mod explain;
pub mod gate;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};

/// The room.
pub struct Access;

/// The MUD URL of a device's description, if it has one.
///
/// # Errors
/// A fault of the store.
pub fn mud_url(cx: &mut Cx, subject: &Subject) -> Result<Option<String>, Refusal> {
    let (state, _) = Access::load(cx.tx, subject)?.unwrap_or_default();
    Ok(state.description.map(|description| description.mud_url))
}

/// Whether a device has a description and no active plan yet: it must wait for its LDevID.
///
/// # Errors
/// A fault of the store.
pub fn lacks_plan(cx: &mut Cx, subject: &Subject) -> Result<bool, Refusal> {
    let (state, _) = Access::load(cx.tx, subject)?.unwrap_or_default();
    Ok(state.description.is_some() && state.active.is_none())
}
