//! EST's and BRSKI's doors for devices: a plain request in, an answer out. They are mounted on the
//! devices' listener only.
use super::anchor::store::anchor_list;
use super::restoration;
use super::restoration::view::Meet;
use super::rules::Introduction;
use super::store::ldevid_find;
use super::view::{Decision, Enrol, Issue, Proof, Report, Work, ldevid_ended};
use crate::audit::view::hex;
use crate::door::{
    Answer, RETRY_AFTER_SECONDS, Step, ToSign, answered, enrolment_request, is_serial_number, issued,
    malformed,
};
use crate::limits::{ANCHORS_MAX, LDEVID_DAYS_MAX, REASON_BYTES_MAX};
use crate::refusal::{Refusal, Sort};
use crate::text::Slug;
use crate::time::Millis;
use crate::tx::Tx;
use serde_json::Value as Json;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::certificate::profile::{Profile, Validity};
use wire::csr::Csr;
use wire::est;
use wire::status::{ENROLL_STATUS_PATH, Status, VOUCHER_STATUS_PATH};
use wire::{Certificate, PublicKey, oid, voucher};

/// Who asks, after TLS proved that it holds the key of the certificate that it showed.
#[derive(Clone, Debug)]
pub enum Peer {
    /// Nobody showed a certificate.
    Nobody,
    /// A device.
    Device {
        /// How it proved who it is.
        proof: Proof,
        /// The certificate that it showed.
        certificate: Box<Certificate>,
    },
    /// A device with an LDevID that this hub may have forgotten: it is to be met before it is answered.
    Ahead {
        /// What it showed.
        shown: Box<Meet>,
        /// The certificate that it showed.
        certificate: Box<Certificate>,
    },
}

impl Peer {
    /// The certificate that was shown.
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Peer::Nobody => None,
            Peer::Device { certificate, .. } | Peer::Ahead { certificate, .. } => Some(certificate),
        }
    }
}

/// Judges the chain that a peer showed. LDevIDs are judged by the domain's authority and the list of
/// good ones, IDevIDs by the organisation's anchors.
///
/// # Errors
/// `chain-refused` or `ldevid-ended`: the connection is to be closed without an answer.
pub fn judge(
    tx: &mut dyn Tx,
    organisation: &Slug,
    authority: &Certificate,
    chain: &[Vec<u8>],
    now: Millis,
) -> Result<Peer, Refusal> {
    let Some((leaf, rest)) = chain.split_first() else { return Ok(Peer::Nobody) };
    let refused = |why: String| Refusal::new(Sort::NotPermitted, "chain-refused", why);
    let leaf = Certificate::from_der(leaf).map_err(|why| refused(why.to_string()))?;
    let rest: Result<Vec<_>, _> = rest.iter().map(|der| Certificate::from_der(der)).collect();
    let rest = rest.map_err(|why| refused(why.to_string()))?;
    // Names are no proof: what the domain's authority signed is an LDevID, or nothing.
    if leaf.verify_signature(authority.public_key()).is_ok() {
        verify_chain(&leaf, &rest, std::slice::from_ref(authority), Some(now.0), Purpose::Device)
            .map_err(|why| refused(why.to_string()))?;
        let serial = hex(leaf.serial());
        if ldevid_find(tx, &serial)?.is_none() {
            let shown = Box::new(restoration::door::look(tx, organisation, &leaf)?);
            return Ok(Peer::Ahead { shown, certificate: Box::new(leaf) });
        }
        return Ok(Peer::Device { proof: Proof::Ldevid { serial }, certificate: Box::new(leaf) });
    }
    idevid(tx, organisation, leaf, &rest)
}

