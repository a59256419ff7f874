//! What the faces, the door and the hub's worker ask of decommissions.
//!
//! [`LookAtReport`], [`HearReport`], [`Wanted`] and [`Archive`] are asked by the hub and are in no table.
use super::rules::{Command, Phase, Said, State, decide};
use super::{Retirement, store};
use crate::audit::store::lane_list;
use crate::audit::view::hex;
use crate::device;
use crate::door::malformed;
use crate::limits::OPERATION_MINUTES_MAX;
use crate::onboarding::Onboarding;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Reason, Room, Subject};
use crate::text::{Cursor, Digest, Label};
use crate::time::{Millis, Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::Certificate;
use wire::digest::sha256;
use wire::retirement::LastReport;

/// How a device's life ends.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RetirementView {
    /// The device's id.
    pub device: String,
    /// How far its decommission is.
    pub phase: Phase,
    /// Why its life ends.
    pub why: String,
    /// When it was asked for.
    pub asked_at: Shown,
    /// Until when the device may report.
    pub deadline: Shown,
    /// When it ended; nothing while it is open.
    pub ended_at: Option<Shown>,
    /// When the device's word came, if its life had ended without that.
    pub heard_at: Option<Shown>,
    /// What the device does not have any more, by its own signed word.
    pub wiped: Vec<String>,
    /// Its last report, by its SHA-256: a blob; empty when there is none.
    pub last_report: String,
    /// The LDevID whose key signed that, or those that were good when it was asked for: PEM.
    pub ldevid: String,
    /// The certificate of decommission, by its SHA-256: a blob; empty until it is signed.
    pub certificate: String,
    /// The certificate of before the device's late word, by its SHA-256: a blob; empty without one.
    pub replaces: String,
}

fn view(subject: &Subject, state: State) -> Result<RetirementView, Refusal> {
    let phase = state.phase.ok_or_else(not_begun)?;
    let (said, ended) = (state.said, (!phase.is_open()).then_some(Shown(state.ended_at)));
    Ok(RetirementView {
        device: subject.id.clone(),
        phase,
        why: state.why,
        asked_at: Shown(state.asked_at),
        deadline: Shown(state.deadline),
        ended_at: ended.filter(|_| phase != Phase::Cancelled),
        heard_at: Some(Shown(state.heard_at)).filter(|at| at.0 != Millis(0)),
        wiped: said.as_ref().map(|said| said.wiped.clone()).unwrap_or_default(),
        last_report: said.as_ref().map(|said| said.report.clone()).unwrap_or_default(),
        ldevid: said.map_or(state.ldevids, |said| said.ldevid),
        certificate: state.certificate,
        replaces: state.replaces,
    })
}

fn not_begun() -> Refusal {
    let detail = "nobody asked for the device to be wiped; `retirement begin` does";
    Refusal::new(Sort::NotFound, "not-decommissioned", detail)
}

fn shown(cx: &mut Cx, device: &str) -> Result<RetirementView, Refusal> {
    let (subject, _) = device::find(cx, device)?;
    let (state, _) = Retirement::load(cx.tx, &subject)?.unwrap_or_default();
    view(&subject, state)
}

/// Decommission a device: it wipes itself and reports, then its life here ends
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"support has ended")]
    pub why: Label,
    /// How many minutes it has for that; after them `retirement force` is possible
    #[serde(default = "a_day")]
    #[schemars(range(min = 0, max = 40320))]
    pub within_minutes: u32,
}

fn a_day() -> u32 {
    24 * 60
}

impl Operation for Begin {
    const NAME: &'static str = "retirement begin";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = RetirementView;

    fn run(&self, cx: &mut Cx) -> Result<RetirementView, Refusal> {
        if self.within_minutes > OPERATION_MINUTES_MAX {
            let detail = format!("write 0 to {OPERATION_MINUTES_MAX} minutes");
            return Err(Refusal::new(Sort::Malformed, "minutes-out-of-range", detail));
        }
        let now = cx.sound_now()?;
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let (joined, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
        let ldevids = joined.ldevids.into_values().map(|ldevid| ldevid.certificate).collect();
        let deadline = now.plus_seconds(i64::from(self.within_minutes) * 60);
        let begin = Command::Begin { why: self.why.to_string(), deadline, ldevids };
        let state = cx.change::<Retirement>(&subject, begin)?;
        view(&subject, state)
    }
}

/// End a device's life that did not report its wiping in time; it is recorded as not wiped
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Force {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"it cannot be found")]
    pub why: Label,
}

impl Operation for Force {
    const NAME: &'static str = "retirement force";
    const KIND: Kind = Kind::Write;
    /// As `device retire`, which does the same.
    const NEEDS: Permission = Permission::Operate;
    type Answer = RetirementView;

