//! What the faces and the door ask of control.
//!
//! [`Look`], [`Hear`], [`NoteContacts`] and [`Expire`] are asked by the door and by the hub itself and are
//! in no table.
use super::rules::{Command, Desired, Kind, Operation as Asked, Phase, State, Step, ended_by, steps};
use super::{Control, store};
use crate::configuration;
use crate::control;
use crate::device;
use crate::door::malformed;
use crate::limits::{CONTACTS_MAX, STEP_ROWS_MAX};
use crate::onboarding::restoration::store::restoration_find;
use crate::onboarding::view::holder;
use crate::operation::{Kind as OperationKind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::quarantine;
use crate::refusal::Refusal;
use crate::remediation;
use crate::room::{Cx, Room, Subject};
use crate::text::{Cursor, Label};
use crate::time::{Millis, Shown};
use crate::tx::{Fault, Tx};
use crate::upgrade::release::store::newest_known;
use crate::upgrade::told as upgrade;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::control::{self as message, Report};
use wire::digest::hex;
use wire::retirement::Wipe;

/// Something that was asked of a device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct OperationView {
    /// Its number, counted for each device.
    pub operation: u32,
    /// What for.
    pub kind: Kind,
    /// Of what: a version's number, a release; empty where the kind says all.
    pub about: String,
    /// How far it is.
    pub phase: Phase,
    /// Why it did not end well; empty otherwise.
    pub why: String,
    /// When it was asked for.
    pub asked_at: Shown,
    /// Until when it may end well.
    pub deadline: Shown,
}

fn view(operation: u32, asked: Asked) -> OperationView {
    let Asked { kind, about, phase, asked_at, deadline, why } = asked;
    let (asked_at, deadline) = (Shown(asked_at), Shown(deadline));
    OperationView { operation, kind, about, phase, why, asked_at, deadline }
}

/// List what was asked of a device, newest first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "operation list";
    const KIND: OperationKind = OperationKind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<OperationView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<OperationView>, Refusal> {
        let (limit, [before]) = (page::checked(self.limit)?, page::cursor(self.after.as_ref(), [i64::MAX])?);
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let (state, _) = Control::load(cx.tx, &subject)?.unwrap_or_default();
        let earlier = state.operations.into_iter().rev().filter(|(number, _)| i64::from(*number) < before);
        let items = earlier.take(usize::from(limit) + 1).map(|(number, asked)| view(number, asked));
        Ok(Page::new(items.collect(), limit, |o: &OperationView| o.operation.to_string()))
    }
}

/// Give up something that was asked of a device
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The operation's number
    #[schemars(example = &1)]
    pub operation: u32,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"asked for by mistake")]
    pub why: Label,
}

impl Operation for Cancel {
    const NAME: &'static str = "operation cancel";
    const KIND: OperationKind = OperationKind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OperationView;

    fn run(&self, cx: &mut Cx) -> Result<OperationView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let cancel = Command::Cancel { operation: self.operation, why: self.why.to_string() };
        let mut state = cx.change::<Control>(&subject, cancel)?;
        let asked = state.operations.remove(&self.operation);
        asked
            .map(|asked| view(self.operation, asked))
            .ok_or_else(|| Fault::corrupt("no such operation").into())
    }
}

/// What a device that checked in is answered.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    /// The device's organisation.
    pub organisation: String,
    /// The device's site.
    pub site: String,
    /// The device's id.
    pub device: String,
    /// SHA-256 of its configuration, as hexadecimal digits; empty when it cannot be read.
    pub digest: String,
    /// The report says something new: [`Hear`] it.
    pub changes: bool,
    /// What it shall do, as it is sent; nothing when all is as it should be.
    pub desired: Option<String>,
    /// When the report is to be looked at again, although nothing happens until then.
    pub again_at: Option<Millis>,
}

/// A device checks in: look what its report means
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// The serial number of its LDevID, as hexadecimal digits
    pub serial: String,
    /// Its report as it came
    pub report: String,
    /// When it came
    pub came: Millis,
}

impl Operation for Look {
    const NAME: &'static str = "control look";
    const KIND: OperationKind = OperationKind::Read;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Heard;

    fn run(&self, cx: &mut Cx) -> Result<Heard, Refusal> {
        let (subject, report) = read(cx, &self.serial, &self.report)?;
        heard(cx, subject, &report, self.came).map(|(heard, ..)| heard)
    }
}

