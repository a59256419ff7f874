//! What the IETF and other implementations published.
use crate::support::corpus;
use base64ct::{Base64, Encoding};
use std::path::Path;
use wire::Certificate;
use wire::certificate::chain::{ChainRefused, Purpose, verify_chain};
use wire::cms::{Verified, verify};
use wire::oid::DATA;

pub fn base64_file(path: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('-')).map(str::trim).collect();
    Base64::decode_vec(&lines.concat()).unwrap()
}

fn pem_file(path: &Path) -> Certificate {
    Certificate::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A signed message, which verifies as it is and with no octet changed.
fn message(folder: &Path, name: &str) -> Verified {
    let der = base64_file(&folder.join(name));
    let verified = verify(&der, None, &[]).unwrap();
    // The examples use id-data where RFC 8366 section 5.4 has id-ct-animaJSONVoucher.
    assert_eq!(verified.content_type, DATA);
    assert!(verified.signing_time.is_some());
    for position in (0..der.len()).step_by(7) {
        let mut damaged = der.clone();
        damaged[position] ^= 0x10;
        if let Ok(still) = verify(&damaged, None, &[]) {
            assert_eq!(still.content, verified.content, "byte {position}");
            assert_eq!(still.signer.public_key(), verified.signer.public_key());
        }
    }
    verified
}

#[test]
fn rfc8995_appendix_c() {
    let Some(folder) = corpus("rfc8995_appendix_c", "vectors/onboarding/rfc8995") else { return };
    let vendor = [pem_file(&folder.join("vendor.crt"))];
    let owner = [pem_file(&folder.join("ownerca_secp384r1.crt"))];
    let path = |verified: &Verified, anchors: &[Certificate], at, purpose| {
        verify_chain(&verified.signer, &verified.certificates, anchors, at, purpose).map(|_| ())
    };

    let pledge = message(&folder, "vr_00-D0-E5-F2-00-02.b64");
    assert_eq!(pledge.signer.serial_number().as_deref(), Some("00-D0-E5-F2-00-02"));
    assert_eq!(pledge.signer.masa_url(), Some("highway-test.example.com:9443"));
    path(&pledge, &vendor, None, Purpose::Device).unwrap();
    // 2021-04-27 was after the vendor's authority began, 2023-04-14 after it ended.
    path(&pledge, &vendor, Some(1_619_500_000_000), Purpose::Device).unwrap();
    let late = path(&pledge, &vendor, Some(1_681_460_000_000), Purpose::Device);
    assert_eq!(late, Err(ChainRefused::Expired("CN=highway-test.example.com CA".into())));
    assert!(path(&pledge, &owner, None, Purpose::Device).is_err());

    let registrar = message(&folder, "parboiled_vr_00-D0-E5-F2-00-02.b64");
    assert_eq!(registrar.signer, pem_file(&folder.join("jrc_prime256v1.crt")));
    path(&registrar, &owner, None, Purpose::Registrar).unwrap();
    assert!(path(&registrar, &owner, None, Purpose::Server).is_err());

    let voucher = message(&folder, "voucher_00-D0-E5-F2-00-02.b64");
    path(&voucher, &vendor, None, Purpose::Signature).unwrap();
    assert!(path(&voucher, &vendor, None, Purpose::Registrar).is_err());
}

#[test]
fn rfc8366bis_examples() {
    let Some(folder) = corpus("rfc8366bis_examples", "vectors/onboarding/rfc8366bis") else { return };
    // The vendor's certificate beside them is another one, with an RSA key.
    assert_eq!(
        message(&folder, "vr_00-D0-E5-F2-00-02.b64").signer.serial_number().as_deref(),
        Some("00-D0-E5-F2-00-02")
    );
    assert!(message(&folder, "voucher_00-D0-E5-F2-00-02.b64").signer.subject().common_name().is_some());
}
