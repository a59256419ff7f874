//! What the faces show of restorations, what the hub notes, and what the door asks of a device that is ahead.
//!
//! [`Note`] and [`Meet`] are asked by the hub itself and are in no table.
use super::Restoration;
use super::rules::{Command, Gap};
use super::store::restoration_find;
use crate::access;
use crate::device::is_retired;
use crate::device::store::{device_find, device_of_serial_number};
use crate::discovery;
use crate::onboarding::Onboarding;
use crate::onboarding::anchor::rules::Admission;
use crate::onboarding::rules::{Command as Joining, Ldevid, State};
use crate::onboarding::store::ldevid_find;
use crate::onboarding::view::{admission, ldevid_ended};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::Refusal;
use crate::room::{Cx, Subject};
use crate::text::{Cursor, Slug};
use crate::time::{Millis, Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time of which the hub knows nothing.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct GapView {
    /// The newest entry of the journal that was restored: what came after it is forgotten, revocations and
    /// retirements too.
    pub from: Shown,
    /// When the hub first started on it.
    pub until: Shown,
}

/// List the times of which this hub knows nothing, because it was restored from a backup
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "restoration list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<GapView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<GapView>, Refusal> {
        let (limit, [after]) = (page::checked(self.limit)?, page::cursor(self.after.as_ref(), [i64::MIN])?);
        let known = restoration_find(cx.tx, cx.session.organisation.as_str())?;
        let later = known.gaps.into_iter().filter(|gap| gap.until.0 > after);
        let items = later.take(usize::from(limit) + 1);
        let items = items.map(|Gap { from, until }| GapView { from: Shown(from), until: Shown(until) });
        Ok(Page::new(items.collect(), limit, |gap: &GapView| gap.until.0.0.to_string()))
    }
}

/// The hub starts for the first time on a state that was restored
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {}

impl Operation for Note {
    const NAME: &'static str = "restoration note";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        cx.sound_now()?;
        let (subject, newest) = (cx.subject("", "restoration"), cx.newest());
        cx.change::<Restoration>(&subject, Command::Note { newest })?;
        Ok(true)
    }
}

/// A device shows an LDevID that no row knows and that began in a gap
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meet {
    /// The device's id: the certificate's common name
    pub device: String,
    /// Its `serialNumber`
    pub serial_number: String,
    /// The certificate's serial number, as hexadecimal digits
    pub serial: String,
    /// SHA-256 of its key, as hexadecimal digits
    pub key: String,
    /// Since when it is good
    pub not_before: Millis,
    /// Until when it is good
    pub not_after: Millis,
    /// The certificate as PEM
    pub certificate: String,
}

/// What becomes of a device that is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Meeting {
    /// Its LDevID counts from now on.
    Adopted,
    /// A person has to adopt it, or its description has to be verified first.
    Wait,
    /// It has to show its IDevID again.
    EnrolAgain,
    /// It is retired.
    Ended,
}

impl Operation for Meet {
    const NAME: &'static str = "onboarding meet-ahead";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Meeting;

    fn run(&self, cx: &mut Cx) -> Result<Meeting, Refusal> {
        cx.sound_now()?;
        if ldevid_find(cx.tx, &self.serial)?.is_some() {
            return Ok(Meeting::Adopted);
        }
        let subject = self.subject(cx)?;
        let Meet { serial, key, not_before, not_after, certificate, .. } = self.clone();
        let ldevid = Ldevid { key, not_before, not_after, certificate };
        let serial_number = self.serial_number.clone();
        let show = Joining::ShowAhead { serial, serial_number, ldevid };
        let state = cx.change::<Onboarding>(&subject, show)?;
        if is_retired(cx.tx, &subject)? {
            return Ok(Meeting::Ended);
        }
        let known = state.introduction.as_ref().filter(|_| subject.id == self.device);
        match known.map(|known| (known.serial_number == self.serial_number, known.clone())) {
            None => Ok(Meeting::EnrolAgain),
            Some((false, _)) => Err(ldevid_ended()),
            Some((true, known)) if self.is_let_in(cx, &subject, &state, &known.mud_signer)? => {
                cx.change::<Onboarding>(&subject, Joining::Adopt)?;
                Ok(Meeting::Adopted)
            }
            Some(_) => Ok(Meeting::Wait),
        }
    }
}

impl Meet {
    /// The device: by its id, else by its serial number; else one that was never heard of.
    fn subject(&self, cx: &mut Cx) -> Result<Subject, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let by_id = device_find(cx.tx, organisation, &self.device)?.filter(|it| it.id == self.device);
        let known = match by_id {
            None => device_of_serial_number(cx.tx, organisation, &self.serial_number)?,
            by_id => by_id,
        };
        Ok(known.unwrap_or_else(|| cx.subject(Slug::main().as_str(), &self.device)))
    }

    /// Whether the rule that admits its maker's devices lets this one in, and admits it where that is due.
    fn is_let_in(
        &self,
        cx: &mut Cx,
        subject: &Subject,
        state: &State,
        mud_signer: &str,
    ) -> Result<bool, Refusal> {
        let anchor = state.introduction.as_ref().map(|known| known.anchor.clone()).unwrap_or_default();
        // A maker that is not trusted any more has no rule.
        let by_rule = admission(cx, &anchor).is_ok_and(|rule| rule == Admission::Automatic) && !state.barred;
        if !by_rule || (!state.admitted && discovery::hindrance(cx, subject, mud_signer)?.is_some()) {
            return Ok(false);
        }
        if !state.admitted {
            cx.change::<Onboarding>(subject, Joining::Admit)?;
        }
        Ok(!access::lacks_plan(cx, subject)?)
    }
}
