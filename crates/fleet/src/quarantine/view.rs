//! What the faces show and ask of quarantine.
use super::Quarantine;
use super::rules::{Ahead, Command, Finding, Level, Matter, Packet, State};
use super::store::finding_list;
use super::traffic::{explained, what};
use crate::access::view::{Side, judged, new_flow};
use crate::device;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::text::{Cursor, Hex, Label};
use crate::time::Shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::mud::Direction;
use wire::plan::Action;

/// How far a device is held back.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct QuarantineView {
    /// The device's id.
    pub device: String,
    /// How far it is held back; nothing when it is not.
    pub level: Option<Level>,
    /// Why; empty when it is not.
    pub why: String,
    /// Since when; nothing when it is not.
    pub since: Option<Shown>,
    /// How many findings are open.
    pub findings: usize,
}

fn view(subject: &Subject, state: State) -> QuarantineView {
    QuarantineView {
        device: subject.id.clone(),
        level: state.level,
        findings: state.findings.values().filter(|finding| !finding.settled).count(),
        since: state.level.map(|_| Shown(state.since)),
        why: state.why,
    }
}

/// Show how far a device is held back, and why
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "quarantine show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = QuarantineView;

    fn run(&self, cx: &mut Cx) -> Result<QuarantineView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let (state, _) = Quarantine::load(cx.tx, &subject)?.unwrap_or_default();
        Ok(view(&subject, state))
    }
}

/// Hold a device back from its network
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// How far
    #[schemars(example = &"isolated")]
    pub level: Level,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"it behaves strangely")]
    pub why: Label,
}

impl Operation for Hold {
    const NAME: &'static str = "quarantine hold";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = QuarantineView;

    fn run(&self, cx: &mut Cx) -> Result<QuarantineView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let hold = Command::Hold { level: self.level, why: self.why.to_string() };
        let state = cx.change::<Quarantine>(&subject, hold)?;
        Ok(view(&subject, state))
    }
}

/// Let a device be that was held back; its findings are settled
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"a service call that was announced")]
    pub why: Label,
}

impl Operation for Release {
    const NAME: &'static str = "quarantine release";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = QuarantineView;

    fn run(&self, cx: &mut Cx) -> Result<QuarantineView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let release = Command::Release { why: self.why.to_string() };
        let state = cx.change::<Quarantine>(&subject, release)?;
        Ok(view(&subject, state))
    }
}

/// Report a packet that was seen; one that its device's description does not allow is a finding
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The Ethernet frame, as hexadecimal digits
    #[schemars(example = &"02005e00530202005e0053010806")]
    pub packet: Hex,
    /// Which side began the flow that the packet belongs to
    #[serde(default = "new_flow")]
    pub begun_by: Side,
}

/// What became of a packet that was reported.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Observed {
    /// Its device sent it, and its description does not allow it.
    pub outside: bool,
    /// What the plan says to it: an entry or a default.
    pub by: String,
    /// The finding's number; nothing when there is none.
    pub finding: Option<u32>,
    /// How far the device is held back now; nothing when it is not.
    pub level: Option<Level>,
}

impl Operation for Observe {
    const NAME: &'static str = "quarantine observe";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Observed;

    fn run(&self, cx: &mut Cx) -> Result<Observed, Refusal> {
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let judged = judged(cx, &subject, &self.packet, self.begun_by)?;
        let by = judged.verdict.by.to_string();
        // What others send to a device is not its doing, and what its level takes away it may not know.
        let outside = judged.verdict.action == Action::Drop
            && judged.direction == Some(Direction::FromDevice)
            && !matches!(judged.verdict.by, wire::plan::By::Held(_));
        if !outside {
            let (state, _) = Quarantine::load(cx.tx, &subject)?.unwrap_or_default();
            return Ok(Observed { outside, by, finding: None, level: state.level });
        }
        let packet = Packet { by: by.clone(), what: what(&judged.packet), plan: judged.plan };
        let state = cx.change::<Quarantine>(&subject, Command::Find(packet.clone()))?;
        Ok(Observed { outside, by, finding: state.open(&packet), level: state.level })
    }
}

