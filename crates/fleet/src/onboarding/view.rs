//! What the faces and the doors ask of joining.
//!
//! [`Enrol`], [`Issue`] and [`Report`] are asked by the doors for a device and are in no table.
use super::anchor::Anchor;
use super::anchor::rules::Admission;
use super::rules::{Command, Introduction, Ldevid, LogSummary, State, Verdict};
use super::{Onboarding, store};
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Reason, Room, Subject};
use crate::text::Label;
use crate::time::{Millis, Shown};
use crate::{access, device, discovery};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A device's joining.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct OnboardingView {
    /// The device's id.
    pub device: String,
    /// The anchor that vouches for its maker; empty when it never showed an IDevID.
    pub anchor: String,
    /// `serialNumber` of its IDevID.
    pub serial_number: String,
    /// A person or a rule let it join.
    pub admitted: bool,
    /// What it says of the voucher that it got here; none when it joins without one.
    pub voucher: Option<VoucherView>,
    /// It reported that it is enrolled.
    pub enrolled: bool,
    /// Its good certificates.
    pub ldevids: Vec<LdevidView>,
    /// A certificate of this domain that it showed and that this hub does not know, because it was restored
    /// from a backup; none when there is none, or it was adopted.
    pub ahead: Option<LdevidView>,
}

/// A voucher that the device's maker issued.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct VoucherView {
    /// The nonce that the device sent.
    pub nonce: String,
    /// The domain that it was told to trust (RFC 8995 section 5.8.2).
    pub domain_id: String,
    /// What the device says of it: `open` when it has not said anything.
    pub verdict: Verdict,
    /// Why it refused it, in its own words.
    pub reason: String,
    /// What the maker's service says of all vouchers of this device (RFC 8995 section 5.8); none when it did
    /// not say.
    pub log: Option<LogSummary>,
    /// The voucher itself: CMS as base64.
    pub voucher: String,
}

/// A good certificate.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct LdevidView {
    /// Its serial number.
    pub serial: String,
    /// Since when.
    pub not_before: Shown,
    /// Until when.
    pub not_after: Shown,
    /// The certificate as PEM.
    pub certificate: String,
}

fn view(subject: &Subject, state: State) -> OnboardingView {
    let (anchor, serial_number) = state.introduction.map(|i| (i.anchor, i.serial_number)).unwrap_or_default();
    let shown = |(serial, ldevid): (String, Ldevid)| LdevidView {
        serial,
        not_before: Shown(ldevid.not_before),
        not_after: Shown(ldevid.not_after),
        certificate: ldevid.certificate,
    };
    let voucher = state.voucher.map(|v| VoucherView {
        nonce: v.nonce,
        domain_id: v.domain_id,
        verdict: v.verdict,
        reason: v.reason,
        log: v.log,
        voucher: v.voucher,
    });
    OnboardingView {
        device: subject.id.clone(),
        anchor,
        serial_number,
        admitted: state.admitted,
        voucher,
        enrolled: state.enrolled,
        ldevids: state.ldevids.into_iter().map(shown).collect(),
        ahead: state.ahead.map(shown),
    }
}

/// Let a device join that asked to
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Admit {
    const NAME: &'static str = "onboarding admit";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OnboardingView;

    fn run(&self, cx: &mut Cx) -> Result<OnboardingView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let (before, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
        if let Some(introduction) = &before.introduction
            && !before.admitted
            && let Some(hindrance) = discovery::hindrance(cx, &subject, &introduction.mud_signer)?
        {
            return Err(hindrance);
        }
        let state = cx.change::<Onboarding>(&subject, Command::Admit)?;
        Ok(view(&subject, state))
    }
}

/// Take the certificate that a device showed and that this hub does not know for a good one: the hub was
/// restored from a backup, and had issued it since
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adopt {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Adopt {
    const NAME: &'static str = "onboarding adopt";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OnboardingView;

    fn run(&self, cx: &mut Cx) -> Result<OnboardingView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Onboarding>(&subject, Command::Adopt)?;
        Ok(view(&subject, state))
    }
}

/// End every certificate of a device at once; it has to ask and be admitted again
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"its key leaked")]
    pub why: Label,
}

impl Operation for Revoke {
    const NAME: &'static str = "onboarding revoke";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OnboardingView;

