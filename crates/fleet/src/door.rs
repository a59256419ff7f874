//! What all protocol doors share: an answer, and the steps that lead to it.
//!
//! A door opens no transaction and signs nothing. It says what it needs next ([`Step`]); the hub or the
//! simulator does that and hands the outcome to the rest.
use crate::operation::Call;
use crate::refusal::{Blame, Refusal, Sort};
use crate::text::Digest;
use crate::time::Millis;
use serde_json::Value as Json;
use wire::certificate::profile::{Profile, Validity};
use wire::csr::Csr;
use wire::est::{self, CsrAttributes};
use wire::limits::NAME_ATTRIBUTE_CHARS_MAX;
use wire::mud::authority;
use wire::suit::Release;
use wire::{Certificate, PublicKey, cms, oid, voucher};

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
    /// The connection is closed after it.
    pub closing: bool,
}

/// What a door needs next.
pub enum Step {
    /// Nothing: this is the answer.
    Answer(Answer),
    /// Run a call, and hand its outcome to the rest.
    Run(Box<dyn Call>, Then<Result<Json, Refusal>>),
    /// Sign a certificate with the authority's key, and hand it to the rest.
    Sign(Box<ToSign>, Then<Result<Certificate, Refusal>>),
    /// Sign a voucher (JSON) with the MASA's key as CMS, and hand it to the rest.
    SignVoucher(Vec<u8>, Then<Result<Vec<u8>, Refusal>>),
    /// Sign a registrar's voucher-request (JSON) with the registrar's key as CMS, the chain up to the
    /// domain's authority along with it, and hand it to the rest.
    SignVoucherRequest(Vec<u8>, Then<Result<Vec<u8>, Refusal>>),
    /// Sign octets with the manufacturer's key as CMS, and hand that to the rest.
    SignAsMaker(Signed, Vec<u8>, Millis, Then<Result<Vec<u8>, Refusal>>),
    /// Write the envelope of a firmware release and sign it with the manufacturer's key, and hand it to the
    /// rest.
    SignRelease(Box<Release>, Then<Result<Vec<u8>, Refusal>>),
    /// Sign octets with the registrar's key as CMS, the chain up to the domain's authority along with it,
    /// and hand that to the rest.
    SignAsRegistrar(Vec<u8>, Millis, Then<Result<Vec<u8>, Refusal>>),
    /// Keep octets as a blob, and hand its digest to the rest.
    Keep(Vec<u8>, Then<Result<Digest, Refusal>>),
    /// Ask somebody else's server, and hand what it replied to the rest.
    Ask(Box<Outgoing>, Then<Result<Reply, Refusal>>),
}

/// The rest of a door's work.
pub type Then<T> = Box<dyn FnOnce(T) -> Step + Send>;

/// What a manufacturer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// A MUD file: the signature stands apart from it (RFC 8520 section 13.1).
    Description,
    /// A birth record.
    BirthRecord,
}

/// A certificate to be signed, outside of any transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSign {
    /// What it is for, and what it says.
    pub profile: Profile,
    /// Whose key it is.
    pub key: PublicKey,
    /// Its serial number.
    pub serial: [u8; 16],
    /// When it is good.
    pub validity: Validity,
}

/// A request to somebody else's server, whose URL a stranger may have named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Whom and what to ask: an absolute URL, https only.
    pub url: String,
    /// The authorities whose servers are believed.
    pub servers: Vec<Certificate>,
    /// The media type that is wanted.
    pub accept: &'static str,
    /// What is posted, with its media type; nothing to ask with GET.
    pub content: Option<(&'static str, Vec<u8>)>,
    /// The largest reply that is taken.
    pub reply_bytes_max: usize,
}

/// What somebody else's server replied, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status; never a redirection.
    pub status: u16,
    /// The media type, as it was sent.
    pub content_type: String,
    /// After how many seconds it wants to be asked again.
    pub retry_after_seconds: Option<u32>,
    /// The body, within the limit of the request.
    pub body: Vec<u8>,
}

/// After how many seconds whoever waits for a person asks again.
pub const RETRY_AFTER_SECONDS: u32 = 5;
const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    /// A body of a media type.
    pub fn of(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Answer { status, content_type, body, retry_after_seconds: None, closing: false }
    }

    /// Words for a person.
    pub fn text(status: u16, body: &str) -> Self {
        Answer::of(status, TEXT, body.as_bytes().to_vec())
    }

    /// Why not, in words for a person: the code, what is wrong and what to do, and who can mend it, in the words
    /// of the other faces.
    pub fn refused(status: u16, refusal: &Refusal) -> Self {
        let Refusal { code, detail, blame, .. } = refusal;
        Answer::text(status, &format!("{code}: {detail} (blame: {blame})"))
    }

    /// The door is asked with `method`.
    pub fn wrong_method(method: &str) -> Self {
        Answer::refused(405, &malformed("wrong-method", format!("this door is asked with {method}")))
    }

    /// A device has used up its requests.
    pub fn too_often() -> Self {
        let why = "this device has asked more often than any has to; ask again later";
        let refused = Answer::refused(429, &malformed("too-often", why));
        Answer { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..refused }
    }

    /// An EST body (RFC 8951 section 3.2: base64).
    pub fn est(content_type: &'static str, der: &[u8]) -> Self {
        Answer::of(200, content_type, est::encode_body(der).into_bytes())
    }

    /// RFC 7030 section 4.1.3: the authority's certificates.
    pub fn ca_certs(authority: &Certificate) -> Self {
        Answer::est(est::PKCS7, &est::certs_only(std::slice::from_ref(authority)))
    }

    /// RFC 7030 section 4.5.2: what a request has to look like.
    pub fn csr_attributes() -> Self {
        Answer::est(est::CSR_ATTRS, &CsrAttributes::p256().to_der())
    }

    /// RFC 7030 section 4.2.3: a certs-only response with only the certificate that was issued.
    pub fn issued(certificate: &Certificate) -> Self {
        Answer::est(est::PKCS7_CERTS_ONLY, &est::certs_only(std::slice::from_ref(certificate)))
    }
}

