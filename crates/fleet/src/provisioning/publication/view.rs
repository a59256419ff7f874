//! What the faces and the hub's worker ask of publications.
//!
//! [`Wanted`], [`Settle`] and [`Find`] are asked by the hub and are in no table.
use super::rules::{Command, State};
use super::{Publication, store};
use crate::blob;
use crate::operation::{Kind, Operation};
use crate::page;
use crate::permission::Permission;
use crate::provisioning::product::Product;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room};
use crate::text::{Digest, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The description of a product.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct PublicationView {
    /// The product.
    pub product: String,
    /// The file that is published, by its SHA-256; empty when none is.
    pub file: String,
    /// The signature over it, by its SHA-256.
    pub signature: String,
    /// The file that waits to be checked and signed.
    pub wanted: String,
    /// Why the last file was not published; empty when it was.
    pub refused: String,
}

fn view(product: String, state: State) -> PublicationView {
    let State { wanted, file, signature, refused } = state;
    PublicationView { product, file, signature, wanted, refused }
}

/// Publish a product's description (a MUD file), signed by this manufacturer
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The product
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
    /// The SHA-256 of the file, which was put as a blob
    #[schemars(example = &"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    pub file: Digest,
}

impl Operation for Publish {
    const NAME: &'static str = "product publish-description";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = PublicationView;

    fn run(&self, cx: &mut Cx) -> Result<PublicationView, Refusal> {
        mud_url(cx, self.product.as_str())?;
        blob::view::find(cx, self.file.as_str())?;
        let subject = cx.subject("", &self.product);
        let state = cx.change::<Publication>(&subject, Command::Want { file: self.file.to_string() })?;
        Ok(view(subject.id, state))
    }
}

/// The MUD URL that a product's devices carry.
fn mud_url(cx: &mut Cx, product: &str) -> Result<String, Refusal> {
    let subject = cx.subject("", product);
    let template = Product::load(cx.tx, &subject)?.and_then(|(state, _)| state.template);
    match template {
        Some(template) if !template.mud_url.is_empty() => Ok(template.mud_url),
        Some(_) => {
            let detail =
                format!("the devices of `{product}` carry no MUD URL, so nobody would look for a file");
            Err(Refusal::new(Sort::Conflict, "no-mud-url", detail))
        }
        None => {
            let detail = format!("no product is called `{product}`; `product list` shows them");
            Err(Refusal::new(Sort::NotFound, "product-unknown", detail))
        }
    }
}

/// Show what description of a product is published
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The product
    #[schemars(example = &"lamp-7")]
    pub product: Slug,
}

impl Operation for Show {
    const NAME: &'static str = "product description";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = PublicationView;

    fn run(&self, cx: &mut Cx) -> Result<PublicationView, Refusal> {
        let subject = cx.subject("", &self.product);
        match Publication::load(cx.tx, &subject)? {
            Some((state, _)) => Ok(view(subject.id, state)),
            None => {
                let detail = format!("no description of `{}` was published", self.product);
                Err(Refusal::new(Sort::NotFound, "description-unknown", detail))
            }
        }
    }
}

/// Which files wait to be checked and signed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {}

/// A file to be checked and signed, outside of any transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The product.
    pub product: String,
    /// The MUD URL that its devices carry.
    pub mud_url: String,
    /// The file's SHA-256.
    pub file: Digest,
}

impl Operation for Wanted {
    const NAME: &'static str = "publication wanted";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<Work>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<Work>, Refusal> {
        let wanted = store::publication_wanted(cx.tx, cx.session.organisation.as_str(), page::usual())?;
        let mut work = Vec::new();
        for (product, file) in wanted {
            let mud_url = mud_url(cx, &product)?;
            let file = file.parse().map_err(crate::tx::Fault::corrupt)?;
            work.push(Work { product, mud_url, file });
        }
        Ok(work)
    }
}

/// What became of a file
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The product
    pub product: String,
    /// The file's SHA-256
    pub file: Digest,
    /// The SHA-256 of the signature over it, or why there is none
    pub signature: Result<Digest, String>,
}

impl Operation for Settle {
    const NAME: &'static str = "publication settle";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = PublicationView;

    fn run(&self, cx: &mut Cx) -> Result<PublicationView, Refusal> {
        let subject = cx.subject("", &self.product);
        let file = self.file.to_string();
        let command = match &self.signature {
            Ok(signature) => Command::Publish { file, signature: signature.to_string() },
            Err(why) => Command::Refuse { file, why: why.clone() },
        };
        let state = cx.change::<Publication>(&subject, command)?;
        Ok(view(subject.id, state))
    }
}
