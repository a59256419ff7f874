//! Birth records in JSON.
use crate::same;
use wire::birth_record::BirthRecord;

pub fn seeds() -> Vec<Vec<u8>> {
    let record = BirthRecord {
        serial_number: "A-1".into(),
        product: "lamp".into(),
        hardware_type: wire::Oid::new_unwrap("1.3.6.1.4.1.32473.1.7"),
        idevid_sha256: "00".repeat(32),
        idevid_serial_number: "01".into(),
        born_at: crate::sample::START + 1,
    };
    vec![record.to_json()]
}

pub fn run(input: &[u8]) {
    same::again(input, BirthRecord::from_json, BirthRecord::to_json);
}
