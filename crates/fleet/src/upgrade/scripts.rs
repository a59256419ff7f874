//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[Script {
    name: "a release is fetched from a maker that is trusted, and rolled out when it is here",
    steps: &[
        refuses("release fetch", r#"{"from":"http://maker.example.com/2.suit","maker":"lumen"}"#, "bad-url"),
        refuses(
            "release fetch",
            r#"{"from":"https://maker.example.com/firmware/lamp-7/2.suit","maker":"lumen"}"#,
            "anchor-unknown",
        ),
        answers("release list", "{}", r#"{"items":[]}"#),
        refuses("release show", r#"{"release":"lamp-7-2"}"#, "release-unknown"),
        refuses("rollout start", r#"{"release":"lamp-7-2"}"#, "release-unknown"),
        refuses("rollout start", r#"{"release":"lamp-7-2","waves":"0"}"#, "bad-arguments"),
        refuses("rollout start", r#"{"release":"lamp-7-2","deadline_seconds":0}"#, "bad-bounds"),
        answers("rollout list", "{}", r#"{"items":[]}"#),
        refuses("rollout show", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
        refuses("rollout devices", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
        refuses("rollout waves", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
        refuses("firmware list", r#"{"device":"A1"}"#, "device-unknown"),
        refuses("rollout pause", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
        refuses("rollout resume", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
        refuses("rollout stop", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
        refuses("rollout cancel", r#"{"rollout":"lamp-7-2"}"#, "rollout-unknown"),
    ],
}];
