//! A registrar of the tests' own: plain requests in, answers out, as RFC 7030 and RFC 8995 section 5.9
//! say; and what a test wants it to say instead.
use crate::support::{Identity, LIFE, ldevid};
use agent::machine::Answer;
use std::collections::VecDeque;
use wire::csr::Csr;
use wire::est::{self, CsrAttributes};
use wire::status::{self, Status};
use wire::{Certificate, PublicKey};

/// A request, and who sent it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub body: Vec<u8>,
    pub peer: Option<Certificate>,
}

/// The registrar and the domain's authority.
pub struct Registrar {
    pub authority: Identity,
    /// What is said instead, each once, at the path.
    pub instead: VecDeque<(&'static str, Answer)>,
    /// Everything that was asked.
    pub asked: Vec<Asked>,
    /// Every certificate, in order.
    pub issued: Vec<Certificate>,
    /// Everything that `enrollstatus` was told.
    pub told: Vec<Status>,
    /// What its clock says, in Unix milliseconds.
    pub now: i64,
    /// How long its certificates live.
    pub life: i64,
}

impl Registrar {
    pub fn new(now: i64) -> Self {
        let authority = Identity::root("domain");
        let (instead, asked, issued, told) = (VecDeque::new(), Vec::new(), Vec::new(), Vec::new());
        Self { authority, instead, asked, issued, told, now, life: LIFE }
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
            status::ENROLL_STATUS_PATH => {
                self.told.push(Status::from_json(&asked.body).unwrap());
                text(200, "noted")
            }
            _ => text(404, "no such door"),
        }
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
