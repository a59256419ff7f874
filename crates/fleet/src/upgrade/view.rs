//! What the faces, the door of check-ins and the hub's own work ask of rollouts.
//!
//! [`Expire`] and [`MayFetch`] are asked by the hub and are in no table.
use super::release::view as release;
use super::rules::{Bounds, Command, Outcome, Phase, Place, Target};
use super::store::{self, Listed, ListedDevice, Past};
use super::{Rollout, told};
use crate::control;
use crate::device;
use crate::limits::{
    DEADLINE_SECONDS_MAX, OPEN_ROLLOUTS_MAX, ROLLOUT_DEVICES_MAX, ROLLOUT_WAVES_MAX, STEP_ROWS_MAX,
};
use crate::onboarding::view::holder;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::Cx;
use crate::text::{Cursor, Digest, Label, Names, Slug, Waves};
use crate::time::Shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rollout.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RolloutView {
    /// Its name.
    pub rollout: String,
    /// The release that is offered.
    pub release: String,
    /// How far it is.
    pub phase: Phase,
    /// Why it is not running; empty otherwise.
    pub why: String,
    /// The newest wave that has begun, from 1.
    pub wave: u16,
    /// All its devices.
    pub devices: i64,
    /// Those that were not offered the release.
    pub waiting: i64,
    /// Those that were, and have not said how it went.
    pub offered: i64,
    /// Those that run it and are healthy.
    pub succeeded: i64,
    /// Those that tried it in vain.
    pub failed: i64,
    /// Those that did not try it.
    pub refused: i64,
    /// Those that did not say in time how it went.
    pub silent: i64,
    /// Those that are not to get it (any more).
    pub spared: i64,
    /// So many failures stop it.
    pub stop_after: u16,
    /// From the beginning of a wave to the silence of its devices.
    pub deadline_seconds: u32,
    /// Operations that it is far enough, and not too far, for.
    pub possible: Vec<&'static str>,
}

/// The operations on a rollout that its phase allows.
fn possible(phase: Phase) -> Vec<&'static str> {
    match phase {
        Phase::Running => vec!["rollout pause", "rollout stop", "rollout cancel"],
        Phase::Paused => vec!["rollout resume", "rollout stop", "rollout cancel"],
        Phase::Stopped | Phase::Cancelled | Phase::Finished => vec![],
    }
}

fn view(listed: Listed) -> RolloutView {
    let Listed { rollout, phase, why, target, bounds, wave, counts } = listed;
    let count = |outcome| counts.get(&outcome).copied().unwrap_or(0);
    RolloutView {
        rollout,
        release: target.release,
        phase,
        why,
        wave: wave + 1,
        devices: counts.values().sum(),
        waiting: count(Outcome::Waiting),
        offered: count(Outcome::Offered),
        succeeded: count(Outcome::Succeeded),
        failed: count(Outcome::Failed),
        refused: count(Outcome::Refused),
        silent: count(Outcome::Silent),
        spared: count(Outcome::Spared),
        stop_after: bounds.stop_after,
        deadline_seconds: bounds.deadline_seconds,
        possible: possible(phase),
    }
}

/// Offer a release to devices, in waves
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The release
    #[schemars(example = &"lamp-7-2")]
    pub release: Slug,
    /// How many devices each wave has, in the order of their ids; `rest` stands for all others. Devices
    /// beyond the last wave are left out
    #[serde(default = "Waves::usual")]
    pub waves: Waves,
    /// Only devices at this site
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Slug>,
    /// Only these devices: names with commas between them
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Names>,
    /// After how many seconds without success a device of a wave that has begun counts as failed
    #[serde(default = "hour")]
    #[schemars(range(min = 1, max = 604_800))]
    pub deadline_seconds: u32,
    /// How many failed devices stop it for ever
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub stop_after: u16,
    /// What it shall be called; as the release when nothing is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Slug>,
    /// Offer it even to devices that are bound to refuse it: for tests of devices
    #[serde(default)]
    pub even_if_refusable: bool,
    /// Only show which devices would be in which wave
    #[serde(default)]
    pub dry_run: bool,
}

fn hour() -> u32 {
    3_600
}

fn one() -> u16 {
    1
}

/// A rollout's waves.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Planned {
    /// Its name.
    pub rollout: String,
    /// It was started; otherwise this is what would be.
    pub started: bool,
    /// The names of the devices in each wave.
    pub waves: Vec<Vec<String>>,
}

impl Operation for Start {
    const NAME: &'static str = "rollout start";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Planned;

