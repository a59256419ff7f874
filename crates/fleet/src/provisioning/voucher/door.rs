//! The MASA's door for registrars: RFC 8995 sections 5.5, 5.6 and 5.8. No client authentication is asked for
//! (section 5.4): what counts is signed.
use super::view::{Decision, Find, Issue, Log, Logged};
use crate::audit::view::hex;
use crate::door::{
    Answer, Step, answered, check_voucher_type, malformed, signed_json, voucher_answer, wrong_request,
};
use crate::refusal::{Refusal, Sort};
use crate::time::Millis;
use serde_json::Value as Json;
use wire::audit_log::{self, AuditEvent, AuditLog, Truncation, domain_id};
use wire::certificate::chain::{Purpose, verify_chain};
use wire::voucher::{self, Assertion, Nonce, Voucher, VoucherRequest, idevid_issuer};
use wire::{Certificate, PublicKey, est};

/// A registrar's request.
pub struct Request {
    /// POST rather than GET.
    pub post: bool,
    /// The path, without a query.
    pub path: String,
    /// The media type, as it was sent.
    pub content_type: String,
    /// The body, within [`crate::limits::DOOR_BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// What a good request says.
struct Asked {
    find: Find,
    nonce: Nonce,
    pinned: Certificate,
    idevid: Certificate,
}

/// Answers a registrar, or says what it takes to answer it. `authority` is the one that signed the
/// IDevIDs of this manufacturer. `may_ask` says whether the device with this key has not been asked for too
/// often: nobody else shows who they are. Revocation lists that a registrar's authority names are not asked yet.
pub fn open(
    request: Request,
    authority: &Certificate,
    now: Millis,
    may_ask: impl FnOnce(&PublicKey) -> bool,
) -> Step {
    if !request.post {
        return Step::Answer(Answer::wrong_method("POST"));
    }
    if let Err(answer) = check_voucher_type(&request.content_type) {
        return Step::Answer(answer);
    }
    let asked = match judge(&request.body, authority, now) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    if !may_ask(asked.idevid.public_key()) {
        return Step::Answer(Answer::too_often());
    }
    match request.path.as_str() {
        voucher::REQUEST_PATH => {
            let find = asked.find.clone();
            Step::Run(Box::new(find), Box::new(move |outcome| decided(outcome, asked)))
        }
        audit_log::REQUEST_PATH => {
            let Find { serial_number, key, domain_id, .. } = asked.find;
            let log = Log { serial_number, key, domain_id };
            Step::Run(Box::new(log), Box::new(|outcome| log_answer(outcome).unwrap_or_else(Step::from)))
        }
        _ => Refusal::new(Sort::NotFound, "door-unknown", "there is no such door").into(),
    }
}

fn judge(body: &[u8], authority: &Certificate, now: Millis) -> Result<Asked, Refusal> {
    let outer = signed_json(body)?;
    let request =
        VoucherRequest::from_json(&outer.content).map_err(|why| malformed("bad-voucher-request", why))?;
    // RFC 8995 section 5.5.2: the certificate farthest from the registrar's is pinned; it is a trust
    // anchor for this request only.
    let pinned = farthest(&outer.signer, &outer.certificates).clone();
    let path = verify_chain(
        &outer.signer,
        &outer.certificates,
        std::slice::from_ref(&pinned),
        // RFC 8995 section 5.5.1: an owner whose registrar's certificate ended gets no more vouchers.
        Some(now.0),
        // RFC 8995 section 5.5.4: id-kp-cmcRA.
        Purpose::Registrar,
    );
    let path = path.map_err(|why| wrong_request(format!("the registrar's certificate: {why}")))?;
    if request.proximity_registrar_cert.is_some() {
        return Err(wrong_request(
            "a registrar's request has no proximity-registrar-cert (RFC 8995 section 5.5)",
        ));
    }
    let prior = request.prior_signed_voucher_request.as_deref();
    let prior = prior.ok_or_else(|| {
        wrong_request("the pledge's signed request has to be in it (RFC 8995 section 5.5.5)")
    })?;
    let (idevid, pledge) = judge_pledge(prior, authority)?;
    let near = pledge.proximity_registrar_cert.as_ref().ok_or_else(|| {
        wrong_request("the pledge's request has no proximity-registrar-cert (RFC 8995 section 5.2)")
    })?;
    if !path.certificates().iter().any(|c| c.public_key() == near.public_key()) {
        return Err(wrong_request("the pledge stood before another registrar (RFC 8995 section 5.5.5)"));
    }
    let serial_number = idevid.serial_number().unwrap_or_default();
    if serial_number.is_empty() || request.serial_number != serial_number {
        return Err(wrong_request("the serial-number is not that of the IDevID (RFC 8995 section 5.5.5)"));
    }
    if request.idevid_issuer.is_some_and(|issuer| issuer != idevid_issuer(&idevid)) {
        return Err(wrong_request("the idevid-issuer is not that of the IDevID (RFC 8995 section 5.5)"));
    }
    let Some(nonce) = pledge.nonce else {
        return Err(Refusal::new(
            Sort::NotYet,
            "nonceless-voucher",
            "vouchers without a nonce are not issued yet",
        ));
    };
    if request.nonce.as_ref() != Some(&nonce) {
        return Err(wrong_request("the nonces of registrar and pledge differ (RFC 8995 section 5.5.6)"));
    }
    let find = Find {
        serial_number,
        key: hex(&idevid.public_key().fingerprint()),
        nonce: nonce.text().into(),
        domain_id: hex(&domain_id(&pinned)),
    };
    Ok(Asked { find, nonce, pinned, idevid })
}

/// The IDevID that signed the pledge's request, and the request.
fn judge_pledge(prior: &[u8], authority: &Certificate) -> Result<(Certificate, VoucherRequest), Refusal> {
    let inner = signed_json(prior)?;
    verify_chain(&inner.signer, &inner.certificates, std::slice::from_ref(authority), None, Purpose::Device)
        .map_err(|why| wrong_request(format!("the pledge's certificate: {why}")))?;
    let request =
        VoucherRequest::from_json(&inner.content).map_err(|why| malformed("bad-voucher-request", why))?;
    if inner.signer.serial_number().is_none_or(|own| own != request.serial_number) {
        return Err(wrong_request(
            "the pledge asks with another serial-number than its own (RFC 8995 section 5.5.5)",
        ));
    }
    Ok((inner.signer, request))
}

/// The certificate that is farthest from `leaf` in the chain that came along.
fn farthest<'a>(leaf: &'a Certificate, chain: &'a [Certificate]) -> &'a Certificate {
    let mut at = leaf;
    // No chain is longer than what came along.
    for _ in chain {
        let issuer = chain
            .iter()
            .find(|c| *c != at && c.subject() == at.issuer() && at.verify_signature(c.public_key()).is_ok());
        match issuer {
            Some(issuer) => at = issuer,
            None => break,
        }
    }
    at
}

fn decided(outcome: Result<Json, Refusal>, asked: Asked) -> Step {
    match answered::<Decision>(outcome) {
        Ok(Decision::Again { voucher }) => voucher_answer(&voucher),
        Ok(Decision::Sign { now }) => {
            let voucher = Voucher {
                created_on: Some(now.0),
                assertion: Some(Assertion::Proximity),
                idevid_issuer: Some(idevid_issuer(&asked.idevid)),
                pinned_domain_cert: Some(asked.pinned.clone()),
                // RFC 8995 section 5.6: the pledge has nothing to check revocation with.
                domain_cert_revocation_checks: Some(false),
                nonce: Some(asked.nonce.clone()),
                ..Voucher::new(&asked.find.serial_number)
            };
            let keep = move |signed: Result<Vec<u8>, Refusal>| match signed {
                Ok(cms) => {
                    let voucher = est::encode_body(&cms);
                    let issue = Issue { find: asked.find, issued_at: now, voucher };
                    Step::Run(
                        Box::new(issue),
                        Box::new(|kept| match answered::<String>(kept) {
                            Ok(voucher) => voucher_answer(&voucher),
                            Err(refusal) => refusal.into(),
                        }),
                    )
                }
                Err(refusal) => refusal.into(),
            };
            match voucher.to_json() {
                Ok(content) => Step::SignVoucher(content, Box::new(keep)),
                Err(why) => Refusal::new(Sort::Failed, "unwritable-voucher", why.to_string()).into(),
            }
        }
        Err(refusal) => refusal.into(),
    }
}

/// RFC 8995 section 5.8.1.
fn log_answer(outcome: Result<Json, Refusal>) -> Result<Step, Refusal> {
    let unwritable = |why: String| Refusal::new(Sort::Failed, "unwritable-log", why);
    let logged: Logged = answered(outcome)?;
    let event = |(date, domain_id, nonce): (Millis, String, String)| {
        let bytes = (0..domain_id.len()).step_by(2);
        let domain_id = bytes.filter_map(|i| u8::from_str_radix(domain_id.get(i..i + 2)?, 16).ok());
        AuditEvent {
            date: date.0,
            domain_id: domain_id.collect(),
            nonce: Some(nonce),
            assertion: Assertion::Proximity,
            truncated: None,
        }
    };
    let truncation =
        Truncation { arbitrary: u64::try_from(logged.dropped).unwrap_or(0), ..Truncation::default() };
    let events = logged.vouchers.into_iter().rev().map(event).collect();
    let log = AuditLog { version: audit_log::VERSION, events, truncation };
    let body = log.to_json().map_err(|why| unwritable(why.to_string()))?;
    Ok(Step::Answer(Answer::of(200, audit_log::MEDIA_TYPE, body)))
}
