//! A voucher in JSON (RFC 8366 section 5.3).
use crate::same;
use crate::sample::{NOW, SERIAL_NUMBER, WORLD};
use wire::voucher::{Assertion, Nonce, Voucher, idevid_issuer};

pub fn seeds() -> Vec<Vec<u8>> {
    let fresh = Voucher {
        created_on: Some(NOW),
        assertion: Some(Assertion::Proximity),
        idevid_issuer: Some(idevid_issuer(&WORLD.idevid.certificate)),
        pinned_domain_cert: Some(WORLD.root.certificate.clone()),
        domain_cert_revocation_checks: Some(false),
        nonce: Nonce::from_octets(&[7; 16]),
        ..Voucher::new(SERIAL_NUMBER)
    };
    let lasting = Voucher {
        expires_on: Some(NOW),
        last_renewal_date: Some(NOW + 1),
        ..Voucher::new(SERIAL_NUMBER)
    };
    [fresh, lasting].map(|voucher| voucher.to_json().expect("a good voucher")).to_vec()
}

pub fn run(input: &[u8]) {
    same::again(input, Voucher::from_json, |voucher| voucher.to_json().expect("a voucher that was read"));
}
