//! A body of EST: base64 (RFC 8951 section 3.1), and the certs-only message in it (RFC 7030 section 4.1.3).
use crate::sample::WORLD;
use wire::Certificate;
use wire::est::{certs_only, decode_body, encode_body, read_certs_only};

pub fn seeds() -> Vec<Vec<u8>> {
    let message = certs_only(&[WORLD.root.certificate.clone(), WORLD.ldevid.certificate.clone()]);
    vec![encode_body(&message).into_bytes(), message, certs_only(&[])]
}

/// The order of certificates is not kept, and none stands twice.
fn in_order(mut certificates: Vec<Certificate>) -> Vec<Certificate> {
    certificates.sort_by(|a, b| a.der().cmp(b.der()));
    certificates.dedup();
    certificates
}

pub fn run(input: &[u8]) {
    let body = decode_body(input);
    if let Ok(der) = &body {
        assert_eq!(decode_body(encode_body(der).as_bytes()).as_ref(), Ok(der));
    }
    // Most inputs are no base64: they are taken for what would be in it.
    let der = body.unwrap_or_else(|_| input.to_vec());
    if let Ok(certificates) = read_certs_only(&der) {
        let again = read_certs_only(&certs_only(&certificates)).expect("what was written is read");
        assert_eq!(in_order(again), in_order(certificates));
    }
}
