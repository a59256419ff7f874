//! What the faces show and ask of gates, and what a gate asks of its hub.
use super::rules::Command;
use super::{Gate, store};
use crate::access::store::plan_find;
use crate::device;
use crate::onboarding::view::holder;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::text::{Cursor, Digest, Label};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::digest::from_hex;
use wire::limits::SITE_PLANS_MAX;
use wire::plan::PlanSet;

/// A gate.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct GateView {
    /// The device's id.
    pub device: String,
    /// The site whose plans it is told.
    pub site: String,
    /// Whether it is told them.
    pub appointed: bool,
}

fn view(subject: &Subject, appointed: bool) -> GateView {
    GateView { device: subject.id.clone(), site: subject.site.clone(), appointed }
}

/// Have a device enforce the plans of its site
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Appoint {
    /// The device's name or id
    #[schemars(example = &"gate-0001")]
    pub device: Label,
}

impl Operation for Appoint {
    const NAME: &'static str = "gate appoint";
    const KIND: Kind = Kind::Write;
    // It learns what every device of its site may reach.
    const NEEDS: Permission = Permission::Administer;
    type Answer = GateView;

    fn run(&self, cx: &mut Cx) -> Result<GateView, Refusal> {
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let state = cx.change::<Gate>(&subject, Command::Appoint)?;
        Ok(view(&subject, state.appointed))
    }
}

/// Have a gate enforce nothing any more; what its kernel has loaded stays until it is stopped
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dismiss {
    /// The device's name or id
    #[schemars(example = &"gate-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"another router stands there now")]
    pub why: Label,
}

impl Operation for Dismiss {
    const NAME: &'static str = "gate dismiss";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = GateView;

    fn run(&self, cx: &mut Cx) -> Result<GateView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let state = cx.change::<Gate>(&subject, Command::Dismiss { why: self.why.to_string() })?;
        Ok(view(&subject, state.appointed))
    }
}

/// List the gates
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this device
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "gate list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<GateView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<GateView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::gate_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.iter().map(|subject| view(subject, true)).collect();
        Ok(Page::new(items, limit, |gate: &GateView| gate.device.clone()))
    }
}

/// The gate whose good LDevID has this serial number.
fn gate(cx: &mut Cx, serial: &str) -> Result<Subject, Refusal> {
    let subject = holder(cx, serial)?;
    let (state, _) = Gate::load(cx.tx, &subject)?.unwrap_or_default();
    if state.appointed {
        return Ok(subject);
    }
    let detail = "the device is no gate; a person makes it one by `gate appoint`";
    Err(Refusal::new(Sort::NotFound, "not-a-gate", detail))
}

/// The plans of a gate's site
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Plans {
    /// The serial number of its LDevID, as hexadecimal digits
    pub serial: String,
}

impl Operation for Plans {
    const NAME: &'static str = "gate plans";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    /// The set in JSON.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let Subject { organisation, site, .. } = gate(cx, &self.serial)?;
        let most = i64::try_from(SITE_PLANS_MAX).unwrap_or(i64::MAX);
        let found = store::active_list(cx.tx, &organisation, &site, most.saturating_add(1))?;
        if found.len() > SITE_PLANS_MAX {
            let detail =
                format!("the site {site} has more than {SITE_PLANS_MAX} plans; one gate takes no more");
            return Err(Refusal::new(Sort::TooMuch, "too-many-plans", detail));
        }
        let set = PlanSet(found.iter().filter_map(|digest| from_hex(digest)).collect());
        Ok(String::from_utf8_lossy(&set.to_json()).into_owned())
    }
}

/// A plan of a gate's site
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct OnePlan {
    /// The serial number of its LDevID, as hexadecimal digits
    pub serial: String,
    /// The plan's SHA-256
    pub digest: Digest,
}

impl Operation for OnePlan {
    const NAME: &'static str = "gate plan";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    /// The plan in JSON.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let Subject { organisation, site, .. } = gate(cx, &self.serial)?;
        let digest = self.digest.as_str();
        let is_active = store::is_active(cx.tx, &organisation, &site, digest)?;
        let found = if is_active { plan_find(cx.tx, &organisation, digest)? } else { None };
        match found {
            Some((plan, _)) => Ok(String::from_utf8_lossy(&plan).into_owned()),
            None => {
                Err(Refusal::new(Sort::NotFound, "no-plan", "this plan is not active at the gate's site"))
            }
        }
    }
}
