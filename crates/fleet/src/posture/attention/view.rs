//! What the faces show of what a person should look at.
use super::store::{self, Found};
use crate::device;
use crate::limits::SILENCE_SECONDS_MAX;
use crate::operation::{Kind as OperationKind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::quarantine::view::explanation;
use crate::refusal::Refusal;
use crate::room::Cx;
use crate::text::{Cursor, Label};
use crate::time::Shown;
use crate::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

words! {
    /// What sort of thing a person should look at, the most severe one first.
    pub enum Kind {
        /// What was tried to mend a device did not help.
        NeedsAttention = "needs-attention",
        /// A device is held back until a person releases it.
        Held = "held",
        /// A device sent what its description does not allow.
        OutsideDescription = "outside-description",
        /// A device refused its voucher, or its request shows that somebody stands between.
        VoucherRefused = "voucher-refused",
        /// A device has what the hub does not know: it was restored from a backup.
        AheadOfState = "ahead-of-state",
        /// Statements about a device contradict each other.
        Contradiction = "contradiction",
        /// A rollout was stopped by rule, and no later one to devices of its kind has finished.
        RolloutStopped = "rollout-stopped",
        /// A rollout waits for a person.
        RolloutPaused = "rollout-paused",
        /// A device did not keep the configuration that it was given.
        ConfigurationNotKept = "configuration-not-kept",
        /// A device failed to enrol.
        EnrolmentFailed = "enrolment-failed",
        /// A device is at work and has not checked in for long.
        Silent = "silent",
        /// A device's configuration was changed from outside.
        ConfigDrift = "config-drift",
        /// A description could not be fetched or verified.
        DescriptionFailed = "description-failed",
    }
}

/// Something that a person should look at.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AttentionView {
    /// What sort of thing it is.
    pub kind: Kind,
    /// What the device, rollout or description is called.
    pub name: String,
    /// What it is.
    pub what: String,
    /// Why a person should look.
    pub explanation: String,
    /// Since when.
    pub since: Shown,
    /// The number of the device's finding; nothing when it has none.
    pub finding: Option<u32>,
    /// Operations that settle it.
    pub possible: &'static [&'static str],
    /// The device's id; empty when it is about no single device.
    pub device: String,
}

fn view(kind: Kind, found: Found) -> AttentionView {
    let Found { since, id, device, name, what, detail } = found;
    let finding = match kind {
        Kind::OutsideDescription | Kind::AheadOfState => {
            id.rsplit_once('.').and_then(|(_, number)| number.parse().ok())
        }
        _ => None,
    };
    let (explanation, possible): (String, &[&str]) = match kind {
        Kind::NeedsAttention => (
            "what was tried did not help, and nothing more is tried".into(),
            &["remediation begin", "device replace", "quarantine release", "retirement begin"],
        ),
        Kind::Held => (
            format!("it is held at `{detail}` until a person releases it"),
            &["quarantine release", "remediation begin"],
        ),
        Kind::OutsideDescription => (explanation(&detail), &["quarantine release", "remediation begin"]),
        Kind::AheadOfState => (explanation(&detail), ahead(&detail)),
        Kind::VoucherRefused => (
            "it does not join by it; who issued it, or who stands between, has to be found out".into(),
            &["onboarding settle", "onboarding revoke"],
        ),
        Kind::EnrolmentFailed => (
            "it has no certificate that it can use, and asks again by itself".into(),
            &["onboarding settle", "onboarding revoke"],
        ),
        Kind::Silent => (
            format!(
                "it was last heard of then; a device at work checks in within {SILENCE_SECONDS_MAX} seconds"
            ),
            &["remediation begin", "quarantine hold", "device replace", "device retire"],
        ),
        Kind::Contradiction => {
            ("of what is said of it, the stronger statement counts".into(), &["description enter"])
        }
        Kind::RolloutStopped => {
            (format!("nobody else is offered {detail}; another release has to follow"), &["rollout start"])
        }
        Kind::RolloutPaused => {
            (format!("nobody is offered {detail} until it goes on"), &["rollout resume", "rollout stop"])
        }
        Kind::ConfigurationNotKept => {
            ("it took its last order back, or never took it up".into(), &["configuration set"])
        }
        Kind::ConfigDrift => (
            "it has another configuration than it was given".into(),
            &["configuration restore", "configuration backup"],
        ),
        Kind::DescriptionFailed => (format!("it is not verified: {detail}"), &["description fetch"]),
    };
    let what = match kind {
        Kind::ConfigDrift => "changed from outside".into(),
        Kind::Silent => "has not checked in".into(),
        _ => what,
    };
    AttentionView { kind, name, what, explanation, since: Shown(since), finding, possible, device }
}

