//! How a last report is taken, and how a life's end is certified.
use super::view::{Archive, HearReport, LookAtReport, Spoken, Work};
use crate::door::{Answer, Step, malformed, media_type};
use crate::onboarding::door::Request;
use crate::refusal::Refusal;
use crate::text::Digest;
use wire::retirement::MEDIA_TYPE;

/// Takes a last report, from whoever brings it: the device's `serialNumber` as it is said, and the steps.
/// It is looked at before anything is kept.
///
/// # Errors
/// Its sender is to blame.
pub fn open(request: Request) -> Result<(String, Step), Refusal> {
    let sent = media_type(&request.content_type);
    if !request.post || !sent.eq_ignore_ascii_case(MEDIA_TYPE) {
        let why = format!("a last report is a POST of {MEDIA_TYPE}; this is `{sent}`");
        return Err(malformed("not-a-last-report", why));
    }
    let message = request.body;
    let spoken = Spoken::read(&message)?;
    let serial_number = spoken.serial_number.clone();
    let look = LookAtReport { spoken: spoken.clone() };
    let hear = move |kept: Result<Digest, Refusal>| match kept {
        Ok(_) => Step::Run(Box::new(HearReport { spoken }), Box::new(told)),
        Err(refusal) => refusal.into(),
    };
    let looked = move |known: Result<_, Refusal>| match known {
        Ok(_) => Step::Keep(message, Box::new(hear)),
        Err(refusal) => refusal.into(),
    };
    Ok((serial_number, Step::Run(Box::new(look), Box::new(looked))))
}

/// What it takes to certify the end of a life.
pub fn certify(work: Work) -> Step {
    let Work { site, device, text, at } = work;
    let archive = move |kept: Result<Digest, Refusal>| match kept {
        Ok(certificate) => Step::Run(Box::new(Archive { site, device, certificate }), Box::new(told)),
        Err(refusal) => refusal.into(),
    };
    let signed = move |signed: Result<Vec<u8>, Refusal>| match signed {
        Ok(message) => Step::Keep(message, Box::new(archive)),
        Err(refusal) => refusal.into(),
    };
    Step::SignAsRegistrar(text.into_bytes(), at, Box::new(signed))
}

fn told(outcome: Result<serde_json::Value, Refusal>) -> Step {
    outcome.map_or_else(Step::from, |_| Step::Answer(Answer::text(200, "heard")))
}
