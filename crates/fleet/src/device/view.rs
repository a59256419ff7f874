//! What the faces show and ask of devices. [`Names`] is asked by the pages and stands in no table.
use super::rules::{Command, Identity, Stage, State};
use super::{Device, find, store};
use crate::access::Access;
use crate::audit::view::{EntryView, timeline};
use crate::configuration::Configuration;
use crate::control::Control;
use crate::discovery::Discovery;
use crate::id::Id;
use crate::limits::{ANCHORS_MAX, PAGE_ITEMS_MAX, SILENCE_SECONDS_MAX};
use crate::onboarding::Onboarding;
use crate::onboarding::anchor::store::anchor_list;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::quarantine::Quarantine;
use crate::refusal::{Refusal, Sort};
use crate::remediation::Remediation;
use crate::retirement::{Retirement, support};
use crate::room::{Cx, Room, Subject};
use crate::text::{Cursor, Label, Slug};
use crate::time::{Millis, Shown};
use crate::tx::Fault;
use crate::upgrade::firmware::Firmware;
use crate::words;
use crate::{configuration, control, quarantine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wire::Certificate;
use wire::birth_record::{self, Verified};

/// A device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct DeviceView {
    /// What people call it.
    pub name: String,
    /// Where it is in its life.
    pub stage: Stage,
    /// The site it is at.
    pub site: String,
    /// Who makes it.
    pub maker: String,
    /// What its maker calls it.
    pub model: String,
    /// Its maker's serial number.
    pub serial_number: String,
    /// What a person should look at; empty when nothing.
    pub attention: String,
    /// Its id, for ever.
    pub device: String,
}

fn view(subject: Subject, state: State) -> DeviceView {
    let Identity { name, maker, model, serial_number } = state.identity;
    DeviceView {
        name,
        // `find` and the lists only give devices that somebody has heard of.
        stage: state.stage.unwrap_or(Stage::Expected),
        site: subject.site,
        maker,
        model,
        serial_number,
        attention: state.attention,
        device: subject.id,
    }
}

words! {
    /// What holds beside a device's stage.
    pub enum Condition {
        /// Its configuration was changed from outside: `configuration show` shows how.
        ConfigDrift = "config-drift",
        /// It is at work and has not checked in for long.
        Silent = "silent",
        /// It sent what its description does not allow: `finding list` shows what.
        OutsideDescription = "outside-description",
        /// Its product is not looked after any more: `support list` says since when.
        Unsupported = "unsupported",
        /// A person should look at it.
        NeedsAttention = "needs-attention",
    }
}

/// A device, and what holds beside its stage.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct DeviceDetail {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceView,
    /// What holds beside its stage.
    pub conditions: Vec<Condition>,
    /// When it last checked in; nothing if it never did.
    pub last_seen: Option<Shown>,
    /// Operations that its stage allows.
    pub possible: Vec<&'static str>,
}

const HERE: &[Stage] = {
    use Stage::{Discovered, Expected, Onboarding, Operational, Quarantined, Remediation};
    &[Expected, Discovered, Onboarding, Operational, Quarantined, Remediation]
};
const AT_WORK: &[Stage] = &[Stage::Operational, Stage::Quarantined, Stage::Remediation];

/// What may be asked of a device, by the stages that allow it. Whether it is done is for the room to say.
const POSSIBLE: &[(&str, &[Stage])] = {
    use Stage::{Discovered, Onboarding, Operational, Quarantined, Remediation, Retired};
    &[
        ("onboarding admit", &[Discovered]),
        ("description enter", HERE),
        ("description fetch", &[Discovered, Onboarding, Operational, Quarantined, Remediation]),
        ("description waive", &[Discovered]),
        ("configuration set", AT_WORK),
        ("configuration restore", AT_WORK),
        ("configuration backup", AT_WORK),
        ("access locate", &[Discovered, Onboarding, Operational, Quarantined, Remediation]),
        ("access activate", AT_WORK),
        ("quarantine hold", AT_WORK),
        ("quarantine release", &[Quarantined]),
        ("remediation begin", &[Operational, Quarantined]),
        ("remediation give-up", &[Remediation]),
        ("device replace", AT_WORK),
        ("onboarding revoke", &[Onboarding, Operational, Quarantined, Remediation]),
        ("retirement begin", AT_WORK),
        ("device rename", HERE),
        ("device retire", HERE),
        ("device claim", &[Retired]),
    ]
};

