//! The door of check-ins, on the devices' listener: for devices that have joined, and nobody else.
use crate::door::{malformed, media_type};
use crate::onboarding::door::{Peer, Request};
use crate::onboarding::view::Proof;
use crate::refusal::{Refusal, Sort};
use wire::control::MEDIA_TYPE;

/// Who checks in (the serial number of its LDevID), and its report as it came.
///
/// # Errors
/// `not-an-ldevid`: the connection is to be closed; or its sender is to blame for the request.
pub fn open(request: Request) -> Result<(String, String), Refusal> {
    let Peer::Device { proof: Proof::Ldevid { serial }, .. } = request.peer else {
        let detail = "a check-in is made with the identity that the device got here";
        return Err(Refusal::new(Sort::NotPermitted, "not-an-ldevid", detail));
    };
    if !request.post {
        return Err(malformed("wrong-method", "a check-in is a POST"));
    }
    let sent = media_type(&request.content_type);
    if !sent.eq_ignore_ascii_case(MEDIA_TYPE) {
        let why = format!("the body is `{sent}`; send {MEDIA_TYPE}");
        return Err(malformed("not-json", why));
    }
    let report = String::from_utf8(request.body).map_err(|why| malformed("bad-report", why))?;
    Ok((serial, report))
}
