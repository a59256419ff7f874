//! What a device remembers of its firmware, as it lies on its disk.
use crate::same;
use agent::upgrade::Record;

pub fn seeds() -> Vec<Vec<u8>> {
    let failed = format!("failed {}\n", "07".repeat(32));
    let text = "confirmed b 7\nhighest 9\ntrial a 2\n".to_owned() + &failed + "not-kept 8 - true suit-report-reason-cbor-parse it broke\n";
    vec![text.into_bytes()]
}

pub fn run(input: &[u8]) {
    let read = |text: &[u8]| Record::from_text(&String::from_utf8_lossy(text));
    same::again(input, read, |record| record.to_text().into_bytes());
}