/// A device checks in and says something new: take it in
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hear {
    /// The serial number of its LDevID, as hexadecimal digits
    pub serial: String,
    /// Its report as it came
    pub report: String,
    /// When it came
    pub came: Millis,
}

impl Operation for Hear {
    const NAME: &'static str = "control hear";
    const KIND: OperationKind = OperationKind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Heard;

    fn run(&self, cx: &mut Cx) -> Result<Heard, Refusal> {
        let (subject, report) = read(cx, &self.serial, &self.report)?;
        let mut order_ended = None;
        if device::is_at_work(cx.tx, &subject)? {
            configuration::hear(cx, &subject, &report.configuration)?;
            upgrade::hear(cx, &subject, report.firmware.as_ref())?;
            if let Some(firmware) = firmware_ahead(cx.tx, &subject, &report)? {
                quarantine::find_firmware(cx, &subject, firmware)?;
            }
            let (state, _) = Control::load(cx.tx, &subject)?.unwrap_or_default();
            order_ended = ended_by(&state, &report);
            if let Some(ended) = order_ended.clone() {
                cx.change::<Control>(&subject, ended)?;
            }
        }
        let (heard, told, well) = heard(cx, subject.clone(), &report, self.came)?;
        for kind in told {
            cx.change::<Control>(&subject, Command::Begin { kind })?;
        }
        if device::is_at_work(cx.tx, &subject)? && control::reinstalls(cx.tx, &subject)?.is_none() {
            upgrade::tell(cx, &subject, report.firmware.as_ref())?;
        }
        match order_ended {
            _ if well => remediation::well(cx, &subject)?,
            Some(Command::Succeed { .. }) => remediation::done(cx, &subject, true)?,
            Some(_) => remediation::done(cx, &subject, false)?,
            None => {}
        }
        Ok(Heard { changes: false, ..heard })
    }
}

fn read(cx: &mut Cx, serial: &str, report: &str) -> Result<(Subject, Report), Refusal> {
    let subject = holder(cx, serial)?;
    let report = Report::from_json(report.as_bytes()).map_err(|why| malformed("bad-report", why))?;
    Ok((subject, report))
}

/// What a report means and what is answered; the operations of which the device is told by it; and whether
/// it ends what is tried to mend it.
fn heard(
    cx: &mut Cx,
    subject: Subject,
    report: &Report,
    came: Millis,
) -> Result<(Heard, Vec<Kind>, bool), Refusal> {
    let has = &report.configuration;
    let digest = has.digest.map(|digest| hex(&digest)).unwrap_or_default();
    let mut heard = Heard {
        organisation: subject.organisation.clone(),
        site: subject.site.clone(),
        device: subject.id.clone(),
        digest,
        changes: false,
        desired: None,
        again_at: None,
    };
    if !device::is_at_work(cx.tx, &subject)? {
        return Ok((heard, vec![], false));
    }
    let standing = configuration::look(cx.tx, &subject, has, cx.now)?;
    let (state, _) = Control::load(cx.tx, &subject)?.unwrap_or_default();
    let ordered = standing.ordered.as_ref().zip(state.open(Kind::ApplyConfiguration));
    let desired = Desired {
        configuration: ordered.map(|(order, (_, open))| (order.order, order.over.clone(), open.deadline)),
        document: standing.document_wanted,
        wipe: state.open(Kind::Wipe).is_some(),
        firmware: state.firmware_order().map(|(number, open)| (number, open.kind, open.deadline)),
    };
    let steps = steps(&desired, report, cx.now);
    let told = told(&state, &steps);
    let is_busy = state.open(Kind::Reinstall).is_some();
    let firmware = upgrade::look(cx.tx, &subject, report.firmware.as_ref(), is_busy, cx.now)?;
    let ahead = firmware_ahead(cx.tx, &subject, report)?.is_some();
    let ended = ended_by(&state, report).is_some();
    let changes = standing.changes || firmware.changes || ahead || ended || !told.is_empty();
    let settled = standing.settled && desired.firmware.is_none() && firmware.envelope.is_none() && !changes;
    let well = settled
        && remediation::awaits(cx.tx, &subject, came)?
        && upgrade::runs_it(cx.tx, &subject, report.firmware.as_ref())?;
    heard.changes = changes || well;
    heard.again_at = standing.again_at;
    let mut answer = message::Desired { firmware: firmware.envelope, ..message::Desired::default() };
    for step in &steps {
        match step {
            Step::Apply => {
                let order = standing.ordered.as_ref().map(|order| order.apply(cx.tx, &subject));
                answer.configuration = order.transpose()?;
            }
            Step::Confirm(order) => answer.confirmed = Some(*order),
            Step::SendConfiguration => answer.send_configuration = true,
            Step::Wipe => answer.wipe = wipe(&state),
            Step::Restart(order) => answer.restart = Some(*order),
            Step::Reinstall(order) => {
                if let Some((_, open)) = state.open(Kind::Reinstall) {
                    answer.firmware = Some(upgrade::envelope(cx.tx, &subject, &open.about)?);
                    answer.reinstall = Some(*order);
                }
            }
        }
    }
    heard.desired = (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer.to_json()).into_owned());
    Ok((heard, told, well))
}

