//! The MASA's audit log (RFC 8995 section 5.8).
use crate::same;
use wire::audit_log::AuditLog;

pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        br#"{"version":"1","events":[{"date":"2019-05-15T17:25:55.644-04:00","domainID":"BduJ","nonce":null,"assertion":"logged","truncated":"1"}],"truncation":{"nonced duplicates":"0","nonceless duplicates":1,"arbitrary":2}}"#.to_vec(),
    ]
}

pub fn run(input: &[u8]) {
    same::again(input, AuditLog::from_json, |log| log.to_json().expect("a log that was read"));
}
