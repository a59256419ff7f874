//! The registrar's door for vouchers: RFC 8995 sections 5.2 to 5.7.
use super::log;
use super::view::{Decision, Keep, MeetRelay, Report, Want};
use crate::audit::view::hex;
use crate::door::{
    Answer, Outgoing, RETRY_AFTER_SECONDS, Reply, Step, answered, check_voucher_type, malformed, signed_json,
    voucher_answer, wrong_request,
};
use crate::limits::{REASON_BYTES_MAX, RECEIVED_VOUCHER_BYTES_MAX};
use crate::onboarding::door::{Peer, Request, device, noted, status, wait};
use crate::onboarding::rules::Introduction;
use crate::onboarding::view::Proof;
use crate::refusal::{Blame, Refusal, Sort};
use crate::time::Millis;
use serde_json::Value as Json;
use wire::audit_log::domain_id;
use wire::digest::sha256;
use wire::voucher::{self, Assertion, Nonce, Voucher, VoucherRequest, idevid_issuer};
use wire::{Certificate, est};

/// RFC 8995 section 2.3.2: where the service is when the extension names its authority alone.
const USUAL_PATH: &str = "/.well-known/brski";
/// The last segment of the path (RFC 8995 section 5.5), under the service's own.
const PATH: &str = "/requestvoucher";

/// A pledge's request, judged good.
struct Asked {
    want: Want,
    nonce: Nonce,
    idevid: Certificate,
    /// Where its maker's service is: what paths are appended to.
    service: String,
    /// The request as it came.
    signed: Vec<u8>,
}

/// A pledge wants a voucher (RFC 8995 section 5.2). `registrar` is what the listener showed it.
pub fn request(request: Request, registrar: &Certificate) -> Step {
    match judge(request, registrar) {
        Ok(asked) => {
            let want = asked.want.clone();
            Step::Run(Box::new(want), Box::new(move |outcome| decided(outcome, asked)))
        }
        Err(step) => *step,
    }
}

fn judge(request: Request, registrar: &Certificate) -> Result<Asked, Box<Step>> {
    let no = |refusal: Refusal| Box::new(Step::from(refusal));
    let (introduction, idevid) = pledge(request.peer).map_err(no)?;
    check_voucher_type(&request.content_type).map_err(|answer| Box::new(Step::Answer(answer)))?;
    let signed = signed_json(&request.body).map_err(no)?;
    // RFC 8995 section 5.2: signed with the credentials that TLS saw (section 2.3). A certificate that came
    // along is under no signature of the request: it has to be the very same.
    if signed.signer != idevid {
        let why = "it is not signed with the IDevID that TLS showed (RFC 8995 section 5.2)";
        return Err(no(wrong_request(why)));
    }
    let said = VoucherRequest::from_json(&signed.content);
    let said = said.map_err(|why| no(malformed("bad-voucher-request", why)))?;
    let near = said.proximity_registrar_cert.as_ref();
    if said.assertion != Some(Assertion::Proximity) || near != Some(registrar) {
        return Err(Box::new(somebody_between(introduction, near)));
    }
    // RFC 8995 section 5.5: what the pledge claims is compared, and never copied.
    let serial_number = idevid.serial_number();
    if serial_number.as_ref() != Some(&said.serial_number) {
        let why = "its serial-number is not that of the IDevID (RFC 8995 section 5.5)";
        return Err(no(wrong_request(why)));
    }
    let nonce = said
        .nonce
        .ok_or_else(|| no(malformed("no-nonce", "a pledge's request has a nonce (RFC 8995 section 5.2)")))?;
    let service = service(idevid.masa_url().unwrap_or_default()).map_err(no)?;
    let want = Want { introduction, nonce: nonce.text().into() };
    Ok(Asked { want, nonce, idevid, service, signed: request.body })
}

