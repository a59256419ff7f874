//! What this room is asked and what it answers: run by the store's tests on both engines. What devices
//! report is in no table: the store's own tests go on from here.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "nothing is configured that has not joined",
        steps: &[
            refuses("configuration show", r#"{"device":"A1"}"#, "device-unknown"),
            answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
            answers(
                "configuration show",
                r#"{"device":"A1"}"#,
                r#"{"applied":0,"ordered":0,"drifted":false,"document":"","difference":""}"#,
            ),
            answers("configuration versions", r#"{"device":"A1"}"#, r#"{"items":[]}"#),
            refuses("configuration diff", r#"{"device":"A1"}"#, "version-unknown"),
            refuses("configuration set", r#"{"device":"A1","document":"{}"}"#, "not-at-work"),
            refuses("configuration restore", r#"{"device":"A1"}"#, "not-at-work"),
            refuses("configuration backup", r#"{"device":"A1"}"#, "not-at-work"),
        ],
    },
    Script {
        name: "an order is well-formed",
        steps: &[
            answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
            refuses("configuration set", r#"{"device":"A1"}"#, "bad-arguments"),
            refuses("configuration set", r#"{"device":"A1","document":"[]"}"#, "bad-document"),
            refuses("configuration set", r#"{"device":"A1","document":"{\"a\":1,\"a\":2}"}"#, "bad-document"),
            refuses(
                "configuration set",
                r#"{"device":"A1","document":"{}","confirm_seconds":0}"#,
                "time-out-of-range",
            ),
            refuses(
                "configuration set",
                r#"{"device":"A1","document":"{}","within_minutes":40321}"#,
                "time-out-of-range",
            ),
        ],
    },
];
