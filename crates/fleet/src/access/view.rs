//! What the faces show and ask of access. [`Propose`] is asked by the hub and stands in no table.
use super::compile::{Compiled, hindrance};
use super::explain::explain;
use super::gate::store::gate_names;
use super::rules::{Command, Location, Made, State};
use super::{Access, store};
use crate::device;
use crate::limits::{SHOWN_GATES_MAX, WANTED_PLANS_MAX};
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::text::{Addresses, Digest, Hex, Label, Macs};
use crate::tx::Fault;
use crate::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::mud::Direction;
use wire::packet::Packet;
use wire::plan::{Action, Level, Plan, Verdict};

words! {
    /// How far a device's plan is.
    pub enum Enforcement {
        /// No plan: without a description nothing is enforced.
        None = "none",
        /// A plan was made, and waits for the device's onboarding or for a person.
        Proposed = "proposed",
        /// A plan is what the gates of the device's site are told to enforce: `gates` says which there are.
        Active = "active",
    }
}

/// What a device may reach.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AccessView {
    /// The device's id.
    pub device: String,
    /// How far its plan is.
    pub enforcement: Enforcement,
    /// The Ethernet addresses that it sends from.
    pub macs: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// The MUD URL of its description; empty without one.
    pub mud_url: String,
    /// SHA-256 of its description; empty without one.
    pub description: String,
    /// How far it is held back; empty when it is not.
    pub level: String,
    /// SHA-256 of the plan that gates are told; empty without one.
    pub active: String,
    /// The gates of its site that are told its plan, by name, at most 8; where there is none, nothing enforces it.
    pub gates: Vec<String>,
    /// SHA-256 of a newer plan that is not enforced yet; empty without one.
    pub proposed: String,
    /// What the plan says, in its order: the newer one if there is one.
    pub lines: Vec<String>,
    /// What a person should know of it: what keeps it from being enforced, entries that match nothing now, nodes
    /// that were ignored.
    pub notes: Vec<String>,
}

fn view(cx: &mut Cx, subject: &Subject, state: State) -> Result<AccessView, Refusal> {
    let newest = state.proposed.as_ref().or(state.active.as_ref());
    let (lines, mut notes) = match newest {
        Some(made) => {
            let (plan, mut notes) = kept(cx, subject, made)?;
            notes.splice(..0, hindrance(&plan).map(String::from));
            (explain(&plan), notes)
        }
        None => (Vec::new(), Vec::new()),
    };
    let failure = store::failure_find(cx.tx, subject)?;
    notes.extend(failure.map(|why| format!("no plan could be made: {why}")));
    let gates = gate_names(cx.tx, &subject.organisation, &subject.site, SHOWN_GATES_MAX)?;
    if state.active.is_some() && gates.is_empty() {
        notes.push(format!(
            "the site `{}` has no gate, so nothing enforces this plan; `gate appoint` makes a device one",
            subject.site
        ));
    }
    let pending = state.proposed.as_ref().filter(|made| state.active.as_ref() != Some(made));
    let digest = |made: Option<&Made>| made.map(|it| it.plan.clone()).unwrap_or_default();
    let (mud_url, description) = state.description.map(|it| (it.mud_url, it.digest)).unwrap_or_default();
    Ok(AccessView {
        device: subject.id.clone(),
        enforcement: match (&state.active, pending) {
            (Some(_), _) => Enforcement::Active,
            (None, Some(_)) => Enforcement::Proposed,
            (None, None) => Enforcement::None,
        },
        macs: state.location.macs.iter().map(ToString::to_string).collect(),
        addresses: state.location.addresses.iter().map(ToString::to_string).collect(),
        mud_url,
        description,
        level: state.level.map_or("", Level::word).into(),
        active: digest(state.active.as_ref()),
        gates,
        proposed: digest(pending),
        lines,
        notes,
    })
}

/// A kept plan, and its notes.
fn kept(cx: &mut Cx, subject: &Subject, made: &Made) -> Result<(Plan, Vec<String>), Refusal> {
    let found = store::plan_find(cx.tx, &subject.organisation, &made.plan)?;
    let plan = found.and_then(|(text, notes)| {
        let notes = notes.lines().map(String::from).collect();
        Some((Plan::from_json(&text).ok()?, notes))
    });
    plan.ok_or_else(|| {
        let detail =
            format!("the plan {} is not kept as it was made; `access remake` makes it again", made.plan);
        Refusal::new(Sort::Failed, "plan-lost", detail)
    })
}

