//! A CSR attributes response in DER (RFC 7030 section 4.5.2).
use crate::same;
use wire::est::CsrAttributes;

pub fn seeds() -> Vec<Vec<u8>> {
    vec![CsrAttributes::p256().to_der(), CsrAttributes::default().to_der()]
}

pub fn run(input: &[u8]) {
    same::again(input, CsrAttributes::from_der, CsrAttributes::to_der);
}
