//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[Script {
    name: "a fleet without devices falls short of nothing",
    steps: &[
        answers(
            "posture list",
            "{}",
            r#"{"items":[{"name":"described","check":"active-plan"},{"name":"erasable","check":null},{},{"name":"supported","ids":["EN 303 645 5.3-13","NIST IR 8259A Software Update"]},{}]}"#,
        ),
        answers(
            "posture check",
            r#"{"requirement":"supported"}"#,
            r#"{"requirement":{"name":"supported"},"looked_at":0,"failing":[]}"#,
        ),
        refuses("posture check", r#"{"requirement":"watched"}"#, "checked-by-hand"),
        refuses("posture check", r#"{"requirement":"pretty"}"#, "requirement-unknown"),
        refuses("posture check", r#"{"requirement":"supported","limit":0}"#, "limit-out-of-range"),
        answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
        answers("posture check", r#"{"requirement":"identified"}"#, r#"{"looked_at":0,"failing":[]}"#),
    ],
}];
