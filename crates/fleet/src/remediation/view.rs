//! What the faces show and ask of remediation. [`Expire`] is asked by the hub and stands in no table.
use super::rules::{Action, Command, Playbook, State};
use super::{Remediation, store};
use crate::access::mud_url;
use crate::device;
use crate::limits::STEP_ROWS_MAX;
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::text::Label;
use crate::time::Shown;
use crate::upgrade::told as upgrade;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a device is mended, and whose post it has.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RemediationView {
    /// The device's id.
    pub device: String,
    /// What is tried, and what would be next; empty when nothing is.
    pub playbook: String,
    /// What is being tried; nothing when nothing is.
    pub action: Option<Action>,
    /// The how many-th try of it; 0 when nothing is tried.
    pub attempt: u8,
    /// Until when it may help; nothing when nothing is tried.
    pub deadline: Option<Shown>,
    /// The id of the device that took over its post; empty while it has one.
    pub replaced_by: String,
    /// The id of the device whose post it took over; empty when it did not.
    pub stands_for: String,
}

fn view(subject: &Subject, state: State) -> RemediationView {
    let State { trying, replaced_by, stands_for } = state;
    let step = trying.as_ref().and_then(|it| it.playbook.steps().get(usize::from(it.place)));
    RemediationView {
        device: subject.id.clone(),
        action: step.map(|step| step.action),
        attempt: trying.as_ref().map_or(0, |it| it.attempt),
        deadline: trying.as_ref().map(|it| Shown(it.deadline)),
        playbook: trying.map(|it| it.playbook.to_string()).unwrap_or_default(),
        replaced_by,
        stands_for,
    }
}

/// Show how far a device is mended, and whose post it has
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "remediation show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = RemediationView;

    fn run(&self, cx: &mut Cx) -> Result<RemediationView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let (state, _) = Remediation::load(cx.tx, &subject)?.unwrap_or_default();
        Ok(view(&subject, state))
    }
}

/// Try to mend a device; a hold that it is under now ends when it is well; when nothing helps it is left to a person
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// What is tried, as ACTION:TRIES:SECONDS with commas between: at most 8 operations, of which each is
    /// tried when those before it did not help
    #[serde(default = "restore")]
    #[schemars(length(max = 320))]
    pub playbook: String,
}

/// The playbook that is meant when nobody says which.
fn restore() -> String {
    "re-apply-configuration:3:300,give-up".into()
}

impl Operation for Begin {
    const NAME: &'static str = "remediation begin";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = RemediationView;

    fn run(&self, cx: &mut Cx) -> Result<RemediationView, Refusal> {
        let playbook: Playbook = self.playbook.parse().map_err(|why: String| {
            Refusal::new(Sort::Malformed, "bad-playbook", format!("the playbook: {why}"))
        })?;
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let reinstalls = playbook.steps().iter().any(|step| step.action == Action::Reinstall);
        if reinstalls && upgrade::should_run(cx.tx, &subject)?.is_none() {
            let detail = "the device took no release by a rollout, so there is none to install anew; leave \
                          `re-install` out of the playbook";
            return Err(Refusal::new(Sort::Conflict, "nothing-to-install", detail));
        }
        let state = cx.change::<Remediation>(&subject, Command::Begin(playbook))?;
        Ok(view(&subject, state))
    }
}

/// Stop trying to mend a device; it is held back until a person releases it
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveUp {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"a person went there and saw it")]
    pub why: Label,
}

impl Operation for GiveUp {
    const NAME: &'static str = "remediation give-up";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = RemediationView;

    fn run(&self, cx: &mut Cx) -> Result<RemediationView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let give_up = Command::GiveUp { why: self.why.to_string() };
        let state = cx.change::<Remediation>(&subject, give_up)?;
        Ok(view(&subject, state))
    }
}

/// Let a spare take over a device's post: its name and its configuration, never its keys
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The device that is replaced: its name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The spare: its name or id
    #[schemars(example = &"lamp-0002")]
    pub by: Label,
}

impl Operation for Replace {
    const NAME: &'static str = "device replace";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// The spare, as it stands now.
    type Answer = RemediationView;

    fn run(&self, cx: &mut Cx) -> Result<RemediationView, Refusal> {
        let (old, state) = device::find(cx, self.device.as_str())?;
        let (spare, spare_state) = device::find(cx, self.by.as_str())?;
        let no = |code, detail: &str| Err(Refusal::new(Sort::Conflict, code, detail));
        if old == spare {
            return no("same-device", "a device cannot take over its own post");
        }
        if !spare_state.is_operational() {
            return no("not-a-spare", "the spare has to be operational; `device show` says what it is");
        }
        if old.site != spare.site {
            return no("another-site", "the spare is at another site; bring it to that of the device first");
        }
        let (mine, its) = (mud_url(cx, &old)?, mud_url(cx, &spare)?);
        if mine.is_some() && mine != its {
            return no(
                "another-description",
                "the spare has another description; choose one of the same kind",
            );
        }
        let post = state.identity.name;
        cx.change::<Remediation>(&old, Command::HandOver { to: spare.id.clone(), post: post.clone() })?;
        let taken = cx.change::<Remediation>(&spare, Command::TakeOver { from: old.id, post })?;
        Ok(view(&spare, taken))
    }
}

/// End the tries whose deadline passed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Expire {}

impl Operation for Expire {
    const NAME: &'static str = "remediation expire";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// How many devices it was about.
    type Answer = usize;

    fn run(&self, cx: &mut Cx) -> Result<usize, Refusal> {
        let now = cx.sound_now()?;
        let late = store::tries_late(cx.tx, now, STEP_ROWS_MAX)?;
        for subject in &late {
            cx.change::<Remediation>(subject, Command::Expire)?;
        }
        Ok(late.len())
    }
}
