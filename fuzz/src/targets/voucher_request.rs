//! A voucher-request in JSON (RFC 8995 section 3).
use crate::same;
use crate::sample::{NOW, SERIAL_NUMBER, WORLD};
use wire::voucher::{Assertion, Nonce, VoucherRequest, idevid_issuer};

pub fn seeds() -> Vec<Vec<u8>> {
    let pledge = VoucherRequest {
        created_on: Some(NOW),
        assertion: Some(Assertion::Proximity),
        nonce: Nonce::from_octets(&[7; 16]),
        proximity_registrar_cert: Some(WORLD.registrar.certificate.clone()),
        ..VoucherRequest::new(SERIAL_NUMBER)
    };
    let registrar = VoucherRequest {
        idevid_issuer: Some(idevid_issuer(&WORLD.idevid.certificate)),
        prior_signed_voucher_request: Some(vec![1, 2, 3]),
        proximity_registrar_cert: None,
        ..pledge.clone()
    };
    [pledge, registrar].map(|request| request.to_json().expect("a good request")).to_vec()
}

pub fn run(input: &[u8]) {
    same::again(input, VoucherRequest::from_json, |request| request.to_json().expect("a request that was read"));
}