/// As [`POSSIBLE`], for what is asked about something of a device: a page of its own shows that.
const BESIDE: &[(&str, &[Stage])] = &[
    ("finding settle", HERE),
    ("gate appoint", AT_WORK),
    ("gate dismiss", AT_WORK),
    ("onboarding adopt", HERE),
    ("onboarding settle", HERE),
    ("operation cancel", HERE),
    ("quarantine observe", AT_WORK),
    ("retirement cancel", AT_WORK),
    ("retirement force", AT_WORK),
];

/// Whether the stage of a device lets an operation through.
pub fn allows(stage: Stage, operation: &str) -> bool {
    let known = POSSIBLE.iter().chain(BESIDE).find(|(name, _)| *name == operation);
    known.is_none_or(|(_, stages)| stages.contains(&stage))
}

/// The operations on a device that its stage allows.
pub(super) fn possible(stage: Stage) -> Vec<&'static str> {
    POSSIBLE.iter().filter(|(_, stages)| stages.contains(&stage)).map(|(operation, _)| *operation).collect()
}

fn detail(cx: &mut Cx, subject: Subject, state: State) -> Result<DeviceDetail, Refusal> {
    let last_seen = control::store::contact_find(cx.tx, &subject)?;
    let drifted = configuration::store::drifted(cx.tx, &subject)?;
    let outside = quarantine::store::is_outside_description(cx.tx, &subject)?;
    let (maker, model) = (&state.identity.maker, &state.identity.model);
    let unsupported = support::ended(cx, &subject, maker, model)?.is_some();
    let is_silent = |seen: Millis| state.is_at_work() && seen.plus_seconds(SILENCE_SECONDS_MAX) < cx.now;
    let holds = [
        (Condition::ConfigDrift, drifted),
        (Condition::Silent, last_seen.is_some_and(is_silent)),
        (Condition::OutsideDescription, outside),
        (Condition::Unsupported, unsupported),
        (Condition::NeedsAttention, !state.attention.is_empty()),
    ];
    let conditions = holds.into_iter().filter(|(_, holds)| *holds).map(|(condition, _)| condition).collect();
    let device = view(subject, state);
    let possible = possible(device.stage);
    Ok(DeviceDetail { device, conditions, last_seen: last_seen.map(Shown), possible })
}

fn change(cx: &mut Cx, device: &Label, command: Command) -> Result<DeviceView, Refusal> {
    let (subject, _) = find(cx, device.as_str())?;
    let state = cx.change::<Device>(&subject, command)?;
    Ok(view(subject, state))
}

/// A name must not look like an id, by which devices are found as well.
fn checked_name(name: &str) -> Result<(), Refusal> {
    if name.parse::<Id>().is_err() {
        return Ok(());
    }
    let detail = format!("`{name}` has the form of an id; choose another name");
    Err(Refusal::new(Sort::Malformed, "name-like-an-id", detail))
}

/// Why a device with a new id could not be kept: which of its keys another one has.
fn taken(cx: &mut Cx, identity: &Identity, why: Refusal) -> Result<Refusal, Fault> {
    let organisation = cx.session.organisation.as_str();
    let Some(key) = store::device_taken(cx.tx, organisation, identity)? else { return Ok(why) };
    let detail = format!("another device has this {key}; `device list` shows it");
    Ok(Refusal::new(Sort::Conflict, "device-known", detail))
}

/// Expect a device that has not been seen yet
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Its maker's serial number
    #[schemars(example = &"lamp-0001")]
    pub serial_number: Label,
    /// What people shall call it; its serial number when nothing else is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// Who makes it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<Label>,
    /// What its maker calls it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Label>,
    /// The site it will be at
    #[serde(default = "Slug::main")]
    pub site: Slug,
}

impl Operation for Expect {
    const NAME: &'static str = "device expect";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DeviceView;

