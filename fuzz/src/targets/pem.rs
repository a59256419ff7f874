//! Certificates and signed birth records in PEM.
use crate::sample::{NOW, WORLD};
use wire::{Certificate, birth_record};

pub fn seeds() -> Vec<Vec<u8>> {
    let chain: String = WORLD.certificates().iter().map(Certificate::to_pem).collect();
    let json = super::birth_record::seeds().remove(0);
    let signer = &WORLD.signer;
    let record = birth_record::sign(&json, &signer.certificate, &[], &signer.key, NOW).expect("signed");
    vec![chain.into_bytes(), birth_record::to_pem(&record).into_bytes()]
}

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(certificates) = Certificate::list_from_pem(text) {
        let written: String = certificates.iter().map(Certificate::to_pem).collect();
        assert_eq!(Certificate::list_from_pem(&written), Ok(certificates));
    }
    let anchors = [WORLD.root.certificate.clone()];
    if let Ok(verified) = birth_record::verify(text, &anchors) {
        assert_eq!(verified.anchor, anchors[0]);
    }
}