/// What a device runs, when a hub that was restored knows of its maker's releases only older ones, and that
/// would be a new finding.
fn firmware_ahead(tx: &mut dyn Tx, subject: &Subject, report: &Report) -> Result<Option<String>, Fault> {
    let Some(running) = report.firmware.as_ref().and_then(|firmware| firmware.running) else {
        return Ok(None);
    };
    if restoration_find(tx, &subject.organisation)?.gaps.is_empty() {
        return Ok(None);
    }
    let Some(newest) = newest_known(tx, subject)? else { return Ok(None) };
    let runs = running.sequence_number;
    let what = format!("it runs the sequence number {runs}; the newest one known of its maker is {newest}");
    let ahead = i64::try_from(runs).unwrap_or(i64::MAX) > newest && quarantine::is_news(tx, subject, &what)?;
    Ok(ahead.then_some(what))
}

/// When it was asked for is what its last report repeats.
fn wipe(state: &State) -> Option<Wipe> {
    state.open(Kind::Wipe).map(|(_, asked)| Wipe { at: asked.asked_at.to_string() })
}

/// The operations that begin with these steps.
fn told(state: &State, steps: &[Step]) -> Vec<Kind> {
    let kinds = steps.iter().filter_map(|step| match step {
        Step::Apply => Some(Kind::ApplyConfiguration),
        Step::SendConfiguration => Some(Kind::BackUpConfiguration),
        Step::Wipe => Some(Kind::Wipe),
        Step::Restart(_) => Some(Kind::Restart),
        Step::Reinstall(_) => Some(Kind::Reinstall),
        Step::Confirm(_) => None,
    });
    let waits = |kind: &Kind| state.open(*kind).is_some_and(|(_, o)| o.phase == Phase::Requested);
    kinds.filter(waits).collect()
}

/// A device was heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// The device's organisation.
    pub organisation: String,
    /// The device's site.
    pub site: String,
    /// The device's id.
    pub device: String,
    /// When.
    pub seen: Millis,
    /// SHA-256 of its configuration, as hexadecimal digits; empty when it cannot be read.
    pub digest: String,
}

/// Note when devices were heard of
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoteContacts {
    /// Sorted by device, so that two writers do not wait for each other
    pub contacts: Vec<Contact>,
}

impl Operation for NoteContacts {
    const NAME: &'static str = "control note-contacts";
    const KIND: OperationKind = OperationKind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// How many were noted.
    type Answer = usize;

    fn run(&self, cx: &mut Cx) -> Result<usize, Refusal> {
        for Contact { organisation, site, device, seen, digest } in self.contacts.iter().take(CONTACTS_MAX) {
            let (organisation, site) = (organisation.clone(), site.clone());
            let subject = Subject { organisation, site, id: device.clone() };
            store::contact_note(cx.tx, &subject, *seen, digest)?;
        }
        Ok(self.contacts.len().min(CONTACTS_MAX))
    }
}

/// End what was asked and whose deadline passed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Expire {}

impl Operation for Expire {
    const NAME: &'static str = "control expire";
    const KIND: OperationKind = OperationKind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// How many devices it was about.
    type Answer = usize;

    fn run(&self, cx: &mut Cx) -> Result<usize, Refusal> {
        let now = cx.sound_now()?;
        let mut late = store::operations_late(cx.tx, now, STEP_ROWS_MAX)?;
        late.sort();
        late.dedup();
        for subject in &late {
            cx.change::<Control>(subject, Command::Expire)?;
        }
        Ok(late.len())
    }
}