    fn run(&self, cx: &mut Cx) -> Result<DeviceView, Refusal> {
        let text = |label: &Option<Label>| label.as_ref().map(Label::to_string).unwrap_or_default();
        let identity = Identity {
            name: self.name.as_ref().unwrap_or(&self.serial_number).to_string(),
            maker: text(&self.maker),
            model: text(&self.model),
            serial_number: self.serial_number.to_string(),
        };
        expect(cx, &self.site, identity)
    }
}

fn expect(cx: &mut Cx, site: &Slug, identity: Identity) -> Result<DeviceView, Refusal> {
    checked_name(&identity.name)?;
    let id = cx.draw_id();
    let subject = cx.subject(site.as_str(), id);
    match cx.begin::<Device>(&subject, Command::Expect(identity.clone())) {
        Ok(state) => Ok(view(subject, state)),
        Err(why) => Err(taken(cx, &identity, why)?),
    }
}

/// Expect the device of a birth record that a trusted maker signed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The record as PEM, as `birth show` of its maker's hub has it
    #[schemars(example = &"-----BEGIN CMS-----\nMIIC\n-----END CMS-----\n")]
    pub record: String,
    /// What people shall call it; its serial number when nothing else is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// The site it will be at
    #[serde(default = "Slug::main")]
    pub site: Slug,
}

impl Operation for Import {
    const NAME: &'static str = "device import";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DeviceView;

    fn run(&self, cx: &mut Cx) -> Result<DeviceView, Refusal> {
        let refused = |why: String| Refusal::new(Sort::Malformed, "bad-birth-record", why);
        let (mut makers, mut anchors) = (Vec::new(), Vec::new());
        for trusted in anchor_list(cx.tx, cx.session.organisation.as_str(), "", ANCHORS_MAX)? {
            if let Ok(certificate) = Certificate::from_pem(&trusted.certificate) {
                makers.push(trusted.anchor);
                anchors.push(certificate);
            }
        }
        let Verified { record, anchor } =
            birth_record::verify(&self.record, &anchors).map_err(|why| refused(why.to_string()))?;
        let maker = anchors.iter().position(|known| *known == anchor).map(|place| makers.swap_remove(place));
        let label = |text: &str| text.parse::<Label>().map_err(|why| refused(format!("`{text}`: {why}")));
        let (serial_number, model) = (label(&record.serial_number)?, label(&record.product)?);
        let identity = Identity {
            name: self.name.as_ref().unwrap_or(&serial_number).to_string(),
            maker: maker.unwrap_or_default(),
            model: model.to_string(),
            serial_number: serial_number.to_string(),
        };
        expect(cx, &self.site, identity)
    }
}

/// List devices by name
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only those in this stage of their life
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Only those at this site
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Slug>,
    /// Only those of this maker
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<Label>,
    /// Only those whose name or serial number begins so
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Label>,
    /// Continue after this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "device list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<DeviceView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<DeviceView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let only = store::Only {
            site: self.site.as_ref().map_or("", Slug::as_str),
            maker: self.maker.as_ref().map_or("", Label::as_str),
            begins: self.begins.as_ref().map_or("", Label::as_str),
        };
        let found = match self.stage {
            None => store::device_list(cx.tx, organisation, only, after, limit + 1)?,
            Some(stage) => store::device_list_stage(cx.tx, organisation, only, stage, after, limit + 1)?,
        };
        let items = found.into_iter().map(|listed| view(listed.subject, listed.state)).collect();
        Ok(Page::new(items, limit, |d: &DeviceView| d.name.clone()))
    }
}

/// Count devices by the stage of their life
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Only those at this site
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Slug>,
}

/// How many devices are in each stage.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Counts {
    /// Announced, not seen.
    pub expected: i64,
    /// Seen, not admitted.
    pub discovered: i64,
    /// Admitted, without certificate.
    pub onboarding: i64,
    /// At work.
    pub operational: i64,
    /// Held back.
    pub quarantined: i64,
    /// With a playbook.
    pub remediation: i64,
    /// Over.
    pub retired: i64,
    /// All of them.
    pub total: i64,
}

