//! The factory line's door: EST under the product's label (RFC 7030 section 3.2.2), asked by whoever
//! holds a token of the manufacturer's hub (RFC 7030 section 3.2.3).
use super::view::{Bear, Decision, Want, Work};
use crate::audit::view::hex;
use crate::door::{
    Answer, Signed, Step, ToSign, answered, enrolment_request, is_serial_number, issued, malformed,
};
use crate::refusal::{Refusal, Sort};
use crate::time::Millis;
use serde_json::Value as Json;
use wire::birth_record::{self, BirthRecord};
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity};
use wire::digest::sha256;
use wire::{Certificate, Oid, PublicKey};

/// A request of the line.
pub struct Request {
    /// POST rather than GET.
    pub post: bool,
    /// The product: the label in the path.
    pub label: String,
    /// The operation: the last segment of the path.
    pub operation: String,
    /// The media type, as it was sent.
    pub content_type: String,
    /// The body, within [`crate::limits::DOOR_BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// Answers a request of the line, or says what it takes to answer it. `authority` is the one that
/// signs IDevIDs.
pub fn open(request: Request, authority: &Certificate) -> Step {
    let asked = match (request.post, request.operation.as_str()) {
        (false, "cacerts") => Ok(Step::Answer(Answer::ca_certs(authority))),
        (false, "csrattrs") => Ok(Step::Answer(Answer::csr_attributes())),
        (true, "simpleenroll") => enrol(request),
        (_, "cacerts" | "csrattrs" | "simpleenroll") => {
            Ok(Step::Answer(Answer::wrong_method("the other of GET and POST")))
        }
        _ => Err(Refusal::new(Sort::NotFound, "door-unknown", "there is no such door for a factory's line")),
    };
    asked.unwrap_or_else(Step::from)
}

fn enrol(request: Request) -> Result<Step, Refusal> {
    let csr = enrolment_request(&request.content_type, &request.body)?;
    let Some(serial_number) = csr.serial_number() else {
        let why = "the request's subject has no serialNumber (RFC 8995 section 2.3.1)";
        return Err(malformed("no-serial-number", why));
    };
    if !is_serial_number(&serial_number) {
        let why = "a serialNumber is 1 to 64 characters of PrintableString (RFC 5280 appendix A.1)";
        return Err(malformed("bad-serial-number", why));
    }
    let serial_number = serial_number.parse().map_err(|why: String| malformed("bad-serial-number", why))?;
    let key = csr.public_key().clone();
    let call = Want { product: request.label, serial_number, key: hex(&key.fingerprint()) };
    Ok(Step::Run(Box::new(call), Box::new(move |outcome| decided(outcome, key))))
}

fn decided(outcome: Result<Json, Refusal>, key: PublicKey) -> Step {
    match answered::<Decision>(outcome) {
        Ok(Decision::Again { certificate }) => issued(&certificate),
        Ok(Decision::Sign(work)) => match to_sign(&work, key) {
            Ok(to_sign) => Step::Sign(Box::new(to_sign), Box::new(move |signed| record(work, signed))),
            Err(refusal) => refusal.into(),
        },
        Err(refusal) => refusal.into(),
    }
}

fn to_sign(work: &Work, key: PublicKey) -> Result<ToSign, Refusal> {
    let kind: Oid = work.hardware_type.parse().map_err(|_| malformed("bad-hardware-type", "not an OID"))?;
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let profile = Profile::IdevId {
        serial_number: work.serial_number.clone(),
        hardware: HardwareModuleName { kind, serial: work.serial_number.clone().into_bytes() },
        mud_url: given(&work.mud_url),
        masa_url: given(&work.masa_url),
    };
    // RFC 8995 section 2.6.2: an IDevID has no well-defined end.
    let validity = Validity { not_before: work.not_before, not_after: None };
    Ok(ToSign { profile, key, serial: work.serial, validity })
}

/// The birth is recorded before it is kept: nobody is born without a record.
fn record(work: Work, signed: Result<Certificate, Refusal>) -> Step {
    let certificate = match signed {
        Ok(certificate) => certificate,
        Err(refusal) => return refusal.into(),
    };
    let hardware_type = match work.hardware_type.parse() {
        Ok(hardware_type) => hardware_type,
        Err(_) => return malformed("bad-hardware-type", "not an OID").into(),
    };
    let record = BirthRecord {
        serial_number: work.serial_number.clone(),
        product: work.product.clone(),
        hardware_type,
        idevid_sha256: hex(&sha256(certificate.der())),
        idevid_serial_number: hex(certificate.serial()),
        born_at: work.not_before,
    };
    let at = Millis(work.not_before);
    let then = move |signed: Result<Vec<u8>, Refusal>| match signed {
        Ok(record) => keep(&work, &certificate, &record),
        Err(refusal) => refusal.into(),
    };
    Step::SignAsMaker(Signed::BirthRecord, record.to_json(), at, Box::new(then))
}

fn keep(work: &Work, certificate: &Certificate, record: &[u8]) -> Step {
    let call = Bear {
        product: work.product.clone(),
        serial_number: work.serial_number.clone(),
        key: work.key.clone(),
        certificate: certificate.to_pem(),
        record: birth_record::to_pem(record),
    };
    let then = |kept: Result<Json, Refusal>| match answered::<String>(kept) {
        Ok(certificate) => issued(&certificate),
        Err(refusal) => refusal.into(),
    };
    Step::Run(Box::new(call), Box::new(then))
}
