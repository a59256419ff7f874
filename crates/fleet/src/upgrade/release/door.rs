//! How a release comes here: envelope, signer's certificate and image are fetched, and verified in this
//! order before anything is kept.
use super::manifest::{Described, describe};
use super::rules::Fetched;
use super::view::{Settle, Work};
use crate::door::{Answer, Outgoing, Reply, Step};
use crate::limits::{IMAGE_BYTES_MAX, LABEL_BYTES_MAX, SIGNER_BYTES_MAX};
use crate::refusal::Refusal;
use crate::text::Digest;
use crate::time::Millis;
use wire::Certificate;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::digest::{hex, sha256};
use wire::est::encode_body;
use wire::limits::CONTROL_ENVELOPE_BYTES_MAX;
use wire::suit::{Authentic, Envelope};

const ENVELOPE: &str = "application/suit-envelope+cose";
const CERTIFICATES: &str = "application/pem-certificate-chain";
const IMAGE: &str = "application/octet-stream";

/// What it takes to fetch and verify `work`.
pub fn fetch(work: Work, now: Millis) -> Step {
    let url = work.url.clone();
    ask(work, &url, ENVELOPE, CONTROL_ENVELOPE_BYTES_MAX, move |work, envelope| {
        // The author's key is that of the certificate beside the envelope: a rule of ours.
        let url = format!("{}.pem", work.url.strip_suffix(".suit").unwrap_or(&work.url));
        ask(work, &url, CERTIFICATES, SIGNER_BYTES_MAX, move |work, signer| {
            judged(work, envelope, &signer, now)
        })
    })
}

/// Envelope and signer are here.
fn judged(work: Work, envelope: Vec<u8>, signer: &[u8], now: Millis) -> Step {
    let (authentic, signer) = match authenticate(&work, &envelope, signer, now) {
        Ok(authentic) => authentic,
        Err(why) if work.even_if_unverified => {
            let unverified = Fetched { envelope: base64(&envelope), unverified: why, ..Fetched::default() };
            return settle(&work, Ok(unverified));
        }
        Err(why) => return settle(&work, Err(why)),
    };
    let described = match describe(&authentic) {
        Ok(described) => described,
        Err(why) => return settle(&work, Err(format!("the manifest is not for devices here: {why}"))),
    };
    let fetched = match fetched(&authentic, &described, &envelope, signer) {
        Ok(fetched) => fetched,
        Err(why) => return settle(&work, Err(why)),
    };
    let url = described.uri.clone();
    ask(work, &url, IMAGE, IMAGE_BYTES_MAX, move |work, image| keep(work, fetched, image))
}

/// Whose envelope it is. The signature is verified before the manifest is read, and the signer's
/// certificate before that.
fn authenticate(
    work: &Work,
    envelope: &[u8],
    signer: &[u8],
    now: Millis,
) -> Result<(Authentic, String), String> {
    let pem = std::str::from_utf8(signer).map_err(|why| format!("the signer's certificate: {why}"))?;
    let chain = Certificate::list_from_pem(pem).map_err(|why| format!("the signer's certificate: {why}"))?;
    let (leaf, above) = chain.split_first().ok_or("there is no certificate of the signer")?;
    let anchor = Certificate::from_pem(&work.anchor).map_err(|why| format!("the maker's anchor: {why}"))?;
    verify_chain(leaf, above, std::slice::from_ref(&anchor), Some(now.0), Purpose::Release)
        .map_err(|why| format!("the signer is not one of the maker `{}`: {why}", work.maker))?;
    let authentic = Envelope::from_cbor(envelope)
        .and_then(|envelope| envelope.authenticate(std::slice::from_ref(leaf.public_key())))
        .map_err(|why| format!("the maker's envelope: {why}"))?;
    Ok((authentic, leaf.subject().to_string()))
}

fn fetched(
    authentic: &Authentic,
    described: &Described,
    envelope: &[u8],
    signer: String,
) -> Result<Fetched, String> {
    let number = authentic.manifest.sequence_number;
    let image_bytes = described.image_bytes;
    if !(1..=IMAGE_BYTES_MAX as u64).contains(&image_bytes) {
        return Err(format!("the image has {image_bytes} bytes; 1 to {IMAGE_BYTES_MAX} are taken"));
    }
    Ok(Fetched {
        envelope: base64(envelope),
        unverified: String::new(),
        manifest: hex(&authentic.digest),
        sequence_number: number
            .try_into()
            .map_err(|_| format!("the number {number} is too large to keep"))?,
        version: described.version.chars().take(LABEL_BYTES_MAX).collect(),
        vendor_id: described.vendor_id.clone(),
        class_id: described.class_id.clone(),
        image: hex(&described.image),
        image_bytes: image_bytes.try_into().map_err(|_| "the image is too large")?,
        signer,
    })
}

/// All is here.
fn keep(work: Work, fetched: Fetched, image: Vec<u8>) -> Step {
    let digest = hex(&sha256(&image));
    if digest != fetched.image {
        let why = format!("the image has the SHA-256 {digest}, and the manifest says {}", fetched.image);
        return settle(&work, Err(why));
    }
    if i64::try_from(image.len()) != Ok(fetched.image_bytes) {
        let why =
            format!("the image has {} bytes, and the manifest says {}", image.len(), fetched.image_bytes);
        return settle(&work, Err(why));
    }
    let kept = move |kept: Result<Digest, Refusal>| match kept {
        Ok(_) => settle(&work, Ok(fetched)),
        // The disk may have room at the next try.
        Err(refusal) => refusal.into(),
    };
    Step::Keep(image, Box::new(kept))
}

fn ask(
    work: Work,
    url: &str,
    accept: &'static str,
    reply_bytes_max: usize,
    then: impl FnOnce(Work, Vec<u8>) -> Step + Send + 'static,
) -> Step {
    // They were read before they were stored.
    let servers = Certificate::list_from_pem(&work.servers).unwrap_or_default();
    let outgoing = Outgoing { url: url.into(), servers, accept, content: None, reply_bytes_max };
    let replied = move |reply: Result<Reply, Refusal>| match reply {
        Ok(reply) if reply.status == 200 => then(work, reply.body),
        Ok(reply) => {
            let why = format!("{url}: the maker's server answered {}", reply.status, url = work.url);
            settle(&work, Err(why))
        }
        Err(refusal) => settle(&work, Err(format!("{}: {}", refusal.code, refusal.detail))),
    };
    Step::Ask(Box::new(outgoing), Box::new(replied))
}

fn base64(bytes: &[u8]) -> String {
    encode_body(bytes)
}

fn settle(work: &Work, fetched: Result<Fetched, String>) -> Step {
    let call = Settle { release: work.release.clone(), fetched: fetched.map(Box::new) };
    Step::Run(
        Box::new(call),
        Box::new(|settled| settled.map_or_else(Step::from, |_| Step::Answer(Answer::text(200, "settled")))),
    )
}