impl Operation for Count {
    const NAME: &'static str = "device count";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Counts;

    fn run(&self, cx: &mut Cx) -> Result<Counts, Refusal> {
        let site = self.site.as_ref().map_or("", Slug::as_str);
        let mut counts = Counts::default();
        for (stage, devices) in store::device_counts(cx.tx, cx.session.organisation.as_str(), site)? {
            counts.total += devices;
            *match stage {
                Stage::Expected => &mut counts.expected,
                Stage::Discovered => &mut counts.discovered,
                Stage::Onboarding => &mut counts.onboarding,
                Stage::Operational => &mut counts.operational,
                Stage::Quarantined => &mut counts.quarantined,
                Stage::Remediation => &mut counts.remediation,
                Stage::Retired => &mut counts.retired,
            } = devices;
        }
        Ok(counts)
    }
}

/// Show a device
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Its name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "device show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = DeviceDetail;

    fn run(&self, cx: &mut Cx) -> Result<DeviceDetail, Refusal> {
        let (subject, state) = find(cx, self.device.as_str())?;
        detail(cx, subject, state)
    }
}

/// Say what devices are called
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Names {
    /// Their ids; more than a page of a list may have are left out
    pub devices: BTreeSet<String>,
}

impl Operation for Names {
    const NAME: &'static str = "device names";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    /// By id; one that nobody has heard of is left out.
    type Answer = BTreeMap<String, String>;

    fn run(&self, cx: &mut Cx) -> Result<BTreeMap<String, String>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let mut names = BTreeMap::new();
        for id in self.devices.iter().take(PAGE_ITEMS_MAX.into()) {
            names.extend(store::device_name(cx.tx, organisation, id)?.map(|name| (id.clone(), name)));
        }
        Ok(names)
    }
}

/// Rooms whose subjects are devices.
pub const OF_DEVICES: [&str; 10] = [
    Device::NAME,
    Discovery::NAME,
    Onboarding::NAME,
    Access::NAME,
    Configuration::NAME,
    Control::NAME,
    Firmware::NAME,
    Quarantine::NAME,
    Remediation::NAME,
    Retirement::NAME,
];

/// Show what happened to a device in every room, newest first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Its name or id
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

impl Operation for Timeline {
    const NAME: &'static str = "device timeline";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<EntryView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<EntryView>, Refusal> {
        let (subject, _) = find(cx, self.device.as_str())?;
        timeline(cx, &OF_DEVICES, &subject.id, self.after.as_ref(), self.limit)
    }
}

/// Call a device something else
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Its name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The new name
    #[schemars(example = &"lamp-0001-hall")]
    pub name: Label,
}

impl Operation for Rename {
    const NAME: &'static str = "device rename";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DeviceView;

    fn run(&self, cx: &mut Cx) -> Result<DeviceView, Refusal> {
        checked_name(self.name.as_str())?;
        let (_, state) = find(cx, self.device.as_str())?;
        if state.identity.name != self.name.as_str()
            && store::device_find(cx.tx, cx.session.organisation.as_str(), self.name.as_str())?.is_some()
        {
            return Err(Refusal::new(Sort::Conflict, "device-known", "another device has this name"));
        }
        change(cx, &self.device, Command::Rename { name: self.name.to_string() })
    }
}

/// End a device's life here at once, and ask it nothing; only a new claim brings it back
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// Its name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"support has ended")]
    pub why: Label,
}

impl Operation for Retire {
    const NAME: &'static str = "device retire";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DeviceView;

    fn run(&self, cx: &mut Cx) -> Result<DeviceView, Refusal> {
        change(cx, &self.device, Command::Retire { why: self.why.to_string() })
    }
}

/// Begin a retired device's life anew, because somebody showed that it is theirs
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// What shows it: a delivery note, a claim code
    #[schemars(example = &"delivery note 7431")]
    pub proof: Label,
}

impl Operation for Claim {
    const NAME: &'static str = "device claim";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DeviceView;

    fn run(&self, cx: &mut Cx) -> Result<DeviceView, Refusal> {
        change(cx, &self.device, Command::Claim { proof: self.proof.to_string() })
    }
}
