//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "nothing is wiped that has not joined",
        steps: &[
            refuses("retirement begin", r#"{"device":"A1","why":"old"}"#, "device-unknown"),
            answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
            refuses("retirement begin", r#"{"device":"A1","why":"old"}"#, "not-at-work"),
            refuses(
                "retirement begin",
                r#"{"device":"A1","why":"old","within_minutes":40321}"#,
                "minutes-out-of-range",
            ),
            refuses("retirement show", r#"{"device":"A1"}"#, "not-decommissioned"),
            refuses("retirement export", r#"{"device":"A1"}"#, "not-decommissioned"),
            refuses("retirement force", r#"{"device":"A1","why":"lost"}"#, "not-decommissioned"),
            answers("retirement list", "{}", r#"{"items":[]}"#),
            answers("device retire", r#"{"device":"A1","why":"lost"}"#, r#"{"stage":"retired"}"#),
            refuses("retirement show", r#"{"device":"A1"}"#, "not-decommissioned"),
            answers("audit check", "{}", r#"{"subjects":1}"#),
        ],
    },
    Script {
        name: "the support calendar",
        steps: &[
            answers(
                "support set",
                r#"{"maker":"lumen","until":"2001-01-01T00:00:00Z"}"#,
                r#"{"maker":"lumen","product":"","has_ended":true,"until":"2001-01-01T00:00:00Z"}"#,
            ),
            answers(
                "support set",
                r#"{"maker":"lumen","product":"https://maker.example/lamp","until":"9001-01-01T00:00:00Z","source":"https://maker.example/support"}"#,
                r#"{"has_ended":false,"source":"https://maker.example/support"}"#,
            ),
            refuses("support set", r#"{"maker":"lumen","until":"soon"}"#, "bad-arguments"),
            answers(
                "support list",
                "{}",
                r#"{"items":[{"product":""},{"product":"https://maker.example/lamp"}]}"#,
            ),
            answers("support list", r#"{"limit":1}"#, r#"{"items":[{"product":""}],"next":"lumen "}"#),
            answers(
                "support list",
                r#"{"after":"lumen "}"#,
                r#"{"items":[{"product":"https://maker.example/lamp"}]}"#,
            ),
            answers("support clear", r#"{"maker":"lumen"}"#, r#"{"until":null}"#),
            refuses("support clear", r#"{"maker":"lumen"}"#, "support-unknown"),
            answers("support list", "{}", r#"{"items":[{"product":"https://maker.example/lamp"}]}"#),
            answers("audit check", "{}", r#"{"subjects":2}"#),
        ],
    },
    Script {
        name: "a device whose product is not supported any more",
        steps: &[
            answers("device expect", r#"{"serial_number":"A1","maker":"lumen","model":"L7"}"#, "{}"),
            answers("device show", r#"{"device":"A1"}"#, r#"{"conditions":[]}"#),
            answers("support set", r#"{"maker":"lumen","until":"2001-01-01T00:00:00Z"}"#, "{}"),
            answers("device show", r#"{"device":"A1"}"#, r#"{"conditions":["unsupported"]}"#),
            answers(
                "support set",
                r#"{"maker":"lumen","product":"L7","until":"9001-01-01T00:00:00Z"}"#,
                "{}",
            ),
            answers("device show", r#"{"device":"A1"}"#, r#"{"conditions":[]}"#),
        ],
    },
];