    fn run(&self, cx: &mut Cx) -> Result<Planned, Refusal> {
        let bounds = self.bounds()?;
        let (target, maker) = self.target(cx)?;
        let devices = self.chosen(cx, &maker)?;
        let waves = self.waves.split(devices);
        let rollout = self.name.as_ref().unwrap_or(&self.release).to_string();
        let names = |wave: &Vec<Chosen>| wave.iter().map(|chosen| chosen.name.clone()).collect();
        let planned: Vec<Vec<String>> = waves.iter().map(names).collect();
        if !self.dry_run {
            let places = waves.into_iter().map(|wave| wave.into_iter().map(|chosen| chosen.place).collect());
            let command = Command::Start { target, bounds, waves: places.collect() };
            let subject = cx.subject("", &rollout);
            cx.change::<Rollout>(&subject, command)?;
        }
        Ok(Planned { rollout, started: !self.dry_run, waves: planned })
    }
}

/// A device that is to be in a rollout.
struct Chosen {
    name: String,
    place: Place,
}

impl Start {
    fn bounds(&self) -> Result<Bounds, Refusal> {
        let Start { deadline_seconds, stop_after, .. } = *self;
        if (1..=DEADLINE_SECONDS_MAX).contains(&deadline_seconds) && stop_after > 0 {
            return Ok(Bounds { deadline_seconds, stop_after });
        }
        let detail = format!("`deadline_seconds` is 1 to {DEADLINE_SECONDS_MAX}, `stop_after` at least 1");
        Err(Refusal::new(Sort::Malformed, "bad-bounds", detail))
    }

    /// What is offered, and whose devices it is for.
    fn target(&self, cx: &mut Cx) -> Result<(Target, String), Refusal> {
        let refuse = |code, detail: String| Err(Refusal::new(Sort::Conflict, code, detail));
        let state = release::find(cx, self.release.as_str())?;
        let Some(fetched) = state.fetched else {
            let detail = format!("the release `{}` is not here; `release show` says why", self.release);
            return refuse("release-not-here", detail);
        };
        if !fetched.unverified.is_empty() && !self.even_if_refusable {
            let detail = format!("the release does not verify: {}", fetched.unverified);
            return refuse("release-unverified", detail);
        }
        let target = Target {
            release: self.release.to_string(),
            sequence_number: fetched.sequence_number,
            manifest: fetched.manifest,
            image: fetched.image,
            even_if_refusable: self.even_if_refusable,
        };
        Ok((target, state.source.unwrap_or_default().maker))
    }

    /// The devices at work that are asked for, by their ids.
    fn chosen(&self, cx: &mut Cx, maker: &str) -> Result<Vec<Chosen>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        if store::open_count(cx.tx, organisation, OPEN_ROLLOUTS_MAX)? >= usize::from(OPEN_ROLLOUTS_MAX) {
            let detail = format!("{OPEN_ROLLOUTS_MAX} rollouts are open; end some first");
            return Err(Refusal::new(Sort::TooMuch, "too-many-rollouts", detail));
        }
        let site = self.site.as_ref().map_or("", Slug::as_str);
        let mut found = match &self.devices {
            None => {
                device::store::device_list_at_work(cx.tx, organisation, maker, site, ROLLOUT_DEVICES_MAX + 1)?
            }
            Some(names) => self.named(cx, names, maker)?,
        };
        if found.len() > usize::from(ROLLOUT_DEVICES_MAX) {
            let detail = format!("more than {ROLLOUT_DEVICES_MAX} devices; choose some by site or name");
            return Err(Refusal::new(Sort::TooMuch, "too-many-devices", detail));
        }
        found.sort_by(|a, b| a.subject.id.cmp(&b.subject.id));
        let busy = store::devices_in_open(cx.tx, cx.session.organisation.as_str())?;
        if let Some(listed) = found.iter().find(|listed| busy.contains(&listed.subject.id)) {
            let detail =
                format!("the device {} is in an open rollout; end that first", listed.state.identity.name);
            return Err(Refusal::new(Sort::Conflict, "rollouts-overlap", detail));
        }
        let chosen = found.into_iter().map(|listed| Chosen {
            name: listed.state.identity.name,
            place: Place { site: listed.subject.site, device: listed.subject.id },
        });
        Ok(chosen.collect())
    }

    fn named(&self, cx: &mut Cx, names: &Names, maker: &str) -> Result<Vec<device::store::Listed>, Refusal> {
        let mut named: BTreeMap<String, device::store::Listed> = BTreeMap::new();
        for name in names.items() {
            let subject = device::find_at_work(cx, name)?;
            let (_, state) = device::find(cx, name)?;
            let elsewhere = self.site.as_ref().is_some_and(|site| site.as_str() != subject.site);
            if state.identity.maker != maker || elsewhere {
                let detail = format!("the device {name} is of another maker or site");
                return Err(Refusal::new(Sort::Conflict, "device-not-meant", detail));
            }
            named.insert(subject.id.clone(), device::store::Listed { subject, state });
        }
        Ok(named.into_values().collect())
    }
}

