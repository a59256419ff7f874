//! A device's last report, as JSON and signed.
use crate::same;
use crate::sample::{SERIAL_NUMBER, WORLD};
use wire::retirement::LastReport;

pub fn sample() -> LastReport {
    LastReport {
        at: "2026-01-01T00:00:00Z".into(),
        serial_number: SERIAL_NUMBER.into(),
        certificate: wire::digest::sha256(WORLD.ldevid.certificate.der()),
        wiped: vec!["keys".into(), "configuration".into()],
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let signed = sample().sign(&WORLD.ldevid.certificate, &WORLD.ldevid.key).expect("signed");
    vec![sample().to_json(), signed]
}

pub fn run(input: &[u8]) {
    same::again(input, LastReport::from_json, LastReport::to_json);
    if let Ok((report, signer)) = LastReport::verify(input) {
        assert_eq!(report.certificate, wire::digest::sha256(signer.der()));
    }
}
