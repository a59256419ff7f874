//! What the faces ask of the catalogue and the checks.
use super::catalogue::{By, REQUIREMENTS, Requirement, requirement};
use super::rules::{Check as Looked, Facts, failing};
use super::store;
use crate::operation::{Kind, Operation};
use crate::page;
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::retirement::support;
use crate::room::Cx;
use crate::text::{Cursor, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A requirement of the catalogue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RequirementView {
    /// Our name of it.
    pub name: &'static str,
    /// In one line.
    pub what: &'static str,
    /// Where it comes from: publisher and id.
    pub ids: Vec<&'static str>,
    /// What `posture check` looks at; nothing when a person has to.
    pub check: Option<Looked>,
    /// What a person looks at; empty when the check does.
    pub by_hand: &'static str,
}

fn view(requirement: &Requirement) -> RequirementView {
    let Requirement { name, what, ids, by } = *requirement;
    let (check, by_hand) = match by {
        By::Check(check) => (Some(check), ""),
        By::Person(how) => (None, how),
    };
    RequirementView { name, what, ids: ids.to_vec(), check, by_hand }
}

/// What is required of a fleet.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Catalogue {
    /// Every requirement.
    pub items: Vec<RequirementView>,
}

/// List what is required of a fleet, and how each is checked
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {}

impl Operation for List {
    const NAME: &'static str = "posture list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Catalogue;

    fn run(&self, _cx: &mut Cx) -> Result<Catalogue, Refusal> {
        Ok(Catalogue { items: REQUIREMENTS.iter().map(view).collect() })
    }
}

/// A device that falls short.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Failing {
    /// The device's name.
    pub name: String,
    /// Its id.
    pub device: String,
    /// What it lacks and what to do.
    pub why: String,
}

/// Which devices fall short of a requirement.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Checked {
    /// The requirement.
    pub requirement: RequirementView,
    /// Devices at work that were looked at.
    pub looked_at: u64,
    /// Those of them that fall short.
    pub failing: Vec<Failing>,
    /// Ask again with this as `after` for the devices that follow; absent when all were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Look which devices at work fall short of a requirement
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The requirement's name: `posture list` shows them
    #[schemars(example = &"supported")]
    pub requirement: Slug,
    /// Continue after this device's name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Look at so many devices at most
    #[serde(default = "most")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

fn most() -> u16 {
    crate::limits::PAGE_ITEMS_MAX
}

impl Operation for Check {
    const NAME: &'static str = "posture check";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Checked;

    fn run(&self, cx: &mut Cx) -> Result<Checked, Refusal> {
        let limit = page::checked(self.limit)?;
        let (requirement, check) = self.find()?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::at_work_list(cx.tx, organisation, cx.now, after, limit + 1)?;
        let page = page::Page::new(found, limit, |it: &store::AtWork| it.name.clone());
        let looked_at = page.items.len() as u64;
        let mut fails = Vec::new();
        for store::AtWork { subject, name, maker, model, good_ldevids, has_plan } in page.items {
            let ended = match check {
                Looked::Supported => support::ended(cx, &subject, &maker, &model)?,
                _ => None,
            };
            let support_ended = ended.map(|ended| (ended.at, ended.source));
            let facts = Facts { good_ldevids, has_plan, support_ended };
            let device = subject.id;
            fails.extend(failing(check, &facts).map(|why| Failing { name, device, why }));
        }
        Ok(Checked { requirement: view(requirement), looked_at, failing: fails, next: page.next })
    }
}

impl Check {
    fn find(&self) -> Result<(&'static Requirement, Looked), Refusal> {
        let Some(found) = requirement(self.requirement.as_str()) else {
            let detail =
                format!("the catalogue has no `{}`; `posture list` shows what it has", self.requirement);
            return Err(Refusal::new(Sort::NotFound, "requirement-unknown", detail));
        };
        match found.by {
            By::Check(check) => Ok((found, check)),
            By::Person(how) => {
                let detail = format!("nothing in the fleet says whether this holds; look yourself: {how}");
                Err(Refusal::new(Sort::Conflict, "checked-by-hand", detail))
            }
        }
    }
}