/// Show how far a rollout is
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Its name
    #[schemars(example = &"lamp-7-2")]
    pub rollout: Slug,
}

impl Operation for Show {
    const NAME: &'static str = "rollout show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = RolloutView;

    fn run(&self, cx: &mut Cx) -> Result<RolloutView, Refusal> {
        show(cx, &self.rollout)
    }
}

fn show(cx: &mut Cx, rollout: &Slug) -> Result<RolloutView, Refusal> {
    let (organisation, name) = (cx.session.organisation.as_str(), rollout.as_str());
    let found = store::rollout_find(cx.tx, organisation, name)?;
    found.map(view).ok_or_else(|| {
        let detail = format!("no rollout is called `{rollout}`; `rollout list` shows them");
        Refusal::new(Sort::NotFound, "rollout-unknown", detail)
    })
}

/// List rollouts by name
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only those that are so far
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Continue after this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "rollout list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<RolloutView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<RolloutView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::rollout_list(cx.tx, organisation, self.phase, after, limit + 1)?;
        Ok(Page::new(found.into_iter().map(view).collect(), limit, |r: &RolloutView| r.rollout.clone()))
    }
}

/// A wave of a rollout.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct WaveView {
    /// Its number, from 1.
    pub wave: u16,
    /// It has begun: its devices are or were offered the release.
    pub begun: bool,
    /// All its devices.
    pub devices: i64,
    /// Those that were not offered the release.
    pub waiting: i64,
    /// Those that were, and have not said how it went.
    pub offered: i64,
    /// Those that run it and are healthy.
    pub succeeded: i64,
    /// Those that tried it in vain.
    pub failed: i64,
    /// Those that did not try it.
    pub refused: i64,
    /// Those that did not say in time how it went.
    pub silent: i64,
    /// Those that are not to get it (any more).
    pub spared: i64,
}

/// The waves of a rollout.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct WavesView {
    /// Every wave, the first one first.
    pub items: Vec<WaveView>,
}

/// Show how far each wave of a rollout is
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListWaves {
    /// Its name
    #[schemars(example = &"lamp-7-2")]
    pub rollout: Slug,
}

impl Operation for ListWaves {
    const NAME: &'static str = "rollout waves";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = WavesView;

    fn run(&self, cx: &mut Cx) -> Result<WavesView, Refusal> {
        let begun = show(cx, &self.rollout)?.wave;
        let mut waves: BTreeMap<u16, BTreeMap<Outcome, i64>> = BTreeMap::new();
        let organisation = cx.session.organisation.as_str();
        for (wave, outcome, devices) in store::wave_counts(cx.tx, organisation, self.rollout.as_str())? {
            waves.entry(wave + 1).or_default().insert(outcome, devices);
        }
        let item = |(wave, counts): (u16, BTreeMap<Outcome, i64>)| {
            let count = |outcome| counts.get(&outcome).copied().unwrap_or(0);
            WaveView {
                wave,
                begun: wave <= begun,
                devices: counts.values().sum(),
                waiting: count(Outcome::Waiting),
                offered: count(Outcome::Offered),
                succeeded: count(Outcome::Succeeded),
                failed: count(Outcome::Failed),
                refused: count(Outcome::Refused),
                silent: count(Outcome::Silent),
                spared: count(Outcome::Spared),
            }
        };
        Ok(WavesView { items: waves.into_iter().map(item).collect() })
    }
}

/// A rollout that a device is or was in.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct FirmwareView {
    /// The rollout.
    pub rollout: String,
    /// The release that it offers.
    pub release: String,
    /// The release's version, as its maker says.
    pub version: String,
    /// Its sequence number.
    pub sequence_number: i64,
    /// How far the rollout is.
    pub phase: Phase,
    /// The device's wave, from 1.
    pub wave: u16,
    /// What became of the device.
    pub outcome: Outcome,
    /// Why; empty when there is nothing to say.
    pub why: String,
    /// When the newest wave of the rollout began.
    pub began_at: Shown,
}

/// List the firmware that a device was or will be offered, newest rollout first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFirmware {
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

impl Operation for ListFirmware {
    const NAME: &'static str = "firmware list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<FirmwareView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<FirmwareView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (subject, _) = device::find(cx, self.device.as_str())?;
        let before = page::numbered(self.after.as_ref(), (i64::MAX, ""))?;
        let item = |past: Past| FirmwareView {
            rollout: past.rollout,
            release: past.release,
            version: past.version,
            sequence_number: past.sequence_number,
            phase: past.phase,
            wave: past.wave + 1,
            outcome: past.outcome,
            why: past.why,
            began_at: Shown(past.began_at),
        };
        let found = store::device_rollouts(cx.tx, &subject, before, limit + 1)?;
        let items = found.into_iter().map(item).collect();
        Ok(Page::new(items, limit, |f: &FirmwareView| format!("{}.{}", f.began_at.0.0, f.rollout)))
    }
}

