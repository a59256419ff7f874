//! A manufacturer's hub without sockets and threads: the factory's line, the MASA's door, a desk.
use crate::authority::{Authority, not_signed};
use crate::desk::{Desk, operator};
use crate::key::Key;
use crate::random::Random;
use fleet::door::{Outgoing, Step};
use fleet::operation::Call;
use fleet::permission::Session;
use fleet::provisioning::{door as line, voucher::door as masa};
use fleet::refusal::Refusal;
use fleet::text::Slug;
use fleet::time::Millis;
use serde_json::json;
use store::Outcome;
use wire::certificate::profile::Profile;
use wire::certificate::{Name, NameAttribute};
use wire::{Certificate, birth_record, csr, est};

/// Where registrars find the MASA.
const URL: &str = "https://masa.example";
const PRODUCT: &str = "lamp-7";
/// The hardware of the simulated devices, under the arc that is kept for examples.
pub(crate) const HARDWARE: &str = "1.3.6.1.4.1.32473.1";

/// The manufacturer.
pub struct Maker {
    /// Its births and vouchers.
    pub desk: Desk,
    factory: Authority,
    masa: Authority,
    signer: Authority,
}

impl Maker {
    /// A manufacturer with one product, with power.
    ///
    /// # Errors
    /// Why the machine that simulates cannot make one.
    pub fn new(name: &str, now: i64, seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let factory = Authority::root(name, now, &mut random).map_err(|why| why.to_string())?;
        let profile = Profile::Masa { common_name: "masa".into() };
        let masa = factory.under(&profile, now, &mut random).map_err(|why| why.to_string())?;
        let profile = Profile::Signer { common_name: "signer".into() };
        let signer = factory.under(&profile, now, &mut random).map_err(|why| why.to_string())?;
        let mut desk = Desk::new(random.next())?;
        let product = json!({"product": PRODUCT, "hardware_type": HARDWARE, "masa_url": URL});
        desk.ask("product add", product, now).map_err(|why| why.detail)?;
        Ok(Self { desk, factory, masa, signer })
    }

    /// The authority of its IDevIDs and its MASA.
    pub fn authority(&self) -> &Certificate {
        &self.factory.certificate
    }

    /// A device is born: the factory's line asks for its IDevID.
    pub(crate) fn bear(&mut self, serial_number: &str, key: Key, now: i64) -> Result<Authority, String> {
        let subject = Name::new(&[(NameAttribute::SerialNumber, serial_number)]);
        let subject = subject.map_err(|why| why.to_string())?;
        let csr = csr::make(&subject, None, &key).map_err(|why| why.to_string())?;
        let request = line::Request {
            post: true,
            label: PRODUCT.into(),
            operation: "simpleenroll".into(),
            content_type: est::PKCS10.into(),
            body: est::encode_body(&csr).into_bytes(),
        };
        let mut step = line::open(request, &self.factory.certificate);
        loop {
            step = match step {
                Step::Run(call, then) => then(self.desk.commit(&operator(), call, now)),
                Step::Sign(to_sign, then) => then(self.factory.sign(&to_sign)),
                Step::SignAsMaker(_, record, at, then) => {
                    let above = std::slice::from_ref(&self.factory.certificate);
                    let Authority { certificate, key } = &self.signer;
                    then(birth_record::sign(&record, certificate, above, key, at.0).map_err(not_signed))
                }
                Step::Answer(answer) if answer.status == 200 => {
                    return Ok(Authority { certificate: only(&answer.body)?, key });
                }
                Step::Answer(answer) => return Err(String::from_utf8_lossy(&answer.body).into_owned()),
                _ => return Err("a step that no birth has".into()),
            };
        }
    }

    /// The first step of a registrar's request, if it gets here: by its address, and because the registrar
    /// believes this server.
    pub fn open(&self, outgoing: Outgoing, now: i64) -> Option<Step> {
        let path = outgoing.url.strip_prefix(URL)?.to_string();
        if !outgoing.servers.contains(&self.factory.certificate) {
            return None;
        }
        let (content_type, body) = outgoing.content.unwrap_or_default();
        let request = masa::Request { post: true, path, content_type: content_type.into(), body };
        Some(masa::open(request, &self.factory.certificate, Millis(now), |_| true))
    }

    /// Runs a door's call, on the disk when this returns.
    pub fn commit(&mut self, call: Box<dyn Call>, now: i64) -> Outcome {
        self.desk.commit(&Session::of_hub("masa", Slug::main()), call, now)
    }

    /// A voucher.
    ///
    /// # Errors
    /// `not-signed`.
    pub fn sign_voucher(&self, json: &[u8]) -> Result<Vec<u8>, Refusal> {
        let above = std::slice::from_ref(&self.factory.certificate);
        self.masa.sign_json(json, above).map_err(not_signed)
    }
}

/// The certificate in an answer of the line.
fn only(body: &[u8]) -> Result<Certificate, String> {
    let der = est::decode_body(body).map_err(|why| why.to_string())?;
    let mut all = est::read_certs_only(&der).map_err(|why| why.to_string())?;
    all.pop().ok_or_else(|| "no certificate".into())
}
