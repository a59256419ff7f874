//! Content that somebody trusted has signed: birth record, last report, voucher.
use crate::sample::{Identity, NOW, SERIAL_NUMBER, WORLD};
use agent::machine::{Answer, check_voucher};
use wire::birth_record::{self, BirthRecord};
use wire::retirement::LastReport;
use wire::voucher::{self, Assertion, Nonce, Voucher, VoucherRequest};
use wire::{cms, oid};

const NONCE: [u8; 16] = [9; 16];

fn asked() -> VoucherRequest {
    VoucherRequest { nonce: Nonce::from_octets(&NONCE), ..VoucherRequest::new(SERIAL_NUMBER) }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let good = Voucher {
        nonce: asked().nonce,
        assertion: Some(Assertion::Logged),
        pinned_domain_cert: Some(WORLD.root.certificate.clone()),
        created_on: Some(NOW),
        ..Voucher::new(SERIAL_NUMBER)
    };
    let record = super::birth_record::seeds().remove(0);
    vec![good.to_json().expect("a good voucher"), record, super::last_report::sample().to_json()]
}

fn signed(by: &Identity, content: &[u8]) -> Vec<u8> {
    cms::sign(oid::DATA, content, &by.certificate, &[], &by.key, Some(NOW), false).expect("signed")
}

/// What cannot be read is not signed: that costs, and the readers have targets of their own.
pub fn run(input: &[u8]) {
    let anchors = [WORLD.root.certificate.clone()];
    if let Ok(record) = BirthRecord::from_json(input) {
        let pem = birth_record::to_pem(&signed(&WORLD.signer, input));
        assert_eq!(birth_record::verify(&pem, &anchors).map(|verified| verified.record), Ok(record));
    }
    if let Ok(voucher) = Voucher::from_json(input) {
        let body = signed(&WORLD.masa, input);
        let answer = Answer { status: 200, content_type: voucher::MEDIA_TYPE.into(), body, ..Answer::default() };
        let server = [WORLD.registrar.certificate.clone()];
        if let Ok(pinned) = check_voucher(&answer, &asked(), &server, &anchors, &WORLD.idevid.certificate) {
            assert_eq!(voucher.pinned_domain_cert, Some(pinned));
            assert_eq!((voucher.serial_number.as_str(), voucher.nonce), (SERIAL_NUMBER, asked().nonce));
        }
    }
    if let Ok(report) = LastReport::from_json(input)
        && let Ok((read, signer)) = LastReport::verify(&signed(&WORLD.ldevid, input))
    {
        assert_eq!(read, report);
        assert_eq!(signer, WORLD.ldevid.certificate);
    }
}