fn found(cx: &mut Cx, device: &Label) -> Result<(Subject, State), Refusal> {
    let (subject, _) = device::find(cx, device.as_str())?;
    let (state, _) = Access::load(cx.tx, &subject)?.unwrap_or_default();
    Ok((subject, state))
}

/// Show what a device may reach, entry by entry
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "access show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = AccessView;

    fn run(&self, cx: &mut Cx) -> Result<AccessView, Refusal> {
        let (subject, state) = found(cx, &self.device)?;
        view(cx, &subject, state)
    }
}

/// Show a device's plan as a gate takes it
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowPlan {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

/// A plan that gates are told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PlanView {
    /// SHA-256 of the plan.
    pub digest: String,
    /// The plan as canonical JSON.
    pub plan: String,
}

impl Operation for ShowPlan {
    const NAME: &'static str = "access plan";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = PlanView;

    fn run(&self, cx: &mut Cx) -> Result<PlanView, Refusal> {
        let (subject, state) = found(cx, &self.device)?;
        let made = state.active.ok_or_else(no_plan)?;
        let (plan, _) = kept(cx, &subject, &made)?;
        let text = plan.to_json().map_err(|why| Refusal::new(Sort::Failed, "plan-lost", why.to_string()))?;
        Ok(PlanView { digest: made.plan, plan: String::from_utf8_lossy(&text).into_owned() })
    }
}

/// Say which addresses are a device's
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Locate {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Its addresses, with commas between them
    #[schemars(example = &"192.0.2.10,2001:db8::10")]
    pub addresses: Addresses,
    /// The Ethernet addresses that it sends from, with commas between them
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Macs>,
}

impl Operation for Locate {
    const NAME: &'static str = "access locate";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = AccessView;

    fn run(&self, cx: &mut Cx) -> Result<AccessView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let addresses = self.addresses.items();
        for address in &addresses {
            let owner = store::address_find(cx.tx, &subject.organisation, *address)?;
            if owner.is_some_and(|owner| owner != subject) {
                let detail = format!("{address} is another device's; locate that one elsewhere first");
                return Err(Refusal::new(Sort::Conflict, "address-taken", detail));
            }
        }
        let macs = self.macs.as_ref().map(Macs::items).unwrap_or_default();
        let state = cx.change::<Access>(&subject, Command::Locate(Location { macs, addresses }))?;
        view(cx, &subject, state)
    }
}

/// Enforce the newest plan of a device
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Activate {
    const NAME: &'static str = "access activate";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = AccessView;

    fn run(&self, cx: &mut Cx) -> Result<AccessView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Access>(&subject, Command::Activate)?;
        view(cx, &subject, state)
    }
}

words! {
    /// Which side began the flow that a packet belongs to.
    pub enum Side {
        /// The device.
        Device = "device",
        /// The other side.
        Other = "other",
        /// The packet itself begins a flow.
        New = "new",
    }
}

/// Hold a recorded packet against a device's plan
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
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

/// Nothing is known of the flow.
pub fn new_flow() -> Side {
    Side::New
}

/// What a plan says to a packet.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct VerdictView {
    /// `accept` or `drop`.
    pub action: String,
    /// Who says so: an entry of the plan, or a default.
    pub by: String,
    /// SHA-256 of the plan.
    pub plan: String,
}

impl Operation for Judge {
    const NAME: &'static str = "access judge";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = VerdictView;

    fn run(&self, cx: &mut Cx) -> Result<VerdictView, Refusal> {
        let (subject, state) = found(cx, &self.device)?;
        let Some(made) = state.active.or(state.proposed) else {
            let detail = "no plan was made for the device; it needs a verified description first";
            return Err(Refusal::new(Sort::Conflict, "nothing-proposed", detail));
        };
        let Judged { verdict, plan, .. } = held_against(cx, &subject, made, &self.packet, self.begun_by)?;
        let action = match verdict.action {
            Action::Accept => "accept",
            Action::Drop => "drop",
        };
        Ok(VerdictView { action: action.into(), by: verdict.by.to_string(), plan })
    }
}

/// A packet and what a plan says to it.
pub struct Judged {
    /// The packet.
    pub packet: Packet,
    /// Which way it goes, seen from the device; nothing when the device has no part in it.
    pub direction: Option<Direction>,
    /// What the plan says.
    pub verdict: Verdict,
    /// SHA-256 of the plan.
    pub plan: String,
}

