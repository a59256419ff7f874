//! What a door makes of an LDevID that no row knows.
use super::store::restoration_find;
use super::view::{Meet, Meeting};
use crate::audit::view::hex;
use crate::device::store::device_find;
use crate::door::Answer;
use crate::onboarding::Onboarding;
use crate::onboarding::view::ldevid_ended;
use crate::refusal::{Blame, Refusal, Sort};
use crate::room::Room;
use crate::text::Slug;
use crate::time::Millis;
use crate::tx::Tx;
use wire::Certificate;
use wire::control::ENROL_AGAIN;

/// Looks at a certificate that this domain's authority signed and that no row knows.
///
/// # Errors
/// `ldevid-ended`, unless it may have been issued in a time that this hub has forgotten.
pub fn look(tx: &mut dyn Tx, organisation: &Slug, leaf: &Certificate) -> Result<Meet, Refusal> {
    let (Some(device), Some(serial_number)) = (leaf.subject().common_name(), leaf.serial_number()) else {
        return Err(ldevid_ended());
    };
    let shown = Meet {
        device,
        serial_number,
        serial: hex(leaf.serial()),
        key: hex(&leaf.public_key().fingerprint()),
        not_before: Millis(leaf.not_before()),
        not_after: Millis(leaf.not_after()),
        certificate: leaf.to_pem(),
    };
    let known = restoration_find(tx, organisation.as_str())?;
    if known.gaps.is_empty() {
        return Err(ldevid_ended());
    }
    let subject = device_find(tx, organisation.as_str(), &shown.device)?;
    let state = subject.map(|subject| Onboarding::load(tx, &subject)).transpose()?.flatten();
    let (state, _) = state.unwrap_or_default();
    // It may have asked for it just before the backup was taken, and got it after.
    let forgotten = known.has_forgotten(shown.not_before) || state.wanted.as_ref() == Some(&shown.key);
    match forgotten && state.may_be_ahead(&shown.serial, shown.not_before) {
        true => Ok(shown),
        false => Err(ldevid_ended()),
    }
}

/// What a device that is ahead is answered at every door; nothing when it may go on.
///
/// # Errors
/// `ldevid-ended`: the connection is to be closed.
pub fn answer(meeting: Meeting) -> Result<Option<Answer>, Refusal> {
    Ok(match meeting {
        Meeting::Adopted => None,
        Meeting::Wait => {
            let why = "this hub was restored from a backup and does not know this LDevID; it waits for a person \
                       (`finding list`); ask again later";
            let refusal = Refusal::new(Sort::Later, "ahead-of-state", why).blaming(Blame::Operator);
            Some(Answer::from(&refusal))
        }
        Meeting::EnrolAgain => {
            let why = "this hub was restored from a backup and does not know this device; enrol again with the \
                       IDevID (RFC 7030 section 3.3.2)";
            Some(Answer::from(&Refusal::new(Sort::NotPermitted, ENROL_AGAIN, why)))
        }
        Meeting::Ended => return Err(ldevid_ended()),
    })
}
