//! **Discovery**: which description belongs to a device, from which statements, believed how far.
//!
//! Charter: MUD discovery. RFC 8520 section 1.5 names the ways in which a MUD URL is learned; section 16
//! says that some of them are anybody's word. So each statement carries who said it and how far it is
//! believed, and the strongest one counts. What it names is fetched and verified: [`description`].
//!
//! | from | command | to |
//! |---|---|---|
//! | any | state (an assurance, a MUD URL) | stated; a contradiction is a finding |
//! | stated | waive | the device may join although its description is not verified |
//! | waived | state (another URL is believed) | not waived |
//!
//! A device whose description is named and not verified is not admitted ([`hindrance`]).
//!
//! Absent: what a device may reach (`access/`), fetching (the hub's work). Not yet: statements by DHCP,
//! LLDP and traffic, transparency of who signs (RFC 8520 section 16), descriptions imported by hand.
pub mod description;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use description::Description;
use rules::{Assurance, Statement};

/// The room. Its subjects are devices.
pub struct Discovery;

/// What is believed of a device, and what is known of that description.
///
/// # Errors
/// A fault of the store.
pub fn believed(
    cx: &mut Cx,
    device: &Subject,
) -> Result<Option<(Statement, description::rules::State)>, Refusal> {
    let (state, _) = Discovery::load(cx.tx, device)?.unwrap_or_default();
    let Some((_, statement)) = state.believed() else { return Ok(None) };
    let subject = description::subject(device, &statement.maker, &statement.mud_url);
    let (description, _) = Description::load(cx.tx, &subject)?.unwrap_or_default();
    Ok(Some((statement.clone(), description)))
}

/// The statement by which a device's product is known. What anybody on the wire can say is none.
///
/// # Errors
/// A fault of the store.
pub fn named(cx: &mut Cx, device: &Subject) -> Result<Option<Statement>, Refusal> {
    let (state, _) = Discovery::load(cx.tx, device)?.unwrap_or_default();
    let named = state.believed().filter(|(assurance, _)| *assurance >= Assurance::Entered);
    Ok(named.map(|(_, statement)| statement.clone()))
}

/// Why a device may not be admitted yet: it has a MUD URL, and RFC 8520 section 13.2 lets nobody use the
/// file before its signature is verified or an administrator has given approval.
///
/// `mud_signer` is who must sign it, if the device's certificate says so.
///
/// # Errors
/// A fault of the store.
pub fn hindrance(cx: &mut Cx, device: &Subject, mud_signer: &str) -> Result<Option<Refusal>, Refusal> {
    let Some((statement, description)) = believed(cx, device)? else { return Ok(None) };
    let (state, _) = Discovery::load(cx.tx, device)?.unwrap_or_default();
    if !state.waived.is_empty() {
        return Ok(None);
    }
    if let Some(verified) = &description.verified {
        return Ok((!verified.counts_for(mud_signer)).then(|| other_signer(mud_signer, &verified.signer)));
    }
    let why = match description.failure {
        Some(failure) => format!("{} ({})", failure.why, failure.code),
        None => "it has not been fetched yet".into(),
    };
    let detail = format!(
        "the device's description {} is not verified: {why}. `description fetch` tries again, `description \
         waive` admits without it",
        statement.mud_url
    );
    Ok(Some(Refusal::new(Sort::Conflict, "description-unverified", detail)))
}

fn other_signer(wanted: &str, signer: &str) -> Refusal {
    let detail = format!(
        "the device's certificate wants its description signed by \"{wanted}\", and it is by \"{signer}\" \
         (RFC 8520 section 13.2); `description waive` admits without it"
    );
    Refusal::new(Sort::Conflict, "description-by-another-signer", detail)
}
