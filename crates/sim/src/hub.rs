//! An operator's hub without sockets and threads: the devices' doors, a desk, a domain in memory.
use crate::authority::{Authority, not_signed};
use crate::desk::Desk;
use crate::random::Random;
use fleet::door::{Step, ToSign};
use fleet::onboarding::door::{self, Peer, Request};
use fleet::operation::Call;
use fleet::permission::Session;
use fleet::refusal::Refusal;
use fleet::text::Slug;
use fleet::time::Millis;
use store::Outcome;
use wire::Certificate;
use wire::certificate::profile::Profile;

/// The hub.
pub struct Hub {
    /// Its fleet.
    pub desk: Desk,
    domain: Authority,
    registrar: Authority,
}

impl Hub {
    /// A hub with an empty database, with power.
    ///
    /// # Errors
    /// Why the machine that simulates cannot make one.
    pub fn new(now: i64, seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let domain = Authority::root("domain", now, &mut random).map_err(|why| why.to_string())?;
        let profile = Profile::Registrar {
            common_name: "registrar".into(),
            dns_names: vec!["registrar.example".into()],
            addresses: Vec::new(),
        };
        let registrar = domain.under(&profile, now, &mut random).map_err(|why| why.to_string())?;
        Ok(Self { desk: Desk::new(random.next())?, domain, registrar })
    }

    /// The domain's authority.
    pub fn authority(&self) -> &Certificate {
        &self.domain.certificate
    }

    /// What it shows in a handshake.
    pub fn registrar(&self) -> &[Certificate] {
        std::slice::from_ref(&self.registrar.certificate)
    }

    /// Whom a chain belongs to.
    ///
    /// # Errors
    /// The door's refusal: the connection ends.
    pub fn judge(&mut self, chain: &[Vec<u8>], now: i64) -> Result<Peer, Refusal> {
        let authority = &self.domain.certificate;
        self.desk.look(|tx| door::judge(tx, &Slug::main(), authority, chain, Millis(now)))
    }

    /// The first step of a request.
    pub fn open(&self, request: Request) -> Step {
        door::open(request, &self.domain.certificate, &self.registrar.certificate)
    }

    /// Runs a door's call for a device, on the disk when this returns.
    pub fn commit_for(&mut self, serial_number: &str, call: Box<dyn Call>, now: i64) -> Outcome {
        self.desk.commit(&Session::of_device(serial_number, Slug::main()), call, now)
    }

    /// What a door wants signed.
    ///
    /// # Errors
    /// `not-signed`.
    pub fn sign(&self, to_sign: &ToSign) -> Result<Certificate, Refusal> {
        self.domain.sign(to_sign)
    }

    /// The registrar's voucher-request (RFC 8995 section 5.5).
    ///
    /// # Errors
    /// `not-signed`.
    pub fn sign_voucher_request(&self, json: &[u8]) -> Result<Vec<u8>, Refusal> {
        let above = std::slice::from_ref(&self.domain.certificate);
        self.registrar.sign_json(json, above).map_err(not_signed)
    }
}
