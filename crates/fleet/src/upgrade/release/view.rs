//! What the faces and the hub's worker ask of an operator's releases.
//!
//! [`Wanted`] and [`Settle`] are asked by the hub and are in no table.
use super::rules::{Command, Fetched, Source, State};
use super::{Release, store};
use crate::door::is_of;
use crate::limits::{REASON_BYTES_MAX, WANTED_FETCHES_MAX};
use crate::onboarding::anchor::store::anchor_find;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room};
use crate::text::{Cursor, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::Certificate;
use wire::limits::URL_BYTES_MAX;

/// A release.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ReleaseView {
    /// Its name here.
    pub release: String,
    /// The anchor of its maker.
    pub maker: String,
    /// Where it is from.
    pub url: String,
    /// It is here.
    pub kept: bool,
    /// Why it is not; empty while it is being fetched.
    pub refused: String,
    /// Why it does not verify; empty when it does.
    pub unverified: String,
    /// The version, in the author's words.
    pub version: String,
    /// Its manifest's sequence number.
    pub sequence_number: i64,
    /// Its manifest's digest.
    pub manifest: String,
    /// Who made the devices that it is for.
    pub vendor_id: String,
    /// Which devices it is for.
    pub class_id: String,
    /// The image, by its SHA-256.
    pub image: String,
    /// How many bytes the image has.
    pub image_bytes: i64,
    /// Who signed it.
    pub signer: String,
}

fn view(release: String, state: State) -> ReleaseView {
    let State { source, fetched, refused } = state;
    let (source, kept) = (source.unwrap_or_default(), fetched.is_some());
    let fetched = fetched.unwrap_or_default();
    ReleaseView {
        release,
        maker: source.maker,
        url: source.url,
        kept,
        refused,
        unverified: fetched.unverified,
        version: fetched.version,
        sequence_number: fetched.sequence_number,
        manifest: fetched.manifest,
        vendor_id: fetched.vendor_id,
        class_id: fetched.class_id,
        image: fetched.image,
        image_bytes: fetched.image_bytes,
        signer: fetched.signer,
    }
}

/// Fetch a release of a maker and verify it
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// Where its envelope is: an https URL
    #[schemars(example = &"https://maker.example.com/firmware/lamp-7/2.suit")]
    pub from: String,
    /// The maker's anchor
    #[schemars(example = &"lumen")]
    pub maker: Slug,
    /// What it shall be called here; after its place at the maker when nothing is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Slug>,
    /// Keep it although nobody who is trusted signed it, so that the devices judge it: for tests of devices
    #[serde(default)]
    pub even_if_unverified: bool,
}

impl Operation for Fetch {
    const NAME: &'static str = "release fetch";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ReleaseView;

    fn run(&self, cx: &mut Cx) -> Result<ReleaseView, Refusal> {
        let plain = self.from.len() <= URL_BYTES_MAX && self.from.bytes().all(|b| b.is_ascii_graphic());
        if !plain || !self.from.starts_with("https://") {
            let detail = format!("`from` has to be an https URL of at most {URL_BYTES_MAX} ASCII characters");
            return Err(Refusal::new(Sort::Malformed, "bad-url", detail));
        }
        if anchor_find(cx.tx, cx.session.organisation.as_str(), self.maker.as_str())?.is_none() {
            let detail = format!("no maker `{}` is trusted; `anchor list` shows them", self.maker);
            return Err(Refusal::new(Sort::NotFound, "anchor-unknown", detail));
        }
        let name = match self.name.clone().or_else(|| name_of(&self.from)) {
            Some(name) => name,
            None => return Err(Refusal::new(Sort::Malformed, "name-unknown", "give the release a `name`")),
        };
        let source = Source {
            url: self.from.clone(),
            maker: self.maker.to_string(),
            even_if_unverified: self.even_if_unverified,
        };
        let subject = cx.subject("", &name);
        let state = cx.change::<Release>(&subject, Command::Want(source))?;
        Ok(view(subject.id, state))
    }
}

/// `lamp-7-2` for `https://maker.example.com/firmware/lamp-7/2.suit`.
fn name_of(url: &str) -> Option<Slug> {
    let mut parts = url.trim_end_matches(".suit").rsplit('/');
    let (last, before) = (parts.next()?, parts.next()?);
    format!("{before}-{last}").parse().ok()
}

/// Show a release and what its manifest says
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Its name
    #[schemars(example = &"lamp-7-2")]
    pub release: Slug,
}

impl Operation for Show {
    const NAME: &'static str = "release show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = ReleaseView;

    fn run(&self, cx: &mut Cx) -> Result<ReleaseView, Refusal> {
        let state = find(cx, self.release.as_str())?;
        Ok(view(self.release.to_string(), state))
    }
}

/// The release called `release`.
///
/// # Errors
/// `release-unknown`, or a fault of the store.
pub fn find(cx: &mut Cx, release: &str) -> Result<State, Refusal> {
    let subject = cx.subject("", release);
    let found = Release::load(cx.tx, &subject)?;
    found.map(|(state, _)| state).ok_or_else(|| {
        let detail = format!("no release is called `{release}`; `release list` shows them");
        Refusal::new(Sort::NotFound, "release-unknown", detail)
    })
}

/// List releases by name
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "release list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<ReleaseView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<ReleaseView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::release_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(|(release, state)| view(release, state)).collect();
        Ok(Page::new(items, limit, |r: &ReleaseView| r.release.clone()))
    }
}

/// Which releases wait to be fetched
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Servers (host and port) of which nothing more is asked now: what is theirs hides nobody else's
    pub busy: Vec<String>,
}

/// A release to be fetched, outside of any transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// Its name.
    pub release: String,
    /// Where its envelope is.
    pub url: String,
    /// Its maker.
    pub maker: String,
    /// The maker's authority, as PEM; empty when it is not trusted any more.
    pub anchor: String,
    /// The authorities that vouch for the maker's servers, as PEM.
    pub servers: String,
    /// It is kept although it does not verify.
    pub even_if_unverified: bool,
}

impl Operation for Wanted {
    const NAME: &'static str = "release wanted";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<Work>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<Work>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let mut work = Vec::new();
        let wanted = store::releases_wanted(cx.tx, organisation, WANTED_FETCHES_MAX)?;
        let wanted = wanted.into_iter().filter(|(_, source)| !is_of(&source.url, &self.busy));
        for (release, source) in wanted.take(page::usual().into()) {
            let Source { url, maker, even_if_unverified } = source;
            let trusted = anchor_find(cx.tx, organisation, &maker)?;
            let servers = trusted.iter().flat_map(|it| it.server_authorities());
            let servers = servers.map(|authority: Certificate| authority.to_pem()).collect();
            let anchor = trusted.map(|trusted| trusted.certificate).unwrap_or_default();
            work.push(Work { release, url, maker, anchor, servers, even_if_unverified });
        }
        Ok(work)
    }
}

/// What became of a release
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Its name
    pub release: String,
    /// What was fetched, or why it is not kept
    pub fetched: Result<Box<Fetched>, String>,
}

impl Operation for Settle {
    const NAME: &'static str = "release settle";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ReleaseView;

    fn run(&self, cx: &mut Cx) -> Result<ReleaseView, Refusal> {
        let subject = cx.subject("", &self.release);
        let command = match &self.fetched {
            Ok(fetched) => Command::Keep(fetched.clone()),
            Err(why) => Command::Refuse { why: why.chars().take(REASON_BYTES_MAX).collect() },
        };
        let state = cx.change::<Release>(&subject, command)?;
        Ok(view(subject.id, state))
    }
}
