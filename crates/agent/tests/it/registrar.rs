//! A registrar of the tests' own, with the manufacturer's MASA behind it: plain requests in, answers out,
//! as RFC 7030 and RFC 8995 sections 5.6 and 5.9 say; and what a test wants it to say instead.
use crate::support::{Identity, LIFE, ldevid, masa, registrar};
use agent::machine::Answer;
use std::collections::VecDeque;
use wire::csr::Csr;
use wire::est::{self, CsrAttributes};
use wire::status::{self, Status};
use wire::voucher::{self, Assertion, Voucher, VoucherRequest};
use wire::{Certificate, PublicKey, cms, oid};

/// A request, and who sent it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub accept: String,
    pub body: Vec<u8>,
    pub peer: Option<Certificate>,
}

/// What the MASA issues in place of the voucher that it should.
pub type Bend = fn(&Registrar, Voucher) -> Answer;

/// The registrar, the domain's authority, the manufacturer and its MASA.
pub struct Registrar {
    pub authority: Identity,
    /// What is shown in the handshake.
    pub shown: Identity,
    pub maker: Identity,
    pub masa: Identity,
    /// What is issued instead of vouchers, each once.
    pub bends: VecDeque<Bend>,
    /// Every voucher-request that was answered with a voucher.
    pub appeals: Vec<VoucherRequest>,
    /// Everything that `voucher_status` was told.
    pub told_of_vouchers: Vec<Status>,
    /// What is said instead, each once, at the path.
    pub instead: VecDeque<(&'static str, Answer)>,
    /// Everything that was asked.
    pub asked: Vec<Asked>,
    /// Every certificate, in order.
    pub issued: Vec<Certificate>,
    /// Everything that `enrollstatus` was told.
    pub told: Vec<Status>,
    /// What a check-in is answered; nothing for a registrar that is no hub.
    pub desired: Option<Vec<u8>>,
    /// Who shows one of these is not answered: the connection is closed.
    pub unheard: Vec<Certificate>,
    /// Every last report.
    pub last_reports: Vec<Vec<u8>>,
    /// What its clock says, in Unix milliseconds.
    pub now: i64,
    /// How long its certificates live.
    pub life: i64,
}

impl Registrar {
    pub fn new(now: i64) -> Self {
        let (authority, maker) = (Identity::root("domain"), Identity::root("factory"));
        Self {
            shown: authority.issue(&registrar()),
            masa: maker.issue(&masa()),
            authority,
            maker,
            bends: VecDeque::new(),
            appeals: Vec::new(),
            told_of_vouchers: Vec::new(),
            instead: VecDeque::new(),
            asked: Vec::new(),
            issued: Vec::new(),
            told: Vec::new(),
            desired: None,
            unheard: Vec::new(),
            last_reports: Vec::new(),
            now,
            life: LIFE,
        }
    }

    pub fn paths(&self) -> Vec<&str> {
        self.asked.iter().map(|asked| asked.path.rsplit('/').next().unwrap()).collect()
    }

    /// Answers a request.
    pub fn answer(&mut self, asked: Asked) -> Answer {
        self.asked.push(asked.clone());
        let mut answer = match self.instead.front() {
            Some((path, _)) if *path == asked.path => self.instead.pop_front().unwrap().1,
            _ => self.usual(&asked),
        };
        answer.date_millis = answer.date_millis.or(Some(self.now));
        answer
    }

