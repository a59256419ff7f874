//! A PKCS#10 certification request in DER (RFC 2986), held against CSR attributes.
use crate::sample::WORLD;
use wire::csr::{Csr, make};
use wire::est::CsrAttributes;

pub fn seeds() -> Vec<Vec<u8>> {
    let device = &WORLD.idevid;
    let request = |challenge| make(device.certificate.subject(), challenge, &device.key).expect("signed");
    vec![request(None), request(Some("dGxzLXVuaXF1ZQ=="))]
}

pub fn run(input: &[u8]) {
    let Ok(csr) = Csr::from_der(input) else { return };
    let _ = (csr.serial_number(), csr.challenge_password(), csr.requested_extensions(), csr.subject().to_string());
    let _ = CsrAttributes::p256().unmet_by(&csr);
}
