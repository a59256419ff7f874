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
        answers("attention list", "{}", r#"{"items":[]}"#),
        answers("attention list", r#"{"kind":"held"}"#, r#"{"items":[]}"#),
        answers("attention count", "{}", r#"{"total":0}"#),
        refuses("attention list", r#"{"limit":0}"#, "limit-out-of-range"),
        refuses("attention list", r#"{"kind":"pretty"}"#, "bad-arguments"),
        refuses("attention list", r#"{"after":"1.here"}"#, "bad-cursor"),
        refuses("attention list", r#"{"device":"A1"}"#, "device-unknown"),
        answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
        answers("attention list", r#"{"device":"A1"}"#, r#"{"items":[]}"#),
        answers("posture check", r#"{"requirement":"identified"}"#, r#"{"looked_at":0,"failing":[]}"#),
    ],
}];
