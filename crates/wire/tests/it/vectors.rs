//! What the IETF and other implementations published.
use crate::support::corpus;
use base64ct::{Base64, Encoding};
use std::path::Path;
use wire::Certificate;
use wire::audit_log::{AuditLog, Truncation, domain_id};
use wire::certificate::chain::{ChainRefused, Purpose, verify_chain};
use wire::cms::{Verified, verify};
use wire::oid::DATA;
use wire::status::Status;
use wire::voucher::{Assertion, Voucher, VoucherRefused, VoucherRequest, idevid_issuer};

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
    let request = VoucherRequest::from_json(&pledge.content).unwrap();
    assert_eq!(request.assertion, Some(Assertion::Proximity));
    assert_eq!(request.serial_number, "00-D0-E5-F2-00-02");
    let nonce = request.nonce.unwrap();
    assert_eq!((nonce.text(), nonce.octets().len()), ("-_XE9zK9q8Ll1qylMtLKeg", 16));
    let proximity = request.proximity_registrar_cert.unwrap();
    // 2021-04-27 was after the vendor's authority began, 2023-04-14 after it ended.
    path(&pledge, &vendor, Some(1_619_500_000_000), Purpose::Device).unwrap();
    let late = path(&pledge, &vendor, Some(1_681_460_000_000), Purpose::Device);
    assert_eq!(late, Err(ChainRefused::Expired("CN=highway-test.example.com CA".into())));
    assert!(path(&pledge, &owner, None, Purpose::Device).is_err());

    let registrar = message(&folder, "parboiled_vr_00-D0-E5-F2-00-02.b64");
    assert_eq!(registrar.signer, pem_file(&folder.join("jrc_prime256v1.crt")));
    path(&registrar, &owner, None, Purpose::Registrar).unwrap();
    assert_eq!(registrar.signer, proximity);
    let parboiled = VoucherRequest::from_json(&registrar.content).unwrap();
    let prior = verify(&parboiled.prior_signed_voucher_request.unwrap(), None, &[]).unwrap();
    assert_eq!(prior, pledge);
    assert_eq!(parboiled.nonce.as_ref(), Some(&nonce));
    assert!(path(&registrar, &owner, None, Purpose::Server).is_err());

    let voucher = message(&folder, "voucher_00-D0-E5-F2-00-02.b64");
    path(&voucher, &vendor, None, Purpose::Voucher).unwrap();
    let read = Voucher::from_json(&voucher.content).unwrap();
    assert_eq!(read.assertion, Some(Assertion::Logged));
    assert_eq!(read.nonce.as_ref(), Some(&nonce));
    assert_eq!(read.pinned_domain_cert.as_ref(), Some(&proximity));
    assert_eq!(Voucher::from_json(&read.to_json().unwrap()).unwrap(), read);
    // The pledge's last question: does what it talked to chain to what is pinned?
    let pinned = [proximity];
    path(&registrar, &pinned, None, Purpose::Registrar).unwrap();
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

#[test]
fn examples_of_telemetry_and_log() {
    let Some(folder) = corpus("examples_of_telemetry_and_log", "vectors/onboarding/rfc8995") else { return };
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for (name, good) in [("example-enrollstatus.json", true), ("example-telemetry.json", false)] {
        let status = Status::from_json(&file(name)).unwrap();
        assert_eq!((status.version, status.good), (1, good), "{name}");
        assert_eq!(status.reason.as_deref(), Some("Informative human readable message"));
        assert!(status.reason_context.is_some() && status.unknown.is_empty());
        assert_eq!(Status::from_json(&status.to_json()).unwrap(), status);
    }
    let log = AuditLog::from_json(&file("example-auditlog.json")).unwrap();
    assert_eq!((log.version, log.events.len()), (1, 2));
    assert_eq!(log.events[0].nonce.as_deref(), Some("VOUFT-WwrEv0NuAQEHoV7Q"));
    assert_eq!((log.events[0].truncated, log.events[1].truncated), (Some(0), None));
    let truncation = Truncation { nonced_duplicates: 0, nonceless_duplicates: 1, arbitrary: 2 };
    assert_eq!(log.truncation, truncation);
    assert_eq!(AuditLog::from_json(&log.to_json().unwrap()).unwrap(), log);
    // Its certificate is elided: "base64encodedvalue==".
    let elided = Voucher::from_json(&file("example-voucher.json"));
    assert!(matches!(elided, Err(VoucherRefused::Json(_))), "{elided:?}");
}

#[test]
fn names_of_domains_and_issuers() {
    let Some(folder) = corpus("names_of_domains_and_issuers", "vectors/onboarding/rfc8995") else { return };
    // With a subjectKeyIdentifier, and without: RFC 8995 section 5.8.2.
    let owner = pem_file(&folder.join("ownerca_secp384r1.crt"));
    assert_eq!(domain_id(&owner)[..4], [0xb9, 0xa5, 0xf6, 0xcb]);
    let registrar = pem_file(&folder.join("jrc_prime256v1.crt"));
    assert_eq!(domain_id(&registrar), wire::digest::sha256(&registrar.public_key().spki_der()));
    // This IDevID has no authorityKeyIdentifier, but the SHA-1 of its key as its own name.
    let idevid = pem_file(&folder.join("idevid_00-D0-E5-F2-00-02.crt"));
    assert_eq!(idevid_issuer(&idevid)[..4], [0x30, 22, 0x80, 20]);
    assert_eq!(Some(&idevid_issuer(&idevid)[4..]), idevid.subject_key_id());
    let key = owner.authority_key_id().unwrap();
    assert_eq!(idevid_issuer(&owner), [&[0x30, 22, 0x80, 20], key].concat());
}

#[test]
fn certificates_of_the_constrained_draft() {
    let path = "vectors/onboarding/cbrski-draft-appendix/cose-examples";
    let Some(folder) = corpus("certificates_of_the_constrained_draft", path) else { return };
    let read = |name: &str| Certificate::from_der(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    let [domain, registrar, masa_ca, pledge] =
        ["domain_ca.der", "registrar.der", "masa_ca.der", "pledge.der"].map(read);
    assert!(pledge.masa_url().is_some() && pledge.serial_number().is_some(), "{pledge:?}");
    let (domain, masa_ca) = ([domain], [masa_ca]);
    verify_chain(&registrar, &[], &domain, None, Purpose::Registrar).unwrap();
    verify_chain(&pledge, &[], &masa_ca, None, Purpose::Device).unwrap();
    // An authority signs the draft's vouchers itself.
    verify_chain(&masa_ca[0], &[], &masa_ca, None, Purpose::Voucher).unwrap();
}