    fn usual(&mut self, asked: &Asked) -> Answer {
        match asked.path.as_str() {
            est::CA_CERTS_PATH => {
                der(est::PKCS7, &est::certs_only(std::slice::from_ref(&self.authority.certificate)))
            }
            est::CSR_ATTRS_PATH => der(est::CSR_ATTRS, &CsrAttributes::p256().to_der()),
            est::SIMPLE_ENROLL_PATH | est::SIMPLE_REENROLL_PATH => self.enrol(asked),
            voucher::REQUEST_PATH => self.voucher(asked),
            status::VOUCHER_STATUS_PATH => {
                self.told_of_vouchers.push(Status::from_json(&asked.body).unwrap());
                text(404, "who cares?")
            }
            status::ENROLL_STATUS_PATH => {
                self.told.push(Status::from_json(&asked.body).unwrap());
                text(200, "noted")
            }
            wire::control::CHECK_IN_PATH => match self.desired.clone() {
                Some(desired) => Answer { status: 200, body: desired, ..Answer::default() },
                None => text(404, "no hub"),
            },
            wire::retirement::LAST_REPORT_PATH => {
                assert_eq!(asked.peer, None, "its keys are gone");
                self.last_reports.push(asked.body.clone());
                text(200, "heard")
            }
            _ => text(404, "no such door"),
        }
    }

    fn voucher(&mut self, asked: &Asked) -> Answer {
        assert_eq!(asked.accept, voucher::MEDIA_TYPE);
        let Ok(signed) = cms::verify(&asked.body, None, &[]) else { return text(400, "what?") };
        if asked.peer.as_ref() != Some(&signed.signer) {
            return text(401, "show what you sign with");
        }
        assert_eq!(signed.signing_time, None);
        assert_eq!(signed.content_type, oid::ANIMA_JSON_VOUCHER);
        let asks = VoucherRequest::from_json(&signed.content).unwrap();
        // RFC 8995 section 5.2: else somebody stands between.
        if asks.proximity_registrar_cert.as_ref() != Some(&self.shown.certificate) {
            return text(401, "another stands before you");
        }
        assert_eq!((asks.assertion, asks.created_on), (Some(Assertion::Proximity), None));
        let voucher = Voucher {
            created_on: Some(self.now),
            assertion: Some(Assertion::Proximity),
            idevid_issuer: Some(voucher::idevid_issuer(&signed.signer)),
            pinned_domain_cert: Some(self.authority.certificate.clone()),
            domain_cert_revocation_checks: Some(false),
            nonce: asks.nonce.clone(),
            ..Voucher::new(&asks.serial_number)
        };
        self.appeals.push(asks);
        match self.bends.pop_front() {
            Some(bend) => bend(self, voucher),
            None => self.signed_by(&self.masa, &voucher),
        }
    }

    /// The answer with a voucher that somebody signed.
    pub fn signed_by(&self, signer: &Identity, voucher: &Voucher) -> Answer {
        let Identity { key, certificate } = signer;
        let json = voucher.to_json().unwrap();
        let kind = oid::ANIMA_JSON_VOUCHER;
        let body = cms::sign(kind, &json, certificate, &[], key, Some(self.now), false).unwrap();
        Answer { status: 200, content_type: voucher::MEDIA_TYPE.into(), body, ..Answer::default() }
    }

    fn enrol(&mut self, asked: &Asked) -> Answer {
        if asked.peer.is_none() {
            return text(401, "show a certificate");
        }
        let csr = Csr::from_der(&est::decode_body(&asked.body).unwrap()).unwrap();
        assert!(CsrAttributes::p256().unmet_by(&csr).is_empty());
        self.certify(csr.public_key())
    }

    /// The answer that certifies `key`: the same certificate for the same key.
    pub fn certify(&mut self, key: &PublicKey) -> Answer {
        let known = self.issued.iter().find(|one| one.public_key() == key).cloned();
        let certificate = known.unwrap_or_else(|| {
            let issued = self.authority.certify(&ldevid(), key, self.now, self.life);
            self.issued.push(issued.clone());
            issued
        });
        der(est::PKCS7_CERTS_ONLY, &est::certs_only(&[certificate]))
    }
}

/// An EST answer.
pub fn der(content_type: &str, der: &[u8]) -> Answer {
    let body = est::encode_body(der).into_bytes();
    Answer { status: 200, content_type: content_type.into(), body, ..Answer::default() }
}

/// An answer in words.
pub fn text(status: u16, words: &str) -> Answer {
    Answer { status, content_type: "text/plain".into(), body: words.into(), ..Answer::default() }
}
