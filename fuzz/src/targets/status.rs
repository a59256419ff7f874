//! Voucher status and enrolment status (RFC 8995 sections 5.7 and 5.9.4).
use crate::same;
use wire::status::Status;

pub fn seeds() -> Vec<Vec<u8>> {
    let context = br#"{"version":1,"status":false,"reason":"no","reason-context":{"a":[1,null]},"x":1}"#;
    vec![Status::success().to_json(), Status::failure("no").to_json(), context.to_vec()]
}

pub fn run(input: &[u8]) {
    // Names of what is not known are told, and not written.
    let read = |text: &[u8]| Status::from_json(text).map(|it| Status { unknown: Vec::new(), ..it });
    same::again(input, read, Status::to_json);
}
