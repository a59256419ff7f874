//! An X.509 certificate in DER (RFC 5280).
use crate::sample::{NOW, WORLD};
use wire::Certificate;
use wire::certificate::chain::{Purpose, verify_chain};

pub fn seeds() -> Vec<Vec<u8>> {
    WORLD.certificates().iter().map(|it| it.der().to_vec()).collect()
}

pub fn run(input: &[u8]) {
    let Ok(certificate) = Certificate::from_der(input) else { return };
    assert_eq!(certificate.der(), input);
    assert_eq!(Certificate::from_pem(&certificate.to_pem()).as_ref(), Ok(&certificate));
    let _ = format!("{certificate:?} {} {}", certificate.subject(), certificate.issuer());
    let _ = (certificate.serial_number(), certificate.subject().common_name(), certificate.mud_signer());
    let _ = wire::voucher::idevid_issuer(&certificate);
    let _ = wire::audit_log::domain_id(&certificate);
    // Trusted, it is good for its purpose or refused; it vouches for nobody unless it signed.
    let anchors = [certificate.clone()];
    let _ = verify_chain(&certificate, &[], &anchors, Some(NOW), Purpose::Device);
    let other = &WORLD.ldevid.certificate;
    if verify_chain(other, &[], &anchors, None, Purpose::Device).is_ok() {
        assert!(certificate == *other || other.verify_signature(certificate.public_key()).is_ok());
    }
}