/// RFC 8995 section 5.1: a pledge shows its IDevID in the handshake.
fn pledge(peer: Peer) -> Result<(Introduction, Certificate), Refusal> {
    match device(peer)? {
        (Proof::Idevid(introduction), idevid) => Ok((introduction, *idevid)),
        (Proof::Ldevid { .. }, _) => {
            let why = "vouchers are a matter of the IDevID; show it in the TLS handshake \
                       (RFC 8995 section 5.1)";
            Err(Refusal::new(Sort::NotPermitted, "not-an-idevid", why))
        }
    }
}

/// RFC 8995 section 5.2: 401, and the connection is closed. A person is told whom the pledge met instead.
fn somebody_between(introduction: Introduction, near: Option<&Certificate>) -> Step {
    let met = match near {
        Some(other) => format!("the certificate with the SHA-256 {}", hex(&sha256(other.der()))),
        None => "no registrar".into(),
    };
    let reason = format!(
        "its voucher-request says that it is near {met}, not this registrar's: somebody may stand between \
         (RFC 8995 section 5.2)"
    );
    let answer = |_: Result<Json, Refusal>| {
        let why = "the request does not say that the pledge is near this registrar's certificate; somebody may \
                   stand between (RFC 8995 section 5.2)";
        Step::Answer(Answer { closing: true, ..Answer::refused(401, &malformed("another-registrar", why)) })
    };
    Step::Run(Box::new(MeetRelay { introduction, reason }), Box::new(answer))
}