    fn run(&self, cx: &mut Cx) -> Result<RetirementView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Retirement>(&subject, Command::Force { why: self.why.to_string() })?;
        view(&subject, state)
    }
}

/// Call off a decommission that the device was not told of, or that it did not report in time
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Cancel {
    const NAME: &'static str = "retirement cancel";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = RetirementView;

    fn run(&self, cx: &mut Cx) -> Result<RetirementView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Retirement>(&subject, Command::Cancel)?;
        view(&subject, state)
    }
}

/// Show how a device's life ends
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "retirement show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = RetirementView;

    fn run(&self, cx: &mut Cx) -> Result<RetirementView, Refusal> {
        shown(cx, self.device.as_str())
    }
}

/// List the archive: every device that was decommissioned, or is being so
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this device's id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "retirement list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<RetirementView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<RetirementView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::retirement_list(cx.tx, organisation, after, limit + 1)?;
        let items: Result<_, _> = found.into_iter().map(|(subject, state)| view(&subject, state)).collect();
        Ok(Page::new(items?, limit, |r: &RetirementView| r.device.clone()))
    }
}

/// What the archive has of a device, for whoever wants proof of its end.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Exported {
    /// The certificate of decommission, by its SHA-256: CMS over JSON, signed by the domain's registrar.
    /// `blob get` fetches it.
    pub certificate: String,
    /// The device's last report, by its SHA-256: CMS over JSON; empty when it was not wiped.
    pub last_report: String,
    /// The certificate that verifies the last report: PEM.
    pub ldevid: String,
}

/// Name the proofs of a device's end: certificate of decommission, last report, and what verifies it
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Export {
    const NAME: &'static str = "retirement export";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Exported;

    fn run(&self, cx: &mut Cx) -> Result<Exported, Refusal> {
        let RetirementView { certificate, last_report, ldevid, .. } = shown(cx, self.device.as_str())?;
        if certificate.is_empty() {
            let detail =
                "there is no certificate of decommission yet: it is signed when the device's life ended";
            return Err(Refusal::new(Sort::Conflict, "not-archived", detail));
        }
        Ok(Exported { certificate, last_report, ldevid })
    }
}

/// Whose a last report is, and that it counts; who sent it is unknown until then
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookAtReport {
    /// What the report says
    pub spoken: Spoken,
}

/// A last report whose signature verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    /// The report's SHA-256.
    pub report: String,
    /// The `at` of the order.
    pub at: String,
    /// The device's `serialNumber`.
    pub serial_number: String,
    /// The device's id: the common name of the certificate.
    pub device: String,
    /// What the device does not have any more.
    pub wiped: Vec<String>,
    /// The certificate whose key signed: PEM.
    pub ldevid: String,
}

impl Spoken {
    /// Reads a last report.
    ///
    /// # Errors
    /// `bad-last-report`: whoever sent it is to blame.
    pub fn read(message: &[u8]) -> Result<Self, Refusal> {
        let (report, ldevid) =
            LastReport::verify(message).map_err(|why| malformed("bad-last-report", why))?;
        Ok(Spoken {
            report: hex(&sha256(message)),
            at: report.at,
            serial_number: report.serial_number,
            device: ldevid.subject().common_name().unwrap_or_default(),
            wiped: report.wiped,
            ldevid: ldevid.to_pem(),
        })
    }

    /// The device and its decommission, if the certificate is its own, the order's time is right, and its serial
    /// number.
    fn about(&self, cx: &mut Cx) -> Result<(Subject, State), Refusal> {
        // Nobody known asks: the refusal is not worth a line of the journal.
        let unknown = || {
            let detail = "no device with this LDevID was told to wipe itself at that time";
            malformed("last-report-unknown", detail)
        };
        let organisation = cx.session.organisation.as_str();
        let found = device::store::device_find(cx.tx, organisation, &self.device)?;
        let subject = found.filter(|subject| subject.id == self.device).ok_or_else(unknown)?;
        let (state, _) = Retirement::load(cx.tx, &subject)?.unwrap_or_default();
        // What it got in a later life says nothing of the one that ended.
        let joined = if state.is_open() { Onboarding::load(cx.tx, &subject)? } else { None };
        let (joined, _) = joined.unwrap_or_default();
        let serial_number = device::Device::load(cx.tx, &subject)?.map(|(it, _)| it.identity.serial_number);
        let said = state.said.as_ref().map(|said| said.ldevid.as_str()).unwrap_or_default();
        let good = joined.ldevids.into_values().map(|ldevid| ldevid.certificate).collect::<String>();
        let certificates = format!("{}{said}{good}", state.ldevids);
        let is_its = certificates_of(&certificates).contains(&self.ldevid);
        // One that was overdue and was begun anew may have been told by the order before.
        let orders = crate::control::wipes(cx.tx, &subject)?;
        let is_told = orders.into_iter().chain([state.asked_at]).any(|at| at.to_string() == self.at);
        let counts = is_its && is_told;
        match counts && serial_number.as_ref() == Some(&self.serial_number) {
            true => Ok((subject, state)),
            false => Err(unknown()),
        }
    }

