//! Bytes from strangers: every reader gives an error and never panics.
use crate::suit::release;
use crate::support::{Identity, NOW, TestKey, corpus, idevid, masa};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;
use wire::audit_log::AuditLog;
use wire::birth_record::{self, BirthRecord};
use wire::certificate::Certificate;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::control::{Desired, Report};
use wire::csr::{Csr, make};
use wire::est::{CsrAttributes, certs_only, decode_body, read_certs_only};
use wire::mud::MudFile;
use wire::status::Status;
use wire::suit::Envelope;
use wire::voucher::{Voucher, VoucherRequest};
use wire::{PublicKey, cms, date_time, limits};

/// Whose signatures are looked for.
static KEY: LazyLock<TestKey> = LazyLock::new(TestKey::new);

/// All readers, on the same bytes.
fn read_all(bytes: &[u8]) {
    let _ = PublicKey::from_spki_der(bytes);
    if let Ok(certificate) = Certificate::from_der(bytes) {
        let _ = format!("{certificate:?} {:?}", certificate.serial_number());
        let anchors = [certificate.clone()];
        let _ = verify_chain(&certificate, &anchors, &[], Some(NOW), Purpose::Device);
        assert_eq!(Certificate::from_pem(&certificate.to_pem()), Ok(certificate));
    }
    let _ = Csr::from_der(bytes).map(|csr| csr.challenge_password());
    let _ = cms::verify(bytes, None, &[]);
    let _ = cms::verify(bytes, Some(b"x"), &[]);
    let _ = read_certs_only(bytes);
    let _ = decode_body(bytes);
    let _ = CsrAttributes::from_der(bytes).map(|attributes| attributes.to_der());
    let _ = Voucher::from_json(bytes).map(|voucher| voucher.to_json());
    let _ = VoucherRequest::from_json(bytes).map(|request| request.to_json());
    let _ = AuditLog::from_json(bytes).map(|log| log.to_json());
    let _ = MudFile::from_json(bytes).map(|file| file.to_json());
    let _ = BirthRecord::from_json(bytes).map(|record| record.to_json());
    let _ = Status::from_json(bytes).map(|status| status.to_json());
    let _ = Report::from_json(bytes).map(|report| report.to_json());
    let _ = Desired::from_json(bytes).map(|desired| desired.to_json());
    let _ = wire::cose::verify_detached(bytes, b"x", &KEY.public());
    let _ = Envelope::from_cbor(bytes).map(|envelope| envelope.authenticate(&[KEY.public()]));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Certificate::list_from_pem(text);
        let _ = birth_record::verify(text, &[]);
        let _ = date_time::parse(text);
    }
}

/// Well-formed things to damage.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Identity::root("Root");
    let device = root.issue(&idevid());
    let signer = root.issue(&masa());
    let mut voucher = Voucher::new("A-1");
    voucher.pinned_domain_cert = Some(root.certificate.clone());
    voucher.created_on = Some(NOW);
    let mut request = VoucherRequest::new("A-1");
    request.proximity_registrar_cert = Some(root.certificate.clone());
    let json = voucher.to_json().unwrap();
    let chain = [root.certificate.clone()];
    let signed = cms::sign(
        wire::oid::ANIMA_JSON_VOUCHER,
        &json,
        &signer.certificate,
        &chain,
        &signer.key,
        Some(NOW),
        false,
    );
    let log = br#"{"version":"1","events":[{"date":"2019-05-15T17:25:55.644-04:00","domainID":"BduJ","nonce":null,"assertion":"logged"}],"truncation":{"arbitrary":2}}"#;
    vec![
        device.certificate.der().to_vec(),
        device.certificate.to_pem().into_bytes(),
        device.key.public().spki_der(),
        make(device.certificate.subject(), Some("secret"), &device.key).unwrap(),
        signed.unwrap(),
        certs_only(&chain),
        CsrAttributes::p256().to_der(),
        json,
        request.to_json().unwrap(),
        log.to_vec(),
        Status::failure("no").to_json(),
        crate::mud::example().to_string().into_bytes(),
        Report::default().to_json(),
        Desired { send_configuration: true, confirmed: Some(1), ..Desired::default() }.to_json(),
        release().envelope(&*KEY).unwrap(),
        wire::cose::sign_detached(b"x", &*KEY).unwrap(),
        b"2021-04-13T17:43:24.589-04:00".to_vec(),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        read_all(&bytes);
    }

    #[test]
    fn arbitrary_text(text in "[ -~\u{80}-\u{7ff}]{0,64}") {
        read_all(text.as_bytes());
    }

    #[test]
    fn damaged_things(
        seed in 0..SEEDS.len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let mut bytes = SEEDS[seed].clone();
        for (index, value, kind) in damage {
            let position = index.index(bytes.len());
            match kind {
                0 => bytes[position] = value,
                1 => bytes.insert(position, value),
                _ => bytes.truncate(position.max(1)),
            }
        }
        read_all(&bytes);
    }

    #[test]
    fn moments_survive(millis in 0..253_402_300_799_999_i64) {
        let text = date_time::format(millis).unwrap();
        prop_assert_eq!(date_time::parse(&text), Some(millis));
    }

    #[test]
    fn bodies_survive(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode_body(wire::est::encode_body(&bytes).as_bytes()), Ok(bytes));
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let zeros = |length: usize| vec![b'0'; length + 1];
    assert!(
        Certificate::from_der(&zeros(limits::CERTIFICATE_BYTES_MAX))
            .unwrap_err()
            .to_string()
            .contains("over")
    );
    assert!(Csr::from_der(&zeros(limits::CSR_BYTES_MAX)).unwrap_err().to_string().contains("over"));
    assert!(cms::verify(&zeros(limits::CMS_BYTES_MAX), None, &[]).unwrap_err().to_string().contains("over"));
    assert!(Voucher::from_json(&zeros(limits::VOUCHER_BYTES_MAX)).unwrap_err().to_string().contains("over"));
    assert!(
        AuditLog::from_json(&zeros(limits::AUDIT_LOG_BYTES_MAX)).unwrap_err().to_string().contains("over")
    );
    assert!(MudFile::from_json(&zeros(limits::MUD_FILE_BYTES_MAX)).unwrap_err().to_string().contains("over"));
    assert!(
        Envelope::from_cbor(&zeros(limits::SUIT_ENVELOPE_BYTES_MAX))
            .unwrap_err()
            .to_string()
            .contains("over")
    );
    assert!(Status::from_json(&zeros(limits::STATUS_BYTES_MAX)).unwrap_err().to_string().contains("over"));
}

fn read_folder(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += read_folder(&path);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        read_all(&bytes);
        let armour = |line: &&[u8]| !line.starts_with(b"-----");
        let body: Vec<u8> = bytes.split(|byte| *byte == b'\n').filter(armour).collect::<Vec<_>>().concat();
        let _ = decode_body(&body).map(|der| read_all(&der));
        count += 1;
    }
    count
}

#[test]
fn every_published_file_is_read_without_panic() {
    let name = "every_published_file_is_read_without_panic";
    let Some(folder) = corpus(name, "vectors/onboarding") else { return };
    assert!(read_folder(&folder) > 300);
    let Some(folder) = corpus(name, "vectors/suit") else { return };
    assert!(read_folder(&folder) > 80);
}
