//! The rules of vouchers. Pure.
use crate::limits::DEVICE_VOUCHERS_MAX;
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A voucher that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voucher {
    /// The nonce that the device sent, as its text stood in the request.
    pub nonce: String,
    /// The domain that it was told to trust: RFC 8995 section 5.8.2, as hexadecimal digits.
    pub domain_id: String,
    /// When.
    pub issued_at: Millis,
    /// The voucher itself: CMS as base64.
    pub voucher: String,
}

/// What is true of a device's vouchers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The vouchers by when they were issued and their nonce.
    pub vouchers: BTreeMap<(Millis, String), Voucher>,
    /// Older ones that made room.
    pub dropped: i64,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The hub signed one.
    Issue(Voucher),
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A voucher was issued.
    VoucherIssued {
        /// It.
        voucher: Voucher,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The nonce stands for another domain.
    NonceUsed,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        "nonce-used"
    }

    // RFC 8995 section 5.6: 403 when the pledge has another outstanding voucher.
    fn sort(&self) -> Sort {
        Sort::NotPermitted
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(
            "a voucher for this nonce was issued to another domain; the device has to ask with a new nonce",
        )
    }
}

/// The voucher that was issued for `nonce` to the domain `domain_id`, if there is one.
///
/// # Errors
/// [`Refusal::NonceUsed`].
pub fn known<'a>(state: &'a State, nonce: &str, domain_id: &str) -> Result<Option<&'a Voucher>, Refusal> {
    match state.vouchers.values().find(|v| v.nonce == nonce) {
        Some(voucher) if voucher.domain_id == domain_id => Ok(Some(voucher)),
        Some(_) => Err(Refusal::NonceUsed),
        None => Ok(None),
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    let Command::Issue(voucher) = command;
    match known(state, &voucher.nonce, &voucher.domain_id)? {
        Some(_) => Ok(vec![]),
        None => Ok(vec![Event::VoucherIssued { voucher }]),
    }
}

/// Whether it rests on the time being right.
pub fn rests_on_time(event: &Event) -> bool {
    matches!(event, Event::VoucherIssued { .. })
}

/// What an event does. RFC 8995 section 5.8.1: an older voucher of a domain that has a newer one makes
/// room first; only a log of nothing but different domains is abridged arbitrarily, from its beginning.
pub fn apply(state: &mut State, event: &Event) {
    let Event::VoucherIssued { voucher } = event;
    if state.vouchers.len() >= DEVICE_VOUCHERS_MAX
        && let Some(place) = least_telling(state)
    {
        state.vouchers.remove(&place);
        state.dropped += 1;
    }
    state.vouchers.insert((voucher.issued_at, voucher.nonce.clone()), voucher.clone());
}

fn least_telling(state: &State) -> Option<(Millis, String)> {
    let later = |(place, voucher): &(&(Millis, String), &Voucher)| {
        state.vouchers.iter().any(|(other, v)| other > *place && v.domain_id == voucher.domain_id)
    };
    let repeated = state.vouchers.iter().find(later).map(|(place, _)| place);
    repeated.or_else(|| state.vouchers.keys().next()).cloned()
}