fn idevid(
    tx: &mut dyn Tx,
    organisation: &Slug,
    leaf: Certificate,
    rest: &[Certificate],
) -> Result<Peer, Refusal> {
    let refused = |why: String| Refusal::new(Sort::NotPermitted, "chain-refused", why);
    let (mut names, mut certificates) = (Vec::new(), Vec::new());
    for trusted in anchor_list(tx, organisation.as_str(), "", ANCHORS_MAX)? {
        if let Ok(certificate) = Certificate::from_pem(&trusted.certificate) {
            names.push(trusted.anchor);
            certificates.push(certificate);
        }
    }
    // RFC 8995 section 2.6.2: a maker's certificates may have ended before its devices.
    let path = verify_chain(&leaf, rest, &certificates, None, Purpose::Device)
        .map_err(|why| refused(why.to_string()))?;
    let anchor = certificates.iter().position(|c| c == path.anchor()).map(|i| names[i].clone());
    // RFC 8995 section 2.3.1: the serialNumber of the subject tells the maker's devices apart.
    let (Some(anchor), Some(serial_number)) = (anchor, leaf.serial_number().filter(|s| is_serial_number(s)))
    else {
        let why = "the IDevID's subject has no serialNumber of 1 to 64 characters of PrintableString \
                   (RFC 8995 section 2.3.1, RFC 5280 appendix A.1)";
        return Err(refused(why.into()));
    };
    let key = fingerprint(leaf.public_key());
    let mud_url = leaf.mud_url().unwrap_or_default().to_string();
    let mud_signer = leaf.mud_signer().map(ToString::to_string).unwrap_or_default();
    let proof = Proof::Idevid(Introduction { anchor, serial_number, key, mud_url, mud_signer });
    Ok(Peer::Device { proof, certificate: Box::new(leaf) })
}

/// A key as the rooms know it.
fn fingerprint(key: &PublicKey) -> String {
    hex(&key.fingerprint())
}

/// A request at a door.
pub struct Request {
    /// POST rather than GET.
    pub post: bool,
    /// The path, without a query.
    pub path: String,
    /// The media type, as it was sent.
    pub content_type: String,
    /// The body, within [`crate::limits::DOOR_BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: Peer,
}

/// Answers a request to the doors of EST (RFC 7030 section 3.2.2) and BRSKI (RFC 8995 section 5), or
/// says what it takes to answer it. `authority` is the domain's, `registrar` what the listener shows.
pub fn open(request: Request, authority: &Certificate, registrar: &Certificate) -> Step {
    let asked = match (request.post, request.path.as_str()) {
        // RFC 7030 section 4.1.2: no authentication of the client is required.
        (false, est::CA_CERTS_PATH) => Ok(Step::Answer(Answer::ca_certs(authority))),
        (false, est::CSR_ATTRS_PATH) => Ok(Step::Answer(Answer::csr_attributes())),
        (true, est::SIMPLE_ENROLL_PATH) => enrol(request, false),
        (true, est::SIMPLE_REENROLL_PATH) => enrol(request, true),
        (true, ENROLL_STATUS_PATH) => report(request),
        (true, voucher::REQUEST_PATH) => Ok(super::voucher::door::request(request, registrar)),
        (true, VOUCHER_STATUS_PATH) => super::voucher::door::report(request),
        (
            _,
            est::CA_CERTS_PATH
            | est::CSR_ATTRS_PATH
            | est::SIMPLE_ENROLL_PATH
            | est::SIMPLE_REENROLL_PATH
            | ENROLL_STATUS_PATH
            | voucher::REQUEST_PATH
            | VOUCHER_STATUS_PATH,
        ) => Ok(Step::Answer(Answer::wrong_method("the other of GET and POST"))),
        _ => Err(Refusal::new(Sort::NotFound, "door-unknown", "there is no such door")),
    };
    asked.unwrap_or_else(Step::from)
}

pub(super) fn device(peer: Peer) -> Result<(Proof, Box<Certificate>), Refusal> {
    match peer {
        Peer::Device { proof, certificate } => Ok((proof, certificate)),
        Peer::Ahead { .. } => Err(ldevid_ended()),
        Peer::Nobody => {
            let detail = "show a certificate in the TLS handshake (RFC 7030 section 3.3.2)";
            Err(Refusal::new(Sort::NotPermitted, "no-certificate", detail))
        }
    }
}