    fn run(&self, cx: &mut Cx) -> Result<OnboardingView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Onboarding>(&subject, Command::Revoke { why: self.why.to_string() })?;
        Ok(view(&subject, state))
    }
}

/// Say that somebody has looked at why a device refused its voucher or failed to enrol; it stays findable in the
/// journal
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// What they found, for whoever reads the journal later
    #[schemars(example = &"a proxy stood between; it is gone")]
    pub why: Label,
}

impl Operation for Settle {
    const NAME: &'static str = "onboarding settle";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OnboardingView;

    fn run(&self, cx: &mut Cx) -> Result<OnboardingView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Onboarding>(&subject, Command::Settle { why: self.why.to_string() })?;
        Ok(view(&subject, state))
    }
}

/// Show how far a device has joined, and its certificates
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "onboarding show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = OnboardingView;

    fn run(&self, cx: &mut Cx) -> Result<OnboardingView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let (state, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
        Ok(view(&subject, state))
    }
}

/// How a device proved over TLS who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Proof {
    /// With the identity of its factory.
    Idevid(Introduction),
    /// With the identity that it got here.
    Ldevid {
        /// The certificate's serial number, as hexadecimal digits.
        serial: String,
    },
}

/// A device wants a certificate for a key
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// Who asks
    pub proof: Proof,
    /// SHA-256 of the key, as hexadecimal digits
    pub key: String,
}

/// What a device that wants a certificate is told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Nobody has admitted it, or the plan of what it may reach is not active yet: ask again later.
    Wait,
    /// It has this certificate for this key already.
    Again {
        /// The certificate as PEM.
        certificate: String,
    },
    /// The hub shall sign one.
    Sign(Work),
}

/// A certificate to be signed, outside of the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The device's organisation.
    pub organisation: String,
    /// The device's site.
    pub site: String,
    /// The device's id: the certificate's common name.
    pub device: String,
    /// The device's `serialNumber`.
    pub serial_number: String,
    /// SHA-256 of its key, as hexadecimal digits.
    pub key: String,
    /// The certificate's serial number.
    pub serial: [u8; 16],
    /// Since when it shall be good.
    pub not_before: Millis,
}

impl Operation for Enrol {
    const NAME: &'static str = "onboarding enrol";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Decision;