/// Something that a person should look at.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct FindingView {
    /// What the device is called.
    pub name: String,
    /// The finding's number, counted for each device.
    pub finding: u32,
    /// What it sent, showed or said.
    pub what: String,
    /// Why that is a finding, and what a person may do.
    pub explanation: String,
    /// What drops a packet: an entry of the plan, or a default; `ahead-of-state/...` for what the hub does
    /// not know.
    pub by: String,
    /// SHA-256 of the plan that says so; empty when it is not about a packet.
    pub plan: String,
    /// When it was first seen.
    pub at: Shown,
    /// The device was released since, or a person settled it.
    pub settled: bool,
    /// The device's id.
    pub device: String,
}

fn shown(cx: &mut Cx, subject: Subject, number: u32, found: Finding) -> Result<FindingView, Refusal> {
    let (device, _) = device::Device::load(cx.tx, &subject)?.unwrap_or_default();
    let Finding { matter, at, settled } = found;
    let (by, what, plan, explanation) = match matter {
        Matter::Packet(Packet { by, what, plan }) => {
            let explanation = explained(&by);
            (by, what, plan, explanation)
        }
        Matter::Ahead { of, what } => (of.to_string(), what, String::new(), may_do(of).into()),
    };
    Ok(FindingView {
        name: device.identity.name,
        finding: number,
        what,
        explanation,
        by,
        plan,
        at: Shown(at),
        settled,
        device: subject.id,
    })
}

/// Why something is a finding, and what a person may do, by what a finding is decided by.
pub fn explanation(by: &str) -> String {
    by.parse().map_or_else(|_| explained(by), |of| may_do(of).into())
}

/// Why being ahead is a finding, and what a person may do.
fn may_do(of: Ahead) -> &'static str {
    match of {
        Ahead::Certificate => {
            "this domain's authority signed the certificate, and the hub does not know it: it was restored \
             from a backup (`restoration list`). Where a rule admits the devices of its maker it is adopted; \
             else `onboarding adopt` does that, and `onboarding revoke` ends it. A device that the hub has never \
             heard of joins anew with its IDevID. What the hub revoked in that time it has forgotten too: \
             revoke it again"
        }
        Ahead::Configuration => {
            "the hub was restored from a backup, or another hub told the device what to do. Its configuration \
             stays as it is: `configuration show` says what it has, `configuration backup` keeps that, \
             `configuration restore` gives it what the hub knows"
        }
        Ahead::Firmware => {
            "the hub was restored from a backup, or somebody else upgraded the device. `release fetch` \
             makes the firmware known"
        }
    }
}

/// List what was seen of devices: packets that their descriptions do not allow, and what a restored hub does not know
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFindings {
    /// Those that are settled, rather than those that are open
    #[serde(default)]
    pub settled: bool,
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for ListFindings {
    const NAME: &'static str = "finding list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<FindingView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<FindingView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (device, number) = page::after(self.after.as_ref()).rsplit_once('.').unwrap_or_default();
        let number = number.parse().unwrap_or(i64::from(u32::MAX));
        let organisation = cx.session.organisation.as_str();
        let found = finding_list(cx.tx, organisation, self.settled, (device, number), limit + 1)?;
        let items = found.into_iter().map(|(subject, number, found)| shown(cx, subject, number, found));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        Ok(Page::new(items, limit, |f: &FindingView| format!("{}.{}", f.device, f.finding)))
    }
}

/// Show a finding
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowFinding {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The finding's number
    #[schemars(example = &1)]
    pub finding: u32,
}

impl Operation for ShowFinding {
    const NAME: &'static str = "finding show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = FindingView;

    fn run(&self, cx: &mut Cx) -> Result<FindingView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let (mut state, _) = Quarantine::load(cx.tx, &subject)?.unwrap_or_default();
        let found = state.findings.remove(&self.finding).ok_or_else(|| {
            let detail = format!("the device has no finding {}; `finding list` shows them", self.finding);
            Refusal::new(Sort::NotFound, "finding-unknown", detail)
        })?;
        shown(cx, subject, self.finding, found)
    }
}

/// Settle a finding that was looked at; one of a packet ends with its device's release
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleFinding {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The finding's number
    #[schemars(example = &1)]
    pub finding: u32,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"it was enrolled on the day that was lost")]
    pub why: Label,
}

impl Operation for SettleFinding {
    const NAME: &'static str = "finding settle";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = QuarantineView;

    fn run(&self, cx: &mut Cx) -> Result<QuarantineView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let settle = Command::Settle { finding: self.finding, why: self.why.to_string() };
        let state = cx.change::<Quarantine>(&subject, settle)?;
        Ok(view(&subject, state))
    }
}
