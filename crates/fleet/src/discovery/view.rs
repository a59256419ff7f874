//! What the faces show and ask of descriptions, by device.
use super::description::rules::{self as description, Verified};
use super::description::{Description, subject};
use super::rules::{Assurance, Command, State, Statement};
use super::{Discovery, believed, description::store::description_list};
use crate::device;
use crate::onboarding::anchor::store::anchor_find;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::text::{Cursor, Label, Slug};
use crate::time::Millis;
use crate::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::limits::URL_BYTES_MAX;
use wire::mud::authority;

words! {
    /// How far a description has come.
    pub enum Standing {
        /// Nobody has named one.
        Unknown = "unknown",
        /// It waits to be fetched.
        Waiting = "waiting",
        /// Its file and signature are good.
        Verified = "verified",
        /// It could not be fetched or verified.
        Failed = "failed",
    }
}

fn standing(state: &description::State) -> Standing {
    match state {
        _ if state.verified.is_some() => Standing::Verified,
        _ if state.failure.is_some() => Standing::Failed,
        _ if state.wanted => Standing::Waiting,
        _ => Standing::Unknown,
    }
}

/// The description of a device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct DescriptionView {
    /// The device's id.
    pub device: String,
    /// Where its description is; empty when nobody has said.
    pub mud_url: String,
    /// How far that is believed; empty when nobody has said.
    pub assurance: String,
    /// Who says it.
    pub source: String,
    /// The maker whose servers and signers are believed.
    pub maker: String,
    /// How statements contradict each other; empty when they do not.
    pub finding: String,
    /// Why the device may join without a verified description; empty when it may not.
    pub waived: String,
    /// How far the description has come.
    pub standing: Standing,
    /// What the device would be allowed, a line each, in the file's order.
    pub allows: Vec<String>,
    /// What the device is, as its maker says.
    pub systeminfo: String,
    /// Whether its maker still looks after it.
    pub is_supported: bool,
    /// The subject of the certificate that signed.
    pub signer: String,
    /// When the file was made.
    pub last_update: String,
    /// When it was last seen to be good.
    pub verified_at: String,
    /// The file, by its SHA-256.
    pub file: String,
    /// Its signature, by its SHA-256.
    pub signature: String,
    /// Why the last try failed; empty when it did not.
    pub failure: String,
    /// Tries that failed since the last good one.
    pub tries: u32,
    /// When it is fetched next; empty when somebody has to ask.
    pub next_try: String,
}

/// The moment, or nothing.
fn moment(at: Option<Millis>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn failure(state: &description::State) -> String {
    state.failure.as_ref().map(|f| format!("{}: {}", f.code, f.why)).unwrap_or_default()
}

fn view(cx: &mut Cx, device: &Subject) -> Result<DescriptionView, Refusal> {
    let (State { statements, finding, waived }, _) = Discovery::load(cx.tx, device)?.unwrap_or_default();
    let assurance = statements.last_key_value().map(|(assurance, _)| assurance.to_string());
    let (statement, description) = believed(cx, device)?.unwrap_or_default();
    let Statement { mud_url, maker, source } = statement;
    let (standing, failure) = (standing(&description), failure(&description));
    let verified_at = description.verified.is_some().then_some(description.verified_at);
    let verified = description.verified.unwrap_or_default();
    let last_update = verified_at.map(|_| verified.last_update);
    let Verified { file, signature, signer, is_supported, systeminfo, lines, .. } = verified;
    Ok(DescriptionView {
        device: device.id.clone(),
        mud_url,
        assurance: assurance.unwrap_or_default(),
        source,
        maker,
        finding,
        waived,
        standing,
        allows: lines,
        systeminfo,
        is_supported,
        signer,
        last_update: moment(last_update),
        verified_at: moment(verified_at),
        file,
        signature,
        failure,
        tries: description.tries,
        next_try: moment(description.due_at),
    })
}

/// Show which description belongs to a device, and what it would be allowed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Show {
    const NAME: &'static str = "description show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = DescriptionView;

    fn run(&self, cx: &mut Cx) -> Result<DescriptionView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        view(cx, &subject)
    }
}