/// A device in a rollout.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// Its wave, from 1.
    pub wave: u16,
    /// What became of it.
    pub outcome: Outcome,
    /// Why; empty when there is nothing to say.
    pub why: String,
    /// Its id.
    pub device: String,
}

/// List the devices of a rollout by their waves
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// Its name
    #[schemars(example = &"lamp-7-2")]
    pub rollout: Slug,
    /// Only those of which this became
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for Devices {
    const NAME: &'static str = "rollout devices";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<MemberView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<MemberView>, Refusal> {
        let limit = page::checked(self.limit)?;
        show(cx, &self.rollout)?;
        let after = page::numbered(self.after.as_ref(), (0, ""))?;
        let (organisation, rollout) = (cx.session.organisation.as_str(), self.rollout.as_str());
        let found = store::rollout_devices(cx.tx, organisation, rollout, self.outcome, after, limit + 1)?;
        let items = found.into_iter().map(|ListedDevice { device, name, wave, outcome, why }| MemberView {
            name,
            wave: wave + 1,
            outcome,
            why,
            device,
        });
        Ok(Page::new(items.collect(), limit, |m: &MemberView| format!("{}.{}", m.wave - 1, m.device)))
    }
}

/// Makes an operation that gives a rollout a command.
macro_rules! commands {
    ($($(#[doc = $about:literal])+ $name:ident = $verb:literal, |$why:ident| $command:expr;)+) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Its name
            #[schemars(example = &"lamp-7-2")]
            pub rollout: Slug,
            /// Why, for whoever reads the journal later
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub why: Option<Label>,
        }

        impl Operation for $name {
            const NAME: &'static str = $verb;
            const KIND: Kind = Kind::Write;
            const NEEDS: Permission = Permission::Operate;
            type Answer = RolloutView;

            fn run(&self, cx: &mut Cx) -> Result<RolloutView, Refusal> {
                let $why = self.why.as_ref().map_or("a person asked for it".into(), Label::to_string);
                let subject = cx.subject("", &self.rollout);
                cx.change::<Rollout>(&subject, $command)?;
                show(cx, &self.rollout)
            }
        }
    )+};
}

commands! {
    /// Offer nothing to anybody until the rollout is resumed
    Pause = "rollout pause", |why| Command::Pause { why };
    /// End a rollout: nobody else is offered the release
    Stop = "rollout stop", |why| Command::Stop { why };
    /// End a rollout that was a mistake
    Cancel = "rollout cancel", |why| Command::Cancel { why };
}

/// Go on with a paused rollout; failures in the wave that paused it are accepted
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Its name
    #[schemars(example = &"lamp-7-2")]
    pub rollout: Slug,
}

impl Operation for Resume {
    const NAME: &'static str = "rollout resume";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = RolloutView;

    fn run(&self, cx: &mut Cx) -> Result<RolloutView, Refusal> {
        let subject = cx.subject("", &self.rollout);
        cx.change::<Rollout>(&subject, Command::Resume)?;
        show(cx, &self.rollout)
    }
}

/// Count the silence of devices whose deadline passed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Expire {}

impl Operation for Expire {
    const NAME: &'static str = "rollout expire";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// How many rollouts it was about.
    type Answer = usize;

    fn run(&self, cx: &mut Cx) -> Result<usize, Refusal> {
        let now = cx.sound_now()?;
        let late = store::rollouts_late(cx.tx, now, STEP_ROWS_MAX)?;
        for subject in &late {
            cx.change::<Rollout>(subject, Command::Expire)?;
        }
        Ok(late.len())
    }
}

/// Whether a device may fetch a blob: it is the image of a release that it is being offered, or that it is to
/// install anew
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct MayFetch {
    /// The serial number of its LDevID, as hexadecimal digits
    pub serial: String,
    /// The blob
    pub image: Digest,
}

impl Operation for MayFetch {
    const NAME: &'static str = "rollout may-fetch";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let subject = holder(cx, &self.serial)?;
        let image = self.image.as_str();
        if let Some(release) = control::reinstalls(cx.tx, &subject)? {
            return Ok(told::is_image(cx.tx, &subject, &release, image)?);
        }
        Ok(store::is_offered(cx.tx, &subject, image)?)
    }
}

impl Waves {
    /// The devices in waves, as far as there are any.
    fn split<T>(&self, devices: Vec<T>) -> Vec<Vec<T>> {
        let mut left = devices.into_iter();
        let sizes = self.sizes();
        let waves = sizes.into_iter().take(ROLLOUT_WAVES_MAX).map(|size| left.by_ref().take(size).collect());
        waves.filter(|wave: &Vec<T>| !wave.is_empty()).collect()
    }
}
