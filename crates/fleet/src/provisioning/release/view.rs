//! What the faces and the hub's worker ask of published releases.
//!
//! [`Wanted`], [`Settle`] and [`Find`] are asked by the hub and are in no table.
use super::rules::{Command, Content, State};
use super::{PublishedRelease, store};
use crate::blob;
use crate::limits::IMAGE_BYTES_MAX;
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::provisioning::product::Product;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room, Subject};
use crate::text::{Cursor, Digest, Label, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A published release.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct PublishedView {
    /// The product.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Its manifest's sequence number.
    pub sequence_number: i64,
    /// The image, by its SHA-256.
    pub image: String,
    /// How many bytes the image has.
    pub image_bytes: i64,
    /// The domain name that the vendor ID is made of.
    pub vendor: String,
    /// It is an older image under a newer number.
    pub way_back: bool,
    /// The signed envelope, by its SHA-256; empty until it is published.
    pub envelope: String,
    /// Why it was not published; empty otherwise.
    pub refused: String,
}

fn view(state: State) -> PublishedView {
    let State { content, envelope, refused } = state;
    let Content { product, version, sequence_number, image, image_bytes, vendor, way_back } =
        content.unwrap_or_default();
    PublishedView {
        product,
        version,
        sequence_number,
        image,
        image_bytes,
        vendor,
        way_back,
        envelope,
        refused,
    }
}

fn subject(cx: &Cx, product: &str, sequence_number: i64) -> Subject {
    cx.subject("", format!("{product}/{sequence_number}"))
}

/// Publish a release of a product's firmware, signed by this manufacturer
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The product
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
    /// Its version, for people
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Label>,
    /// The SHA-256 of the image, which was put as a blob
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Digest>,
    /// Its sequence number; the next one when nothing is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub sequence: Option<i64>,
    /// The domain name that the vendor ID of its devices is made of; as in the release before when nothing
    /// is said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Label>,
    /// Instead of a version and an image: the version whose image is published again, under a newer number
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back_to: Option<Label>,
}

impl Operation for Publish {
    const NAME: &'static str = "release publish";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = PublishedView;

    fn run(&self, cx: &mut Cx) -> Result<PublishedView, Refusal> {
        let product = cx.subject("", &self.product);
        if Product::load(cx.tx, &product)?.is_none() {
            let detail = format!("no product is called `{}`; `product list` shows them", self.product);
            return Err(Refusal::new(Sort::NotFound, "product-unknown", detail));
        }
        let content = match (&self.version, &self.image, &self.way_back_to) {
            (Some(version), Some(image), None) => self.new_image(cx, version, image)?,
            (None, None, Some(version)) => self.way_back(cx, version)?,
            _ => {
                let detail = "give a version and an image, or `way_back_to` alone";
                return Err(Refusal::new(Sort::Malformed, "version-or-way-back", detail));
            }
        };
        let subject = subject(cx, self.product.as_str(), content.sequence_number);
        Ok(view(cx.change::<PublishedRelease>(&subject, Command::Want(content))?))
    }
}

impl Publish {
    fn newest(&self, cx: &mut Cx) -> Result<Option<Content>, Refusal> {
        let (organisation, product) = (cx.session.organisation.as_str(), self.product.as_str());
        let newest = store::release_list(cx.tx, organisation, product, i64::MAX, 1)?;
        Ok(newest.into_iter().next().and_then(|state| state.content))
    }

    fn of_version(&self, cx: &mut Cx, version: &Label) -> Result<Option<Content>, Refusal> {
        let (organisation, product) = (cx.session.organisation.as_str(), self.product.as_str());
        let found = store::release_of_version(cx.tx, organisation, product, version.as_str())?;
        Ok(found.and_then(|state| state.content))
    }

    /// A number is above all that were given.
    fn number(&self, newest: Option<&Content>) -> Result<i64, Refusal> {
        let newest = newest.map_or(0, |content| content.sequence_number);
        let number = self.sequence.unwrap_or(newest.saturating_add(1));
        // The largest number marks the beginning of a list.
        if number > newest && number < i64::MAX {
            return Ok(number);
        }
        let detail =
            format!("the newest release of `{}` has the number {newest}; take a higher one", self.product);
        Err(Refusal::new(Sort::Conflict, "sequence-not-newer", detail))
    }