/// List descriptions by maker and MUD URL
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this place
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

/// A description in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Listed {
    /// Maker and MUD URL.
    pub description: String,
    /// How far it has come.
    pub standing: Standing,
    /// Who signed it.
    pub signer: String,
    /// When it was last seen to be good.
    pub verified_at: String,
    /// Why the last try failed; empty when it did not.
    pub failure: String,
    /// When it is fetched next; empty when somebody has to ask.
    pub next_try: String,
}

fn listed((description, state): (String, description::State)) -> Listed {
    let verified = state.verified.as_ref();
    Listed {
        description,
        standing: standing(&state),
        signer: verified.map(|verified| verified.signer.clone()).unwrap_or_default(),
        verified_at: moment(verified.map(|_| state.verified_at)),
        failure: failure(&state),
        next_try: moment(state.due_at),
    }
}

impl Operation for List {
    const NAME: &'static str = "description list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<Listed>;

    fn run(&self, cx: &mut Cx) -> Result<Page<Listed>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = description_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(listed).collect();
        Ok(Page::new(items, limit, |listed: &Listed| listed.description.clone()))
    }
}

/// Say which description belongs to a device; what its maker signed counts more
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enter {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Where the description is: an https URL
    #[schemars(example = &"https://example.com/mud/lamp-7.json")]
    pub mud_url: Label,
    /// The anchor that vouches for its servers and signers; the device's maker when nothing is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<Slug>,
}

impl Operation for Enter {
    const NAME: &'static str = "description enter";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DescriptionView;

    fn run(&self, cx: &mut Cx) -> Result<DescriptionView, Refusal> {
        let (subject, state) = device::find(cx, self.device.as_str())?;
        let mud_url = self.mud_url.to_string();
        // RFC 8520 section 1.5.
        let plain = mud_url.len() <= URL_BYTES_MAX && mud_url.bytes().all(|b| b.is_ascii_graphic());
        if !plain || authority(&mud_url).is_none() {
            let detail =
                format!("`mud_url` has to be an https URL of at most {URL_BYTES_MAX} ASCII characters");
            return Err(Refusal::new(Sort::Malformed, "bad-url", detail));
        }
        let maker = self.maker.as_ref().map_or(state.identity.maker, Slug::to_string);
        if anchor_find(cx.tx, cx.session.organisation.as_str(), &maker)?.is_none() {
            let detail =
                format!("no anchor is called `{maker}`; say with `maker` who vouches for the description");
            return Err(Refusal::new(Sort::NotFound, "anchor-unknown", detail));
        }
        let statement = Statement { mud_url, maker, source: cx.session.actor.clone() };
        cx.change::<Discovery>(&subject, Command::State { assurance: Assurance::Entered, statement })?;
        view(cx, &subject)
    }
}

/// Let a device join although its description is not verified (RFC 8520 section 13.2: your approval)
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waive {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
    /// Why, for whoever reads the journal later
    #[schemars(example = &"its maker is gone")]
    pub why: Label,
}

impl Operation for Waive {
    const NAME: &'static str = "description waive";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DescriptionView;

    fn run(&self, cx: &mut Cx) -> Result<DescriptionView, Refusal> {
        let (subject, _) = device::find(cx, self.device.as_str())?;
        cx.change::<Discovery>(&subject, Command::Waive { why: self.why.to_string() })?;
        view(cx, &subject)
    }
}

/// Fetch a device's description again now; a new signer is taken
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The device's name or id
    #[schemars(example = &"lamp-0001")]
    pub device: Label,
}

impl Operation for Fetch {
    const NAME: &'static str = "description fetch";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = DescriptionView;

    fn run(&self, cx: &mut Cx) -> Result<DescriptionView, Refusal> {
        let (device, _) = device::find(cx, self.device.as_str())?;
        let (statement, _) = believed(cx, &device)?.unwrap_or_default();
        let description = subject(&device, &statement.maker, &statement.mud_url);
        cx.change::<Description>(&description, description::Command::Ask)?;
        view(cx, &device)
    }
}
