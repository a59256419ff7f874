//! EST's and BRSKI's doors for devices: a plain request in, an answer out.
//!
//! A door opens no transaction and signs nothing. It says what it needs next ([`Step`]), the hub or the
//! simulator does that, and hands the outcome back. It is mounted on the devices' listener only.
use super::anchor::store::anchor_list;
use super::store::ldevid_find;
use super::view::{Decision, Enrol, Issue, Proof, Report, Work};
use crate::audit::view::hex;
use crate::limits::{ANCHORS_MAX, REASON_BYTES_MAX};
use crate::operation::Call;
use crate::refusal::{Refusal, Sort};
use crate::text::Slug;
use crate::time::Millis;
use crate::tx::Tx;
use serde_json::Value as Json;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::csr::Csr;
use wire::est::{self, CsrAttributes};
use wire::status::{ENROLL_STATUS_PATH, Status};
use wire::{Certificate, PublicKey};

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
    if leaf.issuer() == authority.subject() {
        verify_chain(&leaf, &rest, std::slice::from_ref(authority), Some(now.0), Purpose::Device)
            .map_err(|why| refused(why.to_string()))?;
        let serial = hex(leaf.serial());
        if ldevid_find(tx, &serial)?.is_none() {
            let detail = format!("the LDevID {serial} is not good (any more)");
            return Err(Refusal::new(Sort::NotPermitted, "ldevid-ended", detail));
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
    let (Some(anchor), Some(serial_number)) = (anchor, leaf.serial_number()) else {
        return Err(refused("the IDevID's subject has no serialNumber (RFC 8995 section 2.3.1)".into()));
    };
    let proof = Proof::Idevid { anchor, serial_number, key: fingerprint(leaf.public_key()) };
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

/// What a door answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// After how many seconds to ask again.
    pub retry_after_seconds: Option<u32>,
}

/// What a door needs next.
pub enum Step {
    /// Nothing: this is the answer.
    Answer(Answer),
    /// Run a call, and hand its outcome to the rest.
    Run(Box<dyn Call>, Then<Result<Json, Refusal>>),
    /// Sign a certificate for a key, and hand it to the rest.
    Sign(Work, Box<PublicKey>, Then<Result<Certificate, Refusal>>),
}

/// The rest of a door's work.
pub type Then<T> = Box<dyn FnOnce(T) -> Step + Send>;

/// How long a device that nobody has admitted waits before it asks again.
const RETRY_AFTER_SECONDS: u32 = 5;
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request to the doors of EST (RFC 7030 section 3.2.2) and BRSKI (RFC 8995 section 5), or
/// says what it takes to answer it. `authority` is the domain's.
pub fn open(request: Request, authority: &Certificate) -> Step {
    let asked = match (request.post, request.path.as_str()) {
        // RFC 7030 section 4.1.2: no authentication of the client is required.
        (false, est::CA_CERTS_PATH) => {
            let body = est::certs_only(std::slice::from_ref(authority));
            return Step::Answer(base64(est::PKCS7, &body));
        }
        (false, est::CSR_ATTRS_PATH) => {
            return Step::Answer(base64(est::CSR_ATTRS, &CsrAttributes::p256().to_der()));
        }
        (true, est::SIMPLE_ENROLL_PATH) => enrol(request, false),
        (true, est::SIMPLE_REENROLL_PATH) => enrol(request, true),
        (true, ENROLL_STATUS_PATH) => report(request),
        (
            _,
            est::CA_CERTS_PATH
            | est::CSR_ATTRS_PATH
            | est::SIMPLE_ENROLL_PATH
            | est::SIMPLE_REENROLL_PATH
            | ENROLL_STATUS_PATH,
        ) => return Step::Answer(text(405, "this door is asked with the other of GET and POST")),
        _ => Err(Refusal::new(Sort::NotFound, "door-unknown", "there is no such door")),
    };
    asked.unwrap_or_else(|refusal| Step::Answer(refused(&refusal)))
}

fn base64(content_type: &'static str, der: &[u8]) -> Answer {
    let body = est::encode_body(der).into_bytes();
    Answer { status: 200, content_type, body, retry_after_seconds: None }
}

fn text(status: u16, body: &str) -> Answer {
    Answer { status, content_type: TEXT, body: body.as_bytes().to_vec(), retry_after_seconds: None }
}

/// RFC 7030 section 4.2.3: a suitable 4xx or 5xx with words for a person.
pub fn refused(refusal: &Refusal) -> Answer {
    let status = match refusal.sort {
        Sort::Malformed | Sort::TooMuch => 400,
        Sort::NotSignedIn => 401,
        Sort::NotPermitted => 403,
        Sort::NotFound => 404,
        Sort::Conflict => 409,
        Sort::Later => 503,
        Sort::NotYet => 501,
        Sort::Failed => 500,
    };
    let retry_after_seconds = (refusal.sort == Sort::Later).then_some(RETRY_AFTER_SECONDS);
    Answer { retry_after_seconds, ..text(status, &format!("{}: {}", refusal.code, refusal.detail)) }
}

fn device(peer: Peer) -> Result<(Proof, Box<Certificate>), Refusal> {
    match peer {
        Peer::Device { proof, certificate } => Ok((proof, certificate)),
        Peer::Nobody => {
            let detail = "show a certificate in the TLS handshake (RFC 7030 section 3.3.2)";
            Err(Refusal::new(Sort::NotSignedIn, "no-certificate", detail))
        }
    }
}

fn malformed(code: &'static str, why: impl ToString) -> Refusal {
    Refusal::new(Sort::Malformed, code, why.to_string())
}

fn enrol(request: Request, again: bool) -> Result<Step, Refusal> {
    let (proof, certificate) = device(request.peer)?;
    let media_type = request.content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(est::PKCS10) {
        let why = format!("the body is `{media_type}`; send {} (RFC 7030 section 4.2.1)", est::PKCS10);
        return Err(malformed("not-pkcs10", why));
    }
    let der = est::decode_body(&request.body).map_err(|why| malformed("bad-est-body", why))?;
    let csr = Csr::from_der(&der).map_err(|why| malformed("bad-csr", why))?;
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
    // RFC 8995 section 5.9.2: the request is checked against the attributes that were asked for.
    if !CsrAttributes::p256().unmet_by(csr).is_empty() {
        let why = "the request has to be for a P-256 key and signed with ECDSA and SHA-256, as csrattrs says";
        return Err(malformed("csr-attributes-unmet", why));
    }
    // RFC 7030 section 4.2.2: the subject of a renewal is that of the certificate being renewed.
    if again && csr.subject() != certificate.subject() {
        let why = "the subject differs from that of the certificate being renewed (RFC 7030 section 4.2.2)";
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
    let decision = outcome.and_then(|json| {
        serde_json::from_value::<Decision>(json)
            .map_err(|why| Refusal::new(Sort::Failed, "unreadable-decision", why.to_string()))
    });
    match decision {
        Ok(Decision::Wait) => Step::Answer(Answer {
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            // RFC 7030 section 4.2.3: accepted for manual authorization.
            ..text(202, "nobody has admitted this device yet; ask again later")
        }),
        Ok(Decision::Again { certificate }) => Step::Answer(match Certificate::from_pem(&certificate) {
            Ok(certificate) => issued(&certificate),
            Err(why) => refused(&Refusal::new(Sort::Failed, "unreadable-certificate", why.to_string())),
        }),
        Ok(Decision::Sign(work)) => {
            let then = work.clone();
            Step::Sign(work, Box::new(key), Box::new(move |signed| keep(then, signed)))
        }
        Err(refusal) => Step::Answer(refused(&refusal)),
    }
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
            let then = move |kept: Result<Json, Refusal>| {
                Step::Answer(kept.map_or_else(|refusal| refused(&refusal), |_| issued(&certificate)))
            };
            Step::Run(Box::new(call), Box::new(then))
        }
        Err(refusal) => Step::Answer(refused(&refusal)),
    }
}

/// RFC 7030 section 4.2.3: a certs-only response with only the certificate that was issued.
fn issued(certificate: &Certificate) -> Answer {
    base64(est::PKCS7_CERTS_ONLY, &est::certs_only(std::slice::from_ref(certificate)))
}

/// RFC 8995 section 5.9.4.
fn report(request: Request) -> Result<Step, Refusal> {
    let (proof, _) = device(request.peer)?;
    let status = Status::from_json(&request.body).map_err(|why| malformed("bad-enrollstatus", why))?;
    let mut reason = status.reason.unwrap_or_default();
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    let then = |outcome: Result<Json, Refusal>| {
        Step::Answer(outcome.map_or_else(|refusal| refused(&refusal), |_| text(200, "noted")))
    };
    Ok(Step::Run(Box::new(Report { proof, good: status.good, reason }), Box::new(then)))
}