    fn said(&self) -> Said {
        let Spoken { report, wiped, ldevid, .. } = self.clone();
        Said { report, wiped, ldevid }
    }
}

/// Certificates that stand one after another, as they are written here.
fn certificates_of(pem: &str) -> Vec<String> {
    let read = Certificate::list_from_pem(pem).unwrap_or_default();
    read.iter().map(Certificate::to_pem).collect()
}

impl Operation for LookAtReport {
    const NAME: &'static str = "retirement look";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    /// The device's id.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let (subject, state) = self.spoken.about(cx)?;
        // Nothing is kept that would not be heard.
        decide(&state, Command::Hear(self.spoken.said()), cx.now)
            .map_err(|why| Refusal::new(why.sort(), why.code(), why.to_string()))?;
        Ok(subject.id)
    }
}

/// A device's last report was kept: its life here ends, if it had not
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HearReport {
    /// What the report says
    pub spoken: Spoken,
}

impl Operation for HearReport {
    const NAME: &'static str = "retirement hear";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = RetirementView;

    fn run(&self, cx: &mut Cx) -> Result<RetirementView, Refusal> {
        let (subject, _) = self.spoken.about(cx)?;
        let state = cx.change::<Retirement>(&subject, Command::Hear(self.spoken.said()))?;
        view(&subject, state)
    }
}

/// Which certificates of decommission are to be signed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {}

/// A certificate of decommission to be signed, outside of any transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The device's site.
    pub site: String,
    /// The device's id.
    pub device: String,
    /// What is certified: JSON.
    pub text: String,
    /// When what is certified was so: the time of the signature.
    pub at: Millis,
}

impl Operation for Wanted {
    const NAME: &'static str = "retirement wanted";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<Work>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<Work>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let wanted = store::retirement_wanted(cx.tx, organisation, page::usual())?;
        wanted.into_iter().map(|subject| work(cx, subject)).collect()
    }
}

/// What is certified of a device: what it was, how its life ended, and the journal that says so.
fn work(cx: &mut Cx, subject: Subject) -> Result<Work, Refusal> {
    let (state, _) = Retirement::load(cx.tx, &subject)?.unwrap_or_default();
    let identity = device::Device::load(cx.tx, &subject)?.map(|(it, _)| it.identity).unwrap_or_default();
    let heads = lane_list(cx.tx)?.into_iter();
    let journal = heads.map(|head| json!({"lane": head.lane, "entry": head.seq, "hash": hex(&head.hash)}));
    let at = state.certified_at();
    let ended = view(&subject, state)?;
    let certificates = Certificate::list_from_pem(&ended.ldevid).unwrap_or_default();
    let text = json!({
        "certificate-of-decommission": 1,
        "organisation": subject.organisation,
        "site": subject.site,
        "device": subject.id,
        "name": identity.name,
        "maker": identity.maker,
        "model": identity.model,
        "serial_number": identity.serial_number,
        "why": ended.why,
        "asked_at": ended.asked_at,
        "ended_at": ended.ended_at,
        "heard_at": ended.heard_at,
        "is_wiped": ended.phase == Phase::Wiped,
        "wiped": ended.wiped,
        "last_report": ended.last_report,
        "replaces": ended.replaces,
        "ldevids": certificates.iter().map(|it| hex(&sha256(it.der()))).collect::<Vec<_>>(),
        "journal": journal.collect::<Vec<_>>(),
    });
    Ok(Work { site: subject.site, device: subject.id, text: text.to_string(), at })
}

/// A certificate of decommission was signed and kept
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The device's site
    pub site: String,
    /// The device's id
    pub device: String,
    /// The certificate's SHA-256
    pub certificate: Digest,
}

impl Operation for Archive {
    const NAME: &'static str = "retirement archive";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = RetirementView;

    fn run(&self, cx: &mut Cx) -> Result<RetirementView, Refusal> {
        let subject = cx.subject(&self.site, &self.device);
        let certificate = self.certificate.to_string();
        let state = cx.change::<Retirement>(&subject, Command::Archive { certificate })?;
        view(&subject, state)
    }
}
