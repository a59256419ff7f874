//! The order to wipe, as a device wrote it down.
use crate::same;
use wire::retirement::Wipe;

pub fn seeds() -> Vec<Vec<u8>> {
    vec![br#"{"at":"2026-01-01T00:00:00Z"}"#.to_vec()]
}

pub fn run(input: &[u8]) {
    same::again(input, Wipe::from_json, Wipe::to_json);
}
