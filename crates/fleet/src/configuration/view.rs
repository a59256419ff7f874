//! What the faces show and ask of configurations.
use super::diff::documents;
use super::rules::{Command, Source, State, Terms};
use super::{Configuration, store};
use crate::device;
use crate::limits::OPERATION_MINUTES_MAX;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Reason, Room, Subject};
use crate::text::{Cursor, Label};
use crate::time::Shown;
use crate::tx::{Fault, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::digest::{hex, sha256};
use wire::json::parse_object;
use wire::limits::{CONFIGURATION_BYTES_MAX, CONFIRM_SECONDS_MAX};

/// A device's configuration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ConfigurationView {
    /// The device's id.
    pub device: String,
    /// The version in use; 0 as long as nothing is known.
    pub applied: u32,
    /// The version that it shall take up; 0 when none.
    pub ordered: u32,
    /// It has something else than the version in use.
    pub drifted: bool,
    /// Why the last order was not kept; empty when it was.
    pub trouble: String,
    /// From the version in use to what it shall take up, or else to what it has; empty when all is as it
    /// should be.
    pub difference: String,
    /// The document of the version in use.
    pub document: String,
}

fn view(cx: &mut Cx, subject: &Subject, state: &State) -> Result<ConfigurationView, Refusal> {
    let document = match state.in_use() {
        Some(digest) => store::document_must(cx.tx, subject, digest)?,
        None => Vec::new(),
    };
    let ordered = state.order.as_ref().map_or(0, |order| order.version);
    let other = match state.versions.get(&ordered) {
        Some(version) => Some(store::document_must(cx.tx, subject, &version.digest)?),
        None => has(cx.tx, subject, state)?,
    };
    Ok(ConfigurationView {
        device: subject.id.clone(),
        applied: state.applied,
        ordered,
        drifted: state.drift.is_some(),
        trouble: state.trouble.clone(),
        difference: other.map(|other| documents(&document, &other)).unwrap_or_default(),
        document: String::from_utf8_lossy(&document).into_owned(),
    })
}

/// The document that the device has, as far as it came.
fn has(tx: &mut dyn Tx, subject: &Subject, state: &State) -> Result<Option<Vec<u8>>, Fault> {
    match state.drift.as_deref().or(state.in_use()) {
        Some(digest) => store::document_find(tx, subject, digest),
        None => Ok(None),
    }
}

fn found(cx: &mut Cx, device: &Label) -> Result<(Subject, State), Refusal> {
    let (subject, _) = device::find(cx, device.as_str())?;
    let state = Configuration::load(cx.tx, &subject)?.map(|(state, _)| state);
    Ok((subject, state.unwrap_or_default()))
}

fn refused(why: super::rules::Refusal) -> Refusal {
    Refusal::new(why.sort(), why.code(), why.to_string())
}

/// Show a device's configuration, and how what it has differs
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "configuration show";
    const KIND: Kind = Kind::Read;
    // A configuration may hold secrets.
    const NEEDS: Permission = Permission::Operate;
    type Answer = ConfigurationView;

    fn run(&self, cx: &mut Cx) -> Result<ConfigurationView, Refusal> {
        let (subject, state) = found(cx, &self.device)?;
        view(cx, &subject, &state)
    }
}

/// A version of a configuration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct VersionView {
    /// Its number.
    pub version: u32,
    /// It is the one in use.
    pub applied: bool,
    /// Where it comes from.
    pub source: Source,
    /// Since when it is kept.
    pub kept_at: Shown,
    /// SHA-256 of its document, as hexadecimal digits.
    pub digest: String,
}

/// List the versions of a device's configuration, newest first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Versions {
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

impl Operation for Versions {
    const NAME: &'static str = "configuration versions";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<VersionView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<VersionView>, Refusal> {
        let (limit, [before]) = (page::checked(self.limit)?, page::cursor(self.after.as_ref(), [i64::MAX])?);
        let (_, state) = found(cx, &self.device)?;
        let earlier = state.versions.iter().rev().filter(|(number, _)| i64::from(**number) < before);
        let items = earlier.take(usize::from(limit) + 1).map(|(number, version)| VersionView {
            version: *number,
            applied: *number == state.applied,
            source: version.source,
            kept_at: Shown(version.at),
            digest: version.digest.clone(),
        });
        Ok(Page::new(items.collect(), limit, |v: &VersionView| v.version.to_string()))
    }
}

/// A difference.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Difference {
    /// Line by line, after ` `, `-` or `+`; empty when there is none.
    pub difference: String,
}

/// Show what differs between two versions of a configuration, or what the device has
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// From this version; the one in use when nothing else is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// To this version; what the device has when nothing else is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
}

impl Operation for Diff {
    const NAME: &'static str = "configuration diff";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Difference;

    fn run(&self, cx: &mut Cx) -> Result<Difference, Refusal> {
        let (subject, state) = found(cx, &self.device)?;
        let mut version = |number: u32| {
            let known = state.versions.get(&number);
            let known = known.ok_or_else(|| refused(super::rules::Refusal::NoVersion(number)))?;
            Ok::<_, Refusal>(store::document_must(cx.tx, &subject, &known.digest)?)
        };
        let from = version(self.from.unwrap_or(state.applied))?;
        let to = match self.to {
            Some(number) => version(number)?,
            None => has(cx.tx, &subject, &state)?.ok_or_else(not_come)?,
        };
        Ok(Difference { difference: documents(&from, &to) })
    }
}

fn not_come() -> Refusal {
    let detail = "the device has something else, and its document has not come yet, or cannot be read; \
                  look again when the device has checked in";
    Refusal::new(Sort::Later, "document-not-come", detail)
}

