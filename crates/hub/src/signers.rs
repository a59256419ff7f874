//! Drives a door's steps: calls go to the desk, what is to be signed to the hub's own keys, what is to be
//! asked to other people's servers.
use crate::blobs::Blobs;
use crate::desk::Desk;
use crate::fetch::Fetcher;
use crate::folder::Authority;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleet::door::{Answer, Outgoing, Reply, Signed, Step, ToSign};
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::text::Slug;
use fleet::time::Millis;
use std::sync::Arc;
use wire::certificate::profile::issue;
use wire::suit::Release;
use wire::{Certificate, birth_record, cms, mud, oid};

/// Who signs and asks what the doors want signed and asked.
#[derive(Clone)]
pub struct Signers {
    /// Whose authorities they are.
    pub organisation: Slug,
    /// Signs certificates: LDevIDs for the devices' listener, IDevIDs for the people's.
    pub authority: Authority,
    /// The domain's authority.
    pub domain: Certificate,
    /// Signs voucher-requests, and what the domain stands for.
    pub registrar: Authority,
    /// Signs vouchers.
    pub masa: Authority,
    /// Signs descriptions and birth records, for the manufacturer whose authority `maker` is.
    pub signer: Authority,
    /// Signs releases, for the same manufacturer.
    pub author: Arc<Authority>,
    /// The manufacturer's authority.
    pub maker: Certificate,
    /// Keeps blobs.
    pub blobs: Blobs,
    /// Asks other people's servers.
    pub fetcher: Fetcher,
}

impl Signers {
    /// Takes `step` and those that follow, as `session`, up to the answer.
    pub async fn drive(&self, desk: &Desk, mut step: Step, session: &Session) -> Answer {
        loop {
            step = match step {
                Step::Answer(answer) => return answer,
                Step::Run(call, then) => then(desk.call(session, call, None).await),
                Step::Sign(to_sign, then) => then(self.sign(&to_sign)),
                // RFC 8366 section 5.4: all certificates up to the anchor go along.
                Step::SignVoucher(content, then) => then(self.sign_json(&content, &self.masa)),
                // RFC 8995 section 5.5: what goes along may be pinned. The domain's authority may: it
                // outlives the registrar's certificate.
                Step::SignVoucherRequest(content, then) => then(self.sign_json(&content, &self.registrar)),
                Step::SignAsMaker(what, content, at, then) => then(self.sign_as_maker(what, &content, at)),
                Step::SignRelease(release, then) => then(self.sign_release(&release)),
                Step::SignAsRegistrar(content, at, then) => then(self.sign_as_registrar(&content, at)),
                Step::Keep(content, then) => then(self.blobs.put(session, content).await),
                Step::Ask(outgoing, then) => then(self.ask(desk, &outgoing, session).await),
            }
        }
    }

    /// What the operator can mend is written to the journal: the device that asked cannot.
    async fn ask(&self, desk: &Desk, outgoing: &Outgoing, session: &Session) -> Result<Reply, Refusal> {
        let reply = self.fetcher.ask(outgoing).await;
        if let Err(refusal) = &reply
            && refusal.blame == Blame::Operator
        {
            desk.store().note_refusal(session, "fetch", refusal);
        }
        reply
    }

    fn sign(&self, to_sign: &ToSign) -> Result<Certificate, Refusal> {
        let ToSign { profile, key, serial, validity } = to_sign;
        let Authority { certificate, key: signer } = &self.authority;
        issue(profile, key, Some(certificate), *serial, *validity, signer.as_ref())
            .map_err(|why| Refusal::new(Sort::Failed, "not-signed", why.to_string()).blaming(Blame::Us))
    }

    fn sign_as_maker(&self, what: Signed, content: &[u8], at: Millis) -> Result<Vec<u8>, Refusal> {
        let Authority { certificate, key } = &self.signer;
        let chain = std::slice::from_ref(&self.maker);
        let signed = match what {
            Signed::Description => mud::sign(content, certificate, chain, key.as_ref(), Some(at.0)),
            Signed::BirthRecord => birth_record::sign(content, certificate, chain, key.as_ref(), at.0),
        };
        signed.map_err(|why| Refusal::new(Sort::Failed, "not-signed", why.to_string()).blaming(Blame::Us))
    }

    fn sign_release(&self, release: &Release) -> Result<Vec<u8>, Refusal> {
        release
            .envelope(self.author.key.as_ref())
            .map_err(|why| Refusal::new(Sort::Failed, "not-signed", why.to_string()).blaming(Blame::Us))
    }

    /// Octets that the domain stands for.
    fn sign_as_registrar(&self, content: &[u8], at: Millis) -> Result<Vec<u8>, Refusal> {
        let Authority { certificate, key } = &self.registrar;
        let chain = std::slice::from_ref(&self.domain);
        cms::sign(oid::DATA, content, certificate, chain, key.as_ref(), Some(at.0), false)
            .map_err(|why| Refusal::new(Sort::Failed, "not-signed", why.to_string()).blaming(Blame::Us))
    }

    /// A voucher or a voucher-request, signed by somebody whom the listener's authority vouches for.
    fn sign_json(&self, content: &[u8], signer: &Authority) -> Result<Vec<u8>, Refusal> {
        let Authority { certificate, key } = signer;
        let chain = std::slice::from_ref(&self.authority.certificate);
        cms::sign(oid::ANIMA_JSON_VOUCHER, content, certificate, chain, key.as_ref(), None, false)
            .map_err(|why| Refusal::new(Sort::Failed, "not-signed", why.to_string()).blaming(Blame::Us))
    }
}

/// A door's answer as HTTP.
pub fn response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(answer.body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if let Some(seconds) = answer.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if answer.closing {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