/// What may be done about a device that is ahead of what the hub knows.
fn ahead(by: &str) -> &'static [&'static str] {
    match by {
        "ahead-of-state/certificate" => &["onboarding adopt", "onboarding revoke", "finding settle"],
        "ahead-of-state/configuration" => {
            &["configuration backup", "configuration restore", "finding settle"]
        }
        _ => &["release fetch", "finding settle"],
    }
}

/// List everything that waits for a person: findings, held devices, stopped rollouts, drift; most severe first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only this sort
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only of this device: its name or id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Label>,
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "attention list";
    const KIND: OperationKind = OperationKind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<AttentionView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<AttentionView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let device = match &self.device {
            Some(device) => device::find(cx, device.as_str())?.0.id,
            None => String::new(),
        };
        let (first, at, id) = place(self.after.as_ref())?;
        let mut found = Vec::new();
        for (number, kind) in Kind::ALL.iter().enumerate().skip(first) {
            if self.kind.is_some_and(|wanted| wanted != *kind) {
                continue;
            }
            // One that was heard of since is not silent.
            let newest = store::newest(*kind, cx.now);
            let after = if number == first && at <= newest { (at, id) } else { (newest, "") };
            let organisation = cx.session.organisation.as_str();
            let room = limit + 1 - u16::try_from(found.len()).unwrap_or(limit);
            let of_kind = store::found_list(cx.tx, organisation, *kind, &device, after, room)?;
            found.extend(of_kind.into_iter().map(|it| (number, *kind, it)));
            if found.len() > usize::from(limit) {
                break;
            }
        }
        let page = Page::new(found, limit, |(number, _, it)| format!("{number}.{}.{}", it.since.0, it.id));
        let items = page.items.into_iter().map(|(_, kind, it)| view(kind, it)).collect();
        Ok(Page { items, next: page.next })
    }
}

/// Which kind, which moment, and which id a page begins after.
fn place(after: Option<&Cursor>) -> Result<(usize, i64, &str), Refusal> {
    let Some(after) = after else { return Ok((0, i64::MAX, "")) };
    let mut parts = after.as_str().splitn(3, '.');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let numbers = (number(), number());
    let kind = numbers.0.and_then(|kind| usize::try_from(kind).ok());
    match (kind, numbers.1, parts.next()) {
        (Some(kind), Some(at), Some(id)) => Ok((kind, at, id)),
        _ => Err(page::bad_cursor(after)),
    }
}

/// How much there is of a sort.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct KindCount {
    /// The sort.
    pub kind: Kind,
    /// How many; no more than 10000 are counted.
    pub count: i64,
}

/// How much there is to look at.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Counts {
    /// All of it.
    pub total: i64,
    /// By sort, the most severe one first.
    pub kinds: Vec<KindCount>,
}

/// Count what a person should look at, by sort
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {}

impl Operation for Count {
    const NAME: &'static str = "attention count";
    const KIND: OperationKind = OperationKind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Counts;

    fn run(&self, cx: &mut Cx) -> Result<Counts, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let mut kinds = Vec::new();
        for kind in Kind::ALL {
            kinds.push(KindCount {
                kind: *kind,
                count: store::found_count(cx.tx, organisation, *kind, cx.now)?,
            });
        }
        Ok(Counts { total: kinds.iter().map(|it| it.count).sum(), kinds })
    }
}