/// Where the maker's service is, from the extension of an IDevID: RFC 8995 section 2.3.2.
pub(in crate::onboarding) fn service(extension: &str) -> Result<String, Refusal> {
    if extension.is_empty() {
        let why = "the IDevID does not say who issues its vouchers (RFC 8995 section 2.3.2); \
                   the device can enrol by EST with an anchor that a person gave it";
        return Err(Refusal::new(Sort::NotPermitted, "no-masa-url", why));
    }
    // No slash: the authority alone.
    let complete = if extension.contains('/') { extension.into() } else { format!("https://{extension}") };
    let refused = || {
        let why = format!("the MASA URL `{extension}` is not https (RFC 8995 section 2.3.2) without a query");
        malformed("bad-masa-url", why)
    };
    let (scheme, rest) = complete.split_once("://").ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("https") || rest.contains(['?', '#']) {
        return Err(refused());
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok(match path.trim_end_matches('/') {
        "" => format!("https://{authority}{USUAL_PATH}"),
        path => format!("https://{authority}/{path}"),
    })
}

fn decided(outcome: Result<Json, Refusal>, asked: Asked) -> Step {
    match answered::<Decision>(outcome) {
        // RFC 8995 section 5.6: accepted, and the same request shall come again.
        Ok(Decision::Wait) => wait(),
        Ok(Decision::Again { voucher }) => voucher_answer(&voucher),
        Ok(Decision::Ask { servers, now }) => match registrars_request(&asked, now) {
            Ok(content) => {
                Step::SignVoucherRequest(content, Box::new(move |signed| ask(signed, &servers, asked)))
            }
            Err(refusal) => refusal.into(),
        },
        Err(refusal) => refusal.into(),
    }
}

/// RFC 8995 section 5.5.
fn registrars_request(asked: &Asked, now: Millis) -> Result<Vec<u8>, Refusal> {
    let request = VoucherRequest {
        created_on: Some(now.0),
        assertion: Some(Assertion::Proximity),
        idevid_issuer: Some(idevid_issuer(&asked.idevid)),
        nonce: Some(asked.nonce.clone()),
        prior_signed_voucher_request: Some(asked.signed.clone()),
        ..VoucherRequest::new(&asked.want.introduction.serial_number)
    };
    let unwritable = |why: String| Refusal::new(Sort::Failed, "unwritable-voucher-request", why);
    request.to_json().map_err(|why| unwritable(why.to_string()))
}

fn ask(signed: Result<Vec<u8>, Refusal>, servers: &[String], asked: Asked) -> Step {
    let cms = match signed {
        Ok(cms) => cms,
        Err(refusal) => return refusal.into(),
    };
    let outgoing = Outgoing {
        url: format!("{}{PATH}", asked.service),
        servers: servers.iter().filter_map(|pem| Certificate::from_pem(pem).ok()).collect(),
        accept: voucher::MEDIA_TYPE,
        content: Some((voucher::MEDIA_TYPE, cms)),
        reply_bytes_max: RECEIVED_VOUCHER_BYTES_MAX,
    };
    // The log is asked for with the same request (RFC 8995 section 5.8).
    let again = Asking { service: asked.service, outgoing: outgoing.clone(), want: asked.want };
    Step::Ask(Box::new(outgoing), Box::new(move |reply| replied(reply, again)))
}

/// What it takes to ask the service once more.
struct Asking {
    service: String,
    outgoing: Outgoing,
    want: Want,
}

/// RFC 8995 section 5.6: what the service answers is for the pledge.
fn replied(reply: Result<Reply, Refusal>, again: Asking) -> Step {
    let reply = match reply {
        Ok(reply) => reply,
        Err(refusal) => return refusal.into(),
    };
    let words = words(&reply.body);
    match reply.status {
        200 => keep(reply, again),
        202 => {
            let seconds = reply.retry_after_seconds.unwrap_or(RETRY_AFTER_SECONDS);
            let answer = Answer::text(202, "the maker's service has not decided yet; ask again later");
            Step::Answer(Answer { retry_after_seconds: Some(seconds), ..answer })
        }
        // RFC 8995 section 5.4: a matter between the registrar and the service. To a pledge, 401 says
        // something else (section 5.2).
        401 => {
            let why = format!(
                "the maker's service wants this registrar to sign in, which is not done yet: {words}"
            );
            Refusal::new(Sort::Later, "masa-wants-credentials", why).blaming(Blame::Operator).into()
        }
        status @ 400..500 => {
            let why = format!("the maker's service says: {words}");
            Step::Answer(Answer::refused(status, &malformed("masa-refused", why)))
        }
        status => {
            let why = format!("the maker's service answered {status}: {words}");
            Refusal::new(Sort::Later, "masa-failed", why).into()
        }
    }
}

/// The words of somebody else, cut.
fn words(body: &[u8]) -> String {
    let body = &body[..body.len().min(REASON_BYTES_MAX)];
    String::from_utf8_lossy(body).trim_end().into()
}

/// RFC 8995 section 5.6: the registrar reads the voucher for the record alone, and forwards it unchanged.
fn keep(reply: Reply, again: Asking) -> Step {
    if check_voucher_type(&reply.content_type).is_err() || reply.body.is_empty() {
        let why = format!("the maker's service answered `{}` in place of a voucher", reply.content_type);
        return Refusal::new(Sort::Failed, "not-a-voucher", why).into();
    }
    let read = signed_json(&reply.body).ok().and_then(|cms| Voucher::from_json(&cms.content).ok());
    let pinned = read.and_then(|voucher| voucher.pinned_domain_cert);
    let domain_id = pinned.map(|pinned| hex(&domain_id(&pinned))).unwrap_or_default();
    let Asking { service, outgoing, want } = again;
    let voucher = est::encode_body(&reply.body);
    let keep = Keep { want: want.clone(), domain_id: domain_id.clone(), voucher };
    let then = move |kept: Result<Json, Refusal>| match answered::<String>(kept) {
        Ok(voucher) => log::ask(&service, outgoing, want, domain_id, voucher),
        Err(refusal) => refusal.into(),
    };
    Step::Run(Box::new(keep), Box::new(then))
}

/// A pledge says what it thinks of its voucher (RFC 8995 section 5.7).
///
/// # Errors
/// Its sender is to blame.
pub fn report(request: Request) -> Result<Step, Refusal> {
    let (introduction, _) = pledge(request.peer)?;
    let (good, reason) = status(&request.body, "bad-voucher-status")?;
    Ok(Step::Run(Box::new(Report { introduction, good, reason }), Box::new(noted)))
}
