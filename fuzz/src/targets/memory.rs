//! What a device remembers of its hub's orders, as it lies on its disk.
use crate::same;
use agent::control::{Memory, Trial};

pub fn seeds() -> Vec<Vec<u8>> {
    let trial = Trial { order: 2, digest: [7; 32], confirm_seconds: 60, starts: 1 };
    let not_kept = r#"{"applied":3,"not_kept":{"order":1,"reverted":true,"why":"no answer"}}"#;
    let memory = Memory { applied: 3, trial: Some(trial), not_kept: None };
    vec![memory.to_json().expect("written"), not_kept.as_bytes().to_vec()]
}

pub fn run(input: &[u8]) {
    same::again(input, Memory::from_json, |memory| memory.to_json().expect("written"));
}