/// What the plan that is enforced says to a packet.
///
/// # Errors
/// `no-plan`, `bad-packet`, or a fault of the store.
pub fn judged(cx: &mut Cx, subject: &Subject, packet: &Hex, begun_by: Side) -> Result<Judged, Refusal> {
    let (state, _) = Access::load(cx.tx, subject)?.unwrap_or_default();
    let made = state.active.ok_or_else(no_plan)?;
    held_against(cx, subject, made, packet, begun_by)
}

fn no_plan() -> Refusal {
    let detail = "no plan of the device is enforced; `access show` says how far it is";
    Refusal::new(Sort::NotFound, "no-plan", detail)
}

fn held_against(
    cx: &mut Cx,
    subject: &Subject,
    made: Made,
    packet: &Hex,
    begun_by: Side,
) -> Result<Judged, Refusal> {
    let (plan, _) = kept(cx, subject, &made)?;
    let packet = Packet::from_frame(&packet.octets())
        .map_err(|why| Refusal::new(Sort::Malformed, "bad-packet", format!("`packet`: {why}")))?;
    let begun_by = match begun_by {
        Side::Device => Some(Direction::FromDevice),
        Side::Other => Some(Direction::ToDevice),
        Side::New => None,
    };
    let (direction, verdict) = (plan.direction_of(&packet), plan.judge(&packet, begun_by));
    Ok(Judged { packet, direction, verdict, plan: made.plan })
}

/// A plan that is to be made, outside of the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The device's site.
    pub site: String,
    /// The device's id.
    pub device: String,
    /// SHA-256 of its description; nothing where none counts.
    pub description: Option<Digest>,
    /// Given back with the plan: if something changed meanwhile, another one is to be made.
    pub ticket: i64,
}

/// Which plans are to be made
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {}

impl Operation for Wanted {
    const NAME: &'static str = "access wanted";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<Work>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<Work>, Refusal> {
        let found = store::work_list(cx.tx, cx.session.organisation.as_str(), WANTED_PLANS_MAX)?;
        let work = found.into_iter().map(|(subject, description, ticket)| {
            let of = (!description.is_empty()).then_some(description);
            let description = of.map(|digest| digest.parse()).transpose().map_err(Fault::corrupt)?;
            Ok(Work { site: subject.site, device: subject.id, description, ticket })
        });
        Ok(work.collect::<Result<_, Fault>>()?)
    }
}

/// A plan was compiled for a device, or could not be
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// What was asked for
    pub work: Work,
    /// The plan as canonical JSON; empty if it could not be made
    pub plan: String,
    /// What a person should know of it, or why it could not be made
    pub notes: Vec<String>,
}

impl Propose {
    /// The outcome of some work.
    pub fn new(work: Work, compiled: Result<Compiled, String>) -> Self {
        let (plan, notes) = match compiled {
            Ok(Compiled { text, notes, .. }) => (text, notes),
            Err(why) => (String::new(), vec![why]),
        };
        Self { work, plan, notes }
    }
}

impl Operation for Propose {
    const NAME: &'static str = "access propose";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// Whether a plan of the device is enforced now.
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let Work { site, device, description, ticket } = &self.work;
        let (subject, notes) = (cx.subject(site, device), self.notes.join("\n"));
        if self.plan.is_empty() {
            store::work_fail(cx.tx, &subject, *ticket, &notes)?;
            return Ok(false);
        }
        let bad = |why: String| Refusal::new(Sort::Malformed, "bad-plan", why);
        let plan = Plan::from_json(self.plan.as_bytes()).map_err(|why| bad(why.to_string()))?;
        if plan.device != subject.id {
            return Err(bad(format!("the plan is for {}", plan.device)));
        }
        let digest = plan.digest().map_err(|why| bad(why.to_string()))?;
        store::plan_keep(cx.tx, &subject.organisation, &digest, self.plan.as_bytes(), &notes)?;
        store::work_done(cx.tx, &subject, *ticket)?;
        let description = description.as_ref().map(Digest::to_string).unwrap_or_default();
        let made = Made { plan: digest, description };
        cx.change::<Access>(&subject, Command::Propose(made, plan.level))?;
        Ok(!super::lacks_plan(cx, &subject)?)
    }
}

/// Make the plans of all devices that have a description again
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remake {}

impl Operation for Remake {
    const NAME: &'static str = "access remake";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        store::work_add_all(cx.tx, cx.session.organisation.as_str())?;
        Ok(true)
    }
}