impl From<&Refusal> for Answer {
    /// RFC 7030 section 4.2.3: a suitable 4xx or 5xx with words for a person.
    fn from(refusal: &Refusal) -> Self {
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
        Answer { retry_after_seconds, ..Answer::refused(status, refusal) }
    }
}

impl From<Refusal> for Step {
    fn from(refusal: Refusal) -> Self {
        Step::Answer(Answer::from(&refusal))
    }
}

/// The request in the body of an enrolment.
///
/// # Errors
/// Its sender is to blame.
pub fn enrolment_request(content_type: &str, body: &[u8]) -> Result<Csr, Refusal> {
    let media_type = media_type(content_type);
    if !media_type.eq_ignore_ascii_case(est::PKCS10) {
        let why = format!("the body is `{media_type}`; send {} (RFC 7030 section 4.2.1)", est::PKCS10);
        return Err(malformed("not-pkcs10", why));
    }
    let der = est::decode_body(body).map_err(|why| malformed("bad-est-body", why))?;
    let csr = Csr::from_der(&der).map_err(|why| malformed("bad-csr", why))?;
    // RFC 8995 section 5.9.2: the request is checked against the attributes that were asked for.
    if !CsrAttributes::p256().unmet_by(&csr).is_empty() {
        let why = "the request has to be for a P-256 key and signed with ECDSA and SHA-256, as csrattrs says";
        return Err(malformed("csr-attributes-unmet", why));
    }
    Ok(csr)
}

/// Whether `url` leads to one of `servers`, which are hosts with their ports as URLs name them.
pub fn is_of(url: &str, servers: &[String]) -> bool {
    let own = authority(url).map(|own| own.strip_suffix(":443").unwrap_or(own));
    own.is_some_and(|own| servers.iter().any(|server| server.eq_ignore_ascii_case(own)))
}

/// What was sent is wrong.
pub fn malformed(code: &'static str, why: impl ToString) -> Refusal {
    Refusal::new(Sort::Malformed, code, why.to_string())
}

/// What we made ourselves is wrong.
fn of_ours(code: &'static str, why: impl ToString) -> Refusal {
    Refusal::new(Sort::Failed, code, why.to_string()).blaming(Blame::Us)
}

/// What an operation of a door answered, as the type that it is.
///
/// # Errors
/// The operation's refusal, or `unreadable-answer`, a fault of ours.
pub fn answered<T: serde::de::DeserializeOwned>(outcome: Result<Json, Refusal>) -> Result<T, Refusal> {
    serde_json::from_value(outcome?).map_err(|why| of_ours("unreadable-answer", why))
}

/// The answer with a certificate that is kept as PEM.
pub fn issued(certificate: &str) -> Step {
    match Certificate::from_pem(certificate) {
        Ok(certificate) => Step::Answer(Answer::issued(&certificate)),
        Err(why) => of_ours("unreadable-certificate", why).into(),
    }
}

/// Whether `text` can stand in a subject as serialNumber: X520SerialNumber of RFC 5280 appendix A.1, a
/// PrintableString of 1 to 64 characters.
pub fn is_serial_number(text: &str) -> bool {
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    (1..=NAME_ATTRIBUTE_CHARS_MAX).contains(&text.len()) && text.chars().all(printable)
}

/// Whether what was sent says that it is a voucher or a voucher-request, signed with CMS.
///
/// # Errors
/// RFC 8995 section 5.6: 415 for a voucher-request that is not understood.
pub fn check_voucher_type(content_type: &str) -> Result<(), Answer> {
    let media_type = media_type(content_type);
    if media_type.eq_ignore_ascii_case(voucher::MEDIA_TYPE) {
        return Ok(());
    }
    let why = format!("the body is `{media_type}`; send {}", voucher::MEDIA_TYPE);
    Err(Answer::refused(415, &malformed("not-a-voucher-request", why)))
}

/// A media type without its parameters.
pub fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// A voucher or a voucher-request in JSON whose signature verified, with the signer's certificate along;
/// whether that may be believed is for the caller to judge.
///
/// # Errors
/// `voucher-request-refused`.
pub fn signed_json(body: &[u8]) -> Result<cms::Verified, Refusal> {
    let verified = cms::verify(body, None, &[]).map_err(wrong_request)?;
    // The examples of RFC 8995 appendix C say id-data; RFC 8366 section 5.4 names a type of its own.
    if [oid::DATA, oid::ANIMA_JSON_VOUCHER].contains(&verified.content_type) {
        return Ok(verified);
    }
    let why = format!("the signed content is of the type {}, not a voucher in JSON", verified.content_type);
    Err(wrong_request(why))
}

/// RFC 8995 section 5.6: 403 when a voucher-request is not signed correctly.
pub fn wrong_request(why: impl ToString) -> Refusal {
    Refusal::new(Sort::NotPermitted, "voucher-request-refused", why.to_string())
}

/// The answer with a voucher that is kept as base64. RFC 8995 section 6: it is sent in binary.
pub fn voucher_answer(voucher: &str) -> Step {
    match est::decode_body(voucher.as_bytes()) {
        Ok(body) => Step::Answer(Answer::of(200, voucher::MEDIA_TYPE, body)),
        Err(why) => of_ours("unreadable-voucher", why).into(),
    }
}
