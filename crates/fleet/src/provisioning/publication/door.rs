//! How a file becomes a publication: it is checked, signed, and its signature kept.
use super::view::{Settle, Work};
use crate::door::{Answer, Signed, Step};
use crate::refusal::Refusal;
use crate::text::Digest;
use crate::time::Millis;
use wire::mud::{MudFile, authority};

/// What it takes to publish `file`, the bytes of `work.file`.
pub fn publish(work: Work, file: Vec<u8>, now: Millis) -> Step {
    if let Err(why) = check(&work, &file) {
        return settle(work, Err(why));
    }
    let kept = move |work: Work, kept: Result<Digest, Refusal>| match kept {
        Ok(signature) => settle(work, Ok(signature)),
        // The file is good: its signature is made at the next try.
        Err(refusal) => refusal.into(),
    };
    let signed = move |signed: Result<Vec<u8>, Refusal>| match signed {
        Ok(signature) => Step::Keep(signature, Box::new(move |digest| kept(work, digest))),
        Err(refusal) => refusal.into(),
    };
    Step::SignAsMaker(Signed::Description, file, now, Box::new(signed))
}

/// What operators' hubs will hold against the file, so that it is told here first.
fn check(work: &Work, file: &[u8]) -> Result<(), String> {
    let read = MudFile::from_json(file).map_err(|why| why.to_string())?;
    if read.mud_url != work.mud_url {
        return Err(format!(
            "the file is of the MUD URL {} (RFC 8520 section 3.2), and the devices of `{}` carry {}",
            read.mud_url, work.product, work.mud_url
        ));
    }
    match read.mud_signature {
        Some(url) if authority(&url).is_some() => Ok(()),
        Some(url) => Err(format!("the file's mud-signature {url} is no https URL")),
        None => {
            Err("the file has no mud-signature, so nobody could verify it (RFC 8520 section 13.2)".into())
        }
    }
}

/// The file was published, or why not.
pub fn settle(work: Work, signature: Result<Digest, String>) -> Step {
    let call = Settle { product: work.product, file: work.file, signature };
    Step::Run(
        Box::new(call),
        Box::new(|settled| settled.map_or_else(Step::from, |_| Step::Answer(Answer::text(200, "settled")))),
    )
}
