//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[Script {
    name: "a device that nothing was asked of",
    steps: &[
        refuses("operation list", r#"{"device":"A1"}"#, "device-unknown"),
        answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
        answers("operation list", r#"{"device":"A1"}"#, r#"{"items":[]}"#),
        refuses("operation list", r#"{"device":"A1","limit":0}"#, "limit-out-of-range"),
        refuses("operation cancel", r#"{"device":"A1","operation":1,"why":"no"}"#, "operation-unknown"),
        answers("device show", r#"{"device":"A1"}"#, r#"{"conditions":[],"last_seen":null}"#),
        answers("device retire", r#"{"device":"A1","why":"lost"}"#, "{}"),
        answers("audit check", "{}", r#"{"subjects":1}"#),
    ],
}];