    fn run(&self, cx: &mut Cx) -> Result<Decision, Refusal> {
        let now = cx.sound_now()?;
        let subject = self.subject(cx)?;
        let (state, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
        if !state.admitted || access::lacks_plan(cx, &subject)? {
            return Ok(Decision::Wait);
        }
        let half_left = |l: &Ldevid| now.0 - l.not_before.0 < l.not_after.0 - now.0;
        if let Some(known) = state.ldevids.values().find(|l| l.key == self.key && half_left(l)) {
            return Ok(Decision::Again { certificate: known.certificate.clone() });
        }
        if state.is_enrolled(now) && matches!(self.proof, Proof::Idevid(_)) {
            return Err(already_enrolled());
        }
        let state = cx.change::<Onboarding>(&subject, Command::Want { key: self.key.clone() })?;
        Ok(Decision::Sign(work(cx, subject, &state, self.key.clone(), now)))
    }
}

pub(super) fn already_enrolled() -> Refusal {
    let detail = "the device is enrolled; it renews with its LDevID, or is retired and claimed first";
    Refusal::new(Sort::Conflict, "already-enrolled", detail)
}

fn work(cx: &mut Cx, subject: Subject, state: &State, key: String, now: Millis) -> Work {
    let serial = cx.draw_serial();
    let serial_number = state.introduction.as_ref().map(|i| i.serial_number.clone()).unwrap_or_default();
    let Subject { organisation, site, id: device } = subject;
    Work { organisation, site, device, serial_number, key, serial, not_before: now }
}

impl Enrol {
    /// The device that asks; one that was not heard of or only expected is introduced first.
    fn subject(&self, cx: &mut Cx) -> Result<Subject, Refusal> {
        match &self.proof {
            Proof::Ldevid { serial } => holder(cx, serial),
            Proof::Idevid(introduction) => introduced(cx, introduction.clone()),
        }
    }
}

/// The device whose good LDevID has this serial number.
///
/// # Errors
/// `ldevid-ended`, or a fault of the store.
pub fn holder(cx: &mut Cx, serial: &str) -> Result<Subject, Refusal> {
    store::ldevid_find(cx.tx, serial)?.ok_or_else(ldevid_ended)
}

pub(super) fn ldevid_ended() -> Refusal {
    let why = super::rules::Refusal::LdevidEnded;
    Refusal::new(why.sort(), why.code(), why.to_string())
}

/// The device of an IDevID; one that was not heard of or only expected is introduced first.
pub(super) fn introduced(cx: &mut Cx, introduction: Introduction) -> Result<Subject, Refusal> {
    let organisation = cx.session.organisation.as_str().to_string();
    let (anchor, serial_number) = (&introduction.anchor, &introduction.serial_number);
    let known = device::store::device_of_maker(cx.tx, &organisation, anchor, serial_number)?;
    let subject = match known {
        Some(subject) => subject,
        None => {
            let id = cx.draw_id();
            cx.subject(crate::text::Slug::main().as_str(), id)
        }
    };
    let (before, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
    let admission = admission(cx, &introduction.anchor)?;
    let mud_signer = introduction.mud_signer.clone();
    cx.change::<Onboarding>(&subject, Command::Introduce(introduction))?;
    // The rule is asked at every request: a description may have been verified since the last one.
    let by_rule = !before.admitted && !before.barred && admission == Admission::Automatic;
    if by_rule && discovery::hindrance(cx, &subject, &mud_signer)?.is_none() {
        cx.change::<Onboarding>(&subject, Command::Admit)?;
    }
    Ok(subject)
}

/// Who admits the devices of an anchor that is trusted now.
pub(super) fn admission(cx: &mut Cx, anchor: &str) -> Result<Admission, Refusal> {
    let subject = cx.subject("", anchor);
    let trusted = Anchor::load(cx.tx, &subject)?.and_then(|(state, _)| state.admission);
    trusted.ok_or_else(|| anchor_removed(anchor))
}

pub(super) fn anchor_removed(anchor: &str) -> Refusal {
    let detail = format!("the maker `{anchor}` is not trusted any more");
    Refusal::new(Sort::NotPermitted, "anchor-removed", detail)
}

/// A certificate was signed for a device
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// What was to be signed
    pub work: Work,
    /// Until when it is good
    pub not_after: Millis,
    /// The certificate's serial number as it was signed, as hexadecimal digits
    pub serial: String,
    /// The certificate as PEM
    pub certificate: String,
}

impl Operation for Issue {
    const NAME: &'static str = "onboarding issue";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// The certificate that counts for this key: of two that were signed at once, the first one kept.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let Work { organisation, site, device, key, not_before, .. } = self.work.clone();
        let subject = Subject { organisation, site, id: device };
        let certificate = self.certificate.clone();
        let ldevid = Ldevid { key, not_before, not_after: self.not_after, certificate };
        let state =
            cx.change::<Onboarding>(&subject, Command::Issue { serial: self.serial.clone(), ldevid })?;
        let kept =
            state.ldevids.into_values().filter(|l| l.key == self.work.key).max_by_key(|l| l.not_before);
        Ok(kept.map(|l| l.certificate).unwrap_or_default())
    }
}

/// A device says how its enrolment went (RFC 8995 section 5.9.4)
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Who says it
    pub proof: Proof,
    /// Whether it went well
    pub good: bool,
    /// In its own words
    pub reason: String,
}

impl Operation for Report {
    const NAME: &'static str = "onboarding report";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let (subject, matched) = match &self.proof {
            Proof::Ldevid { serial } => (holder(cx, serial)?, true),
            Proof::Idevid(introduction) => (introduced_before(cx, introduction)?, false),
        };
        let report = Command::Report { good: self.good, reason: self.reason.clone(), matched };
        cx.change::<Onboarding>(&subject, report)?;
        Ok(true)
    }
}

/// The device that showed exactly this IDevID when it first asked.
pub(super) fn introduced_before(cx: &mut Cx, introduction: &Introduction) -> Result<Subject, Refusal> {
    let organisation = cx.session.organisation.as_str();
    let (anchor, serial_number) = (&introduction.anchor, &introduction.serial_number);
    let known = device::store::device_of_maker(cx.tx, organisation, anchor, serial_number)?;
    if let Some(subject) = known {
        let (state, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
        if state.introduction.as_ref().is_some_and(|known| known.same_idevid(introduction)) {
            return Ok(subject);
        }
    }
    let detail = "no device asked to join with the IDevID that was shown";
    Err(Refusal::new(Sort::NotPermitted, "another-idevid", detail))
}
