//! How an image becomes a release: its manifest is written and signed, and the envelope kept.
use super::view::{PublishedView, Settle};
use crate::door::{Answer, Step};
use crate::refusal::Refusal;
use crate::text::Digest;
use std::collections::BTreeMap;
use wire::digest::from_hex;
use wire::suit::{ComponentId, ComponentText, LanguageText, Release, Text, Uuid};

/// The one component of our devices.
pub const COMPONENT: &str = "firmware";
/// Media type of an envelope, draft-ietf-suit-manifest-37.
pub const MEDIA_TYPE: &str = "application/suit-envelope+cose";

/// Where a release's envelope is, below the address of the hub.
pub fn envelope_path(product: &str, sequence_number: i64) -> String {
    format!("/firmware/{product}/{sequence_number}.suit")
}

/// Where the certificate of whoever signed the envelope at `url` is: beside it, by our own rule. The SUIT
/// drafts leave open how a recipient gets the author's key.
pub fn signer_url(url: &str) -> String {
    format!("{}.pem", url.strip_suffix(".suit").unwrap_or(url))
}

/// Where an image is. Its last part is its SHA-256, by which a cache can have it too.
pub fn image_path(product: &str, image: &str) -> String {
    format!("/firmware/{product}/images/{image}")
}

/// What it takes to publish `work` of a hub that is reached at `base`.
pub fn publish(work: PublishedView, base: &str) -> Step {
    let Some(release) = release(&work, base) else {
        return settle(&work, Err("its image or its number is not one".into()));
    };
    let kept = move |work: PublishedView, kept: Result<Digest, Refusal>| match kept {
        Ok(envelope) => settle(&work, Ok(envelope)),
        // It is written again at the next try.
        Err(refusal) => refusal.into(),
    };
    let signed = move |signed: Result<Vec<u8>, Refusal>| match signed {
        Ok(envelope) => Step::Keep(envelope, Box::new(move |digest| kept(work, digest))),
        Err(refusal) => refusal.into(),
    };
    Step::SignRelease(Box::new(release), Box::new(signed))
}

fn release(work: &PublishedView, base: &str) -> Option<Release> {
    let vendor_id = Uuid::of_vendor(&work.vendor);
    let component = ComponentId(vec![COMPONENT.as_bytes().to_vec()]);
    let about = ComponentText {
        vendor_domain: Some(work.vendor.clone()),
        model_info: Some(work.product.clone()),
        version: Some(work.version.clone()),
        ..ComponentText::default()
    };
    let words =
        LanguageText { components: BTreeMap::from([(component.clone(), about)]), ..LanguageText::default() };
    Some(Release {
        sequence_number: work.sequence_number.try_into().ok()?,
        component,
        vendor_id,
        class_id: vendor_id.of_class(&work.product),
        image_digest: from_hex(&work.image)?,
        image_size: work.image_bytes.try_into().ok()?,
        uri: format!("{base}{}", image_path(&work.product, &work.image)),
        reference_uri: Some(format!("{base}{}", envelope_path(&work.product, work.sequence_number))),
        text: Some(Text(BTreeMap::from([("en".to_owned(), words)]))),
    })
}

fn settle(work: &PublishedView, envelope: Result<Digest, String>) -> Step {
    let call = Settle { product: work.product.clone(), sequence_number: work.sequence_number, envelope };
    Step::Run(
        Box::new(call),
        Box::new(|settled| settled.map_or_else(Step::from, |_| Step::Answer(Answer::text(200, "settled")))),
    )
}
