//! **Configuration**: what a device's configuration was, is and shall be.
//!
//! Charter: configuration backup and recovery. A configuration is a document of at most 16 KiB; what a
//! device has at its first check-in is its first version. A new or an earlier version is an *order*: the
//! device takes it up over exactly what the hub knows it to have, tries it, and takes it back by itself
//! unless a check-in by it was confirmed in time. What a device has otherwise is *drift*: a person looks
//! at the difference and restores a version, or keeps what is there.
//!
//! | from | command | to |
//! |---|---|---|
//! | nothing known | keep (its first document came) | version 1, in use |
//! | version in use | set, restore | in use, another ordered |
//! | another ordered | report: it has it | the other in use |
//! | another ordered | report: refused, reverted or changed meanwhile; abandon | in use, and why not |
//! | in use | report: it has something else | in use, drifted |
//! | drifted | report: it has it again; set, restore; keep | in use |
//! | any | end (its life here is over, or begins anew) | nothing known |
//!
//! Documents lie in a table of their own, by their digest, and not in the journal: they may hold secrets.
//! Absent: what a document means, but for being a JSON object when a person sets it. Not yet: documents
//! as blobs, configurations of groups, YANG.
pub mod diff;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::limits::OPERATION_MINUTES_MAX;
use crate::refusal::Refusal;
use crate::room::{Cx, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Tx};
use rules::{Command, State, Terms};
use wire::control::{Apply, ConfigurationReport};
use wire::digest::{from_hex, hex, sha256};

/// The room.
pub struct Configuration;

/// What a device's report means for its configuration.
pub struct Standing {
    /// The report changes what is known: it has to be heard by the writer.
    pub changes: bool,
    /// What is ordered.
    pub ordered: Option<Ordered>,
    /// The document of what it has is wanted.
    pub document_wanted: bool,
    /// It has what it should have, and nothing is being changed.
    pub settled: bool,
    /// When the report is to be looked at again: now it is too early to take it for drift.
    pub again_at: Option<Millis>,
}

/// A version that a device shall take up.
pub struct Ordered {
    /// The order's number.
    pub order: u32,
    /// The version.
    pub version: u32,
    /// SHA-256 of what it is to replace, as hexadecimal digits; empty for a file that cannot be read.
    pub over: String,
    confirm_seconds: u32,
    digest: String,
}

impl Ordered {
    /// The order as a device takes it.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn apply(&self, tx: &mut dyn Tx, subject: &Subject) -> Result<Apply, Fault> {
        Ok(Apply {
            order: self.order,
            over: from_hex(&self.over),
            document: store::document_must(tx, subject, &self.digest)?,
            confirm_seconds: self.confirm_seconds,
        })
    }
}

/// What `report` means, at a look.
///
/// # Errors
/// A fault of the store.
pub fn look(
    tx: &mut dyn Tx,
    subject: &Subject,
    report: &ConfigurationReport,
    now: Millis,
) -> Result<Standing, Fault> {
    let (state, _) = Configuration::load(tx, subject)?.unwrap_or_default();
    let events = rules::decide(&state, reported(report), now).unwrap_or_default();
    let document = document(report);
    let document_wanted = document_wanted(tx, subject, &state, report)?;
    let has = report.digest.map(|digest| hex(&digest));
    let settled = has.is_some() && has.as_deref() == state.in_use();
    let settled = settled && report.trial.is_none() && state.order.is_none() && events.is_empty();
    let again_at = rules::drift_due(&state, &has.unwrap_or_default(), now);
    let ordered = state.order.and_then(|order| {
        let digest = state.versions.get(&order.version)?.digest.clone();
        let (over, confirm_seconds) = (order.over, order.confirm_seconds);
        Some(Ordered { order: order.number, version: order.version, over, confirm_seconds, digest })
    });
    let changes = !events.is_empty() || document_wanted && document.is_some();
    Ok(Standing { changes, ordered, document_wanted, settled, again_at })
}

/// Takes in what `report` says; `keep` says that what it has is to be kept, whatever it is.
///
/// # Errors
/// The refusal of the rules, or a fault of the store.
pub fn hear(cx: &mut Cx, subject: &Subject, report: &ConfigurationReport) -> Result<(), Refusal> {
    let state = cx.change::<Configuration>(subject, reported(report))?;
    let Some((digest, document)) = document(report) else { return Ok(()) };
    if !document_wanted(cx.tx, subject, &state, report)? {
        return Ok(());
    }
    store::document_add(cx.tx, subject, &digest, document)?;
    if state.applied == 0 || state.keep {
        cx.change::<Configuration>(subject, Command::Keep { digest })?;
    }
    Ok(())
}

/// Orders the version in use anew, if the device has something else or anything is ordered.
///
/// # Errors
/// The refusal of the rules, or a fault of the store.
pub fn reapply(cx: &mut Cx, subject: &Subject, deadline: Millis) -> Result<(), Refusal> {
    let terms = Terms { confirm_seconds: CONFIRM_SECONDS, deadline };
    cx.change::<Configuration>(subject, Command::Reapply { terms }).map(drop)
}

/// Orders what `from` has in use for `subject`, which takes its place.
///
/// # Errors
/// The refusal of the rules, or a fault of the store.
pub fn take_over(cx: &mut Cx, subject: &Subject, from: &Subject) -> Result<(), Refusal> {
    let (old, _) = Configuration::load(cx.tx, from)?.unwrap_or_default();
    let Some(digest) = old.in_use() else { return Ok(()) };
    let document = store::document_must(cx.tx, from, digest)?;
    let (state, _) = Configuration::load(cx.tx, subject)?.unwrap_or_default();
    if state.order.is_none() && state.drift.as_deref().or(state.in_use()) == Some(digest) {
        return Ok(());
    }
    store::document_add(cx.tx, subject, digest, &document)?;
    let deadline = cx.now.plus_seconds(i64::from(OPERATION_MINUTES_MAX) * 60);
    let terms = Terms { confirm_seconds: CONFIRM_SECONDS, deadline };
    let set = Command::Set { digest: digest.into(), terms };
    cx.change::<Configuration>(subject, set).map(drop)
}

/// Within how many seconds what is ordered has to prove itself, when nobody says.
const CONFIRM_SECONDS: u32 = 60;

/// The document that came along, if it is the one that the report names.
fn document(report: &ConfigurationReport) -> Option<(String, &[u8])> {
    let (digest, document) = (report.digest?, report.document.as_deref()?);
    (sha256(document) == digest).then(|| (hex(&digest), document))
}

/// What is not known of a device is wanted: its first document, and what it drifted to.
fn document_wanted(
    tx: &mut dyn Tx,
    subject: &Subject,
    state: &State,
    report: &ConfigurationReport,
) -> Result<bool, Fault> {
    let Some(digest) = report.digest.map(|digest| hex(&digest)) else { return Ok(false) };
    let of_use = state.applied == 0 || state.drift.as_ref() == Some(&digest);
    Ok(of_use && report.trial.is_none() && store::document_find(tx, subject, &digest)?.is_none())
}

fn reported(report: &ConfigurationReport) -> Command {
    let not_kept = report.last.as_ref();
    Command::Report {
        digest: report.digest.map(|digest| hex(&digest)).unwrap_or_default(),
        trial: report.trial.is_some(),
        not_kept: not_kept.map(|last| (last.order, last.reverted, last.why.clone())),
        newest_order: report
            .applied
            .max(report.trial.unwrap_or(0))
            .max(not_kept.map_or(0, |last| last.order)),
    }
}