/// What was ordered, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct OrderView {
    /// The device's id.
    pub device: String,
    /// The version that it shall take up; 0 for a dry run.
    pub version: u32,
    /// From what it has to what it shall have.
    pub difference: String,
}

/// Give a device a new configuration; it takes it back by itself if the hub is out of reach with it
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The whole new configuration: a JSON object
    #[schemars(length(max = 16384), example = &"{\n  \"interval\": 60\n}\n")]
    pub document: String,
    /// Within how many seconds a check-in has to succeed with it
    #[serde(default = "confirm_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub confirm_seconds: u32,
    /// For how many minutes it is offered
    #[serde(default = "within_minutes")]
    #[schemars(range(min = 1, max = 40320))]
    pub within_minutes: u32,
    /// Only show what would change
    #[serde(default)]
    pub dry_run: bool,
}

fn confirm_seconds() -> u32 {
    60
}

fn within_minutes() -> u32 {
    60
}

fn terms(cx: &Cx, confirm_seconds: u32, within_minutes: u32) -> Result<Terms, Refusal> {
    let wrong = |detail: String| Err(Refusal::new(Sort::Malformed, "time-out-of-range", detail));
    if !(1..=CONFIRM_SECONDS_MAX).contains(&confirm_seconds) {
        return wrong(format!("`confirm_seconds` is {confirm_seconds}; write 1 to {CONFIRM_SECONDS_MAX}"));
    }
    if !(1..=OPERATION_MINUTES_MAX).contains(&within_minutes) {
        return wrong(format!("`within_minutes` is {within_minutes}; write 1 to {OPERATION_MINUTES_MAX}"));
    }
    Ok(Terms { confirm_seconds, deadline: cx.now.plus_seconds(i64::from(within_minutes) * 60) })
}

impl Operation for Set {
    const NAME: &'static str = "configuration set";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OrderView;

    fn run(&self, cx: &mut Cx) -> Result<OrderView, Refusal> {
        let terms = terms(cx, self.confirm_seconds, self.within_minutes)?;
        let document = self.document.as_bytes();
        parse_object(document, CONFIGURATION_BYTES_MAX)
            .map_err(|why| Refusal::new(Sort::Malformed, "bad-document", format!("the document: {why}")))?;
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let digest = hex(&sha256(document));
        let set = Command::Set { digest: digest.clone(), terms };
        if !self.dry_run {
            store::document_add(cx.tx, &subject, &digest, document)?;
        }
        order(cx, &subject, set, document, self.dry_run)
    }
}

/// Orders a version of which this is the document, or only says what that would change.
fn order(
    cx: &mut Cx,
    subject: &Subject,
    command: Command,
    document: &[u8],
    dry_run: bool,
) -> Result<OrderView, Refusal> {
    let (before, _) = Configuration::load(cx.tx, subject)?.unwrap_or_default();
    let old = has(cx.tx, subject, &before)?.unwrap_or_default();
    let version = match dry_run {
        true => Configuration::decide(&before, command, cx.now).map(|_| 0).map_err(refused)?,
        false => cx.change::<Configuration>(subject, command)?.order.map_or(0, |order| order.version),
    };
    Ok(OrderView { device: subject.id.clone(), version, difference: documents(&old, document) })
}

/// Give a device an earlier version of its configuration, or the one in use again
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// The version; the one in use when nothing else is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Within how many seconds a check-in has to succeed with it
    #[serde(default = "confirm_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub confirm_seconds: u32,
    /// For how many minutes it is offered
    #[serde(default = "within_minutes")]
    #[schemars(range(min = 1, max = 40320))]
    pub within_minutes: u32,
    /// Only show what would change
    #[serde(default)]
    pub dry_run: bool,
}

impl Operation for Restore {
    const NAME: &'static str = "configuration restore";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = OrderView;

    fn run(&self, cx: &mut Cx) -> Result<OrderView, Refusal> {
        let terms = terms(cx, self.confirm_seconds, self.within_minutes)?;
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let (state, _) = Configuration::load(cx.tx, &subject)?.unwrap_or_default();
        let version = self.version.unwrap_or(state.applied);
        let document = match state.versions.get(&version) {
            Some(known) => store::document_must(cx.tx, &subject, &known.digest)?,
            None if state.applied == 0 => return Err(refused(super::rules::Refusal::Unknown)),
            None => return Err(refused(super::rules::Refusal::NoVersion(version))),
        };
        let restore = Command::Restore { version, terms };
        order(cx, &subject, restore, &document, self.dry_run)
    }
}

/// Keep what a device has now as the version in use
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// For how many minutes the device is asked for it, if that is needed
    #[serde(default = "within_minutes")]
    #[schemars(range(min = 1, max = 40320))]
    pub within_minutes: u32,
}

impl Operation for Backup {
    const NAME: &'static str = "configuration backup";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ConfigurationView;

    fn run(&self, cx: &mut Cx) -> Result<ConfigurationView, Refusal> {
        let Terms { deadline, .. } = terms(cx, confirm_seconds(), self.within_minutes)?;
        let subject = device::find_at_work(cx, self.device.as_str())?;
        let (mut state, _) = Configuration::load(cx.tx, &subject)?.unwrap_or_default();
        let drift = state.drift.clone();
        let known = match &drift {
            Some(digest) => store::document_find(cx.tx, &subject, digest)?.is_some(),
            None => false,
        };
        if let Some(digest) = drift.filter(|_| known) {
            state = cx.change::<Configuration>(&subject, Command::Keep { digest })?;
        } else if state.applied == 0 || state.drift.is_some() {
            state = cx.change::<Configuration>(&subject, Command::WantKept { deadline })?;
        }
        view(cx, &subject, &state)
    }
}