fn enrol(request: Request, again: bool) -> Result<Step, Refusal> {
    let (proof, certificate) = device(request.peer)?;
    let csr = enrolment_request(&request.content_type, &request.body)?;
    check_csr(&csr, &proof, &certificate, again)?;
    let key = csr.public_key().clone();
    let call = Enrol { proof, key: fingerprint(&key) };
    Ok(Step::Run(Box::new(call), Box::new(move |outcome| decided(outcome, key))))
}

fn check_csr(csr: &Csr, proof: &Proof, certificate: &Certificate, again: bool) -> Result<(), Refusal> {
    if again && !matches!(proof, Proof::Ldevid { .. }) {
        let detail = "a renewal is asked for with the LDevID that is to be renewed";
        return Err(Refusal::new(Sort::NotPermitted, "not-an-ldevid", detail));
    }
    // RFC 7030 section 4.2.2: the subject of a renewal is that of the certificate being renewed.
    if again && csr.subject() != certificate.subject() {
        let why = "the subject differs from that of the certificate being renewed (RFC 7030 section 4.2.2)";
        return Err(malformed("another-subject", why));
    }
    if again && csr.requested_extensions().contains(&oid::SUBJECT_ALT_NAME) {
        let why = "the certificate being renewed has no subjectAltName, and the request asks for one \
                   (RFC 7030 section 4.2.2)";
        return Err(malformed("another-subject", why));
    }
    match (csr.serial_number(), certificate.serial_number()) {
        (Some(asked), Some(shown)) if asked != shown => Err(malformed(
            "another-serial-number",
            "the request names another serialNumber than the certificate",
        )),
        _ => Ok(()),
    }
}

fn decided(outcome: Result<Json, Refusal>, key: PublicKey) -> Step {
    match answered::<Decision>(outcome) {
        // RFC 7030 section 4.2.3: accepted for manual authorization.
        Ok(Decision::Wait) => wait(),
        Ok(Decision::Again { certificate }) => issued(&certificate),
        Ok(Decision::Sign(work)) => {
            Step::Sign(Box::new(to_sign(&work, key)), Box::new(move |signed| keep(work, signed)))
        }
        Err(refusal) => refusal.into(),
    }
}

/// Nobody has admitted it.
pub(super) fn wait() -> Step {
    let answer = Answer::text(202, "nobody has admitted this device yet; ask again later");
    Step::Answer(Answer { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..answer })
}

fn to_sign(work: &Work, key: PublicKey) -> ToSign {
    let profile =
        Profile::LdevId { serial_number: work.serial_number.clone(), device_id: work.device.clone() };
    let not_after = work.not_before.plus_seconds(LDEVID_DAYS_MAX * 86_400);
    let validity = Validity { not_before: work.not_before.0, not_after: Some(not_after.0) };
    ToSign { profile, key, serial: work.serial, validity }
}

fn keep(work: Work, signed: Result<Certificate, Refusal>) -> Step {
    match signed {
        Ok(certificate) => {
            let call = Issue {
                work,
                not_after: Millis(certificate.not_after()),
                serial: hex(certificate.serial()),
                certificate: certificate.to_pem(),
            };
            Step::Run(
                Box::new(call),
                Box::new(|kept| match answered::<String>(kept) {
                    Ok(certificate) => issued(&certificate),
                    Err(refusal) => refusal.into(),
                }),
            )
        }
        Err(refusal) => refusal.into(),
    }
}

/// RFC 8995 section 5.9.4.
fn report(request: Request) -> Result<Step, Refusal> {
    let (proof, _) = device(request.peer)?;
    let (good, reason) = status(&request.body, "bad-enrollstatus")?;
    Ok(Step::Run(Box::new(Report { proof, good, reason }), Box::new(noted)))
}

/// What a status message says: whether it went well, and the reason as far as it is kept.
pub(super) fn status(body: &[u8], code: &'static str) -> Result<(bool, String), Refusal> {
    let status = Status::from_json(body).map_err(|why| malformed(code, why))?;
    let mut reason = status.reason.unwrap_or_default();
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    Ok((status.good, reason))
}

/// The end of a report.
pub(super) fn noted(outcome: Result<Json, Refusal>) -> Step {
    outcome.map_or_else(Step::from, |_| Step::Answer(Answer::text(200, "noted")))
}
