//! **The life itself**: which stage a device is in, and what may bring it to another.
//!
//! Charter: the spine of every line, from factory to end of life (the life of a thing: RFC 8576
//! section 2). This room is the mould: a new one has the same files in the same order.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | expect | expected |
//! | -, expected | discover | discovered |
//! | discovered | admit | onboarding |
//! | onboarding | enrol | operational |
//! | operational | hold | quarantined |
//! | quarantined | release | operational, or onboarding if its credentials went |
//! | operational, quarantined | begin remediation | remediation |
//! | remediation | heal | operational |
//! | remediation | give up | quarantined, needing attention |
//! | any but retired | retire | retired |
//! | any but retired | send back (what it showed was revoked) | expected |
//! | retired | claim | expected |
//!
//! Absent: operations (upgrading, restoring, wiping are no stages), conditions that follow from other
//! rooms, and any trust in a device's clock.
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::tx::{Fault, Tx};
use rules::{Stage, State};

/// The room.
pub struct Device;

/// A name that no device of the organisation has: `wanted`, or with a part of `id`.
///
/// # Errors
/// A fault of the store.
pub fn unused_name(cx: &mut Cx, wanted: String, id: &str) -> Result<String, Refusal> {
    let organisation = cx.session.organisation.as_str();
    match store::device_find(cx.tx, organisation, &wanted)? {
        Some(_) => Ok(format!("{wanted}-{}", id.rsplit('-').next().unwrap_or(id))),
        None => Ok(wanted),
    }
}

/// The device that a person calls `device`: its id or its name.
///
/// # Errors
/// `device-unknown`, or a fault of the store.
pub fn find(cx: &mut Cx, device: &str) -> Result<(Subject, State), Refusal> {
    let organisation = cx.session.organisation.as_str();
    let subject = match store::device_find(cx.tx, organisation, device)? {
        Some(subject) => Device::load(cx.tx, &subject)?.map(|(state, _)| (subject, state)),
        None => None,
    };
    subject.ok_or_else(|| {
        let detail = format!("no device has the id or name `{device}`; `device list` shows them");
        Refusal::new(Sort::NotFound, "device-unknown", detail)
    })
}

/// As [`find`], for what only a device at work can do.
///
/// # Errors
/// `device-unknown`, `not-at-work`, or a fault of the store.
pub fn find_at_work(cx: &mut Cx, device: &str) -> Result<Subject, Refusal> {
    let (subject, state) = find(cx, device)?;
    if state.is_at_work() {
        return Ok(subject);
    }
    let stage = state.stage.map(Stage::as_str).unwrap_or_default();
    let detail = format!("the device is {stage}; this needs it to have joined");
    Err(Refusal::new(Sort::Conflict, "not-at-work", detail))
}

/// Whether a device may be told what to do.
///
/// # Errors
/// A fault of the store.
pub fn is_at_work(tx: &mut dyn Tx, subject: &Subject) -> Result<bool, Fault> {
    Ok(Device::load(tx, subject)?.is_some_and(|(state, _)| state.is_at_work()))
}

/// Whether a device's life here is over.
///
/// # Errors
/// A fault of the store.
pub fn is_retired(tx: &mut dyn Tx, subject: &Subject) -> Result<bool, Fault> {
    Ok(Device::load(tx, subject)?.is_some_and(|(state, _)| state.stage == Some(Stage::Retired)))
}