    fn new_image(&self, cx: &mut Cx, version: &Label, image: &Digest) -> Result<Content, Refusal> {
        let refuse = |sort, code, detail: String| Err(Refusal::new(sort, code, detail));
        let newest = self.newest(cx)?;
        let sequence_number = self.number(newest.as_ref())?;
        let Some(vendor) =
            self.vendor.as_ref().map(Label::to_string).or(newest.map(|content| content.vendor))
        else {
            let detail = "say with `vendor` which domain name the vendor ID of the devices is made of";
            return refuse(Sort::Malformed, "vendor-unknown", detail.into());
        };
        if self.of_version(cx, version)?.is_some() {
            let detail = format!("version {version} was published; publish another, or a way back to it");
            return refuse(Sort::Conflict, "version-known", detail);
        }
        let image_bytes = blob::view::find(cx, image.as_str())?.bytes;
        if !(1..=IMAGE_BYTES_MAX as i64).contains(&image_bytes) {
            let detail = format!("the image has {image_bytes} bytes; 1 to {IMAGE_BYTES_MAX} are published");
            return refuse(Sort::TooMuch, "image-too-large", detail);
        }
        let (product, version, image) = (self.product.to_string(), version.to_string(), image.to_string());
        Ok(Content { product, version, sequence_number, image, image_bytes, vendor, way_back: false })
    }

    fn way_back(&self, cx: &mut Cx, version: &Label) -> Result<Content, Refusal> {
        let newest = self.newest(cx)?;
        let sequence_number = self.number(newest.as_ref())?;
        let Some(older) = self.of_version(cx, version)? else {
            let detail = format!("version {version} was not published; `product releases` shows what was");
            return Err(Refusal::new(Sort::NotFound, "version-unknown", detail));
        };
        let vendor = self.vendor.as_ref().map_or(older.vendor, Label::to_string);
        Ok(Content { sequence_number, vendor, way_back: true, ..older })
    }
}

/// List the published releases of a product, newest first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The product
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "product releases";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<PublishedView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<PublishedView>, Refusal> {
        let (limit, [before]) = (page::checked(self.limit)?, page::cursor(self.after.as_ref(), [i64::MAX])?);
        let (organisation, product) = (cx.session.organisation.as_str(), self.product.as_str());
        let found = store::release_list(cx.tx, organisation, product, before, limit + 1)?;
        let items = found.into_iter().map(view).collect();
        Ok(Page::new(items, limit, |release: &PublishedView| release.sequence_number.to_string()))
    }
}

/// A published release of a product
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The product
    pub product: Slug,
    /// Its sequence number
    pub sequence_number: i64,
}

impl Operation for Find {
    const NAME: &'static str = "published-release find";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    /// The SHA-256 of its envelope, if it is published.
    type Answer = Option<String>;

    fn run(&self, cx: &mut Cx) -> Result<Option<String>, Refusal> {
        let subject = subject(cx, self.product.as_str(), self.sequence_number);
        let found = PublishedRelease::load(cx.tx, &subject)?;
        Ok(found.map(|(state, _)| state.envelope).filter(|envelope| !envelope.is_empty()))
    }
}

/// Which releases wait for their envelope
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {}

impl Operation for Wanted {
    const NAME: &'static str = "published-release wanted";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<PublishedView>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<PublishedView>, Refusal> {
        let wanted = store::releases_wanted(cx.tx, cx.session.organisation.as_str(), page::usual())?;
        Ok(wanted.into_iter().map(view).collect())
    }
}

/// What became of a release
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The product
    pub product: String,
    /// Its sequence number
    pub sequence_number: i64,
    /// The SHA-256 of its envelope, or why there is none
    pub envelope: Result<Digest, String>,
}

impl Operation for Settle {
    const NAME: &'static str = "published-release settle";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = PublishedView;

    fn run(&self, cx: &mut Cx) -> Result<PublishedView, Refusal> {
        let subject = subject(cx, &self.product, self.sequence_number);
        let command = match &self.envelope {
            Ok(envelope) => Command::Publish { envelope: envelope.to_string() },
            Err(why) => Command::Refuse { why: why.clone() },
        };
        Ok(view(cx.change::<PublishedRelease>(&subject, command)?))
    }
}
