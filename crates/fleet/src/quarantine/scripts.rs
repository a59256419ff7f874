//! What this room is asked and what it answers: run by the store's tests on both engines. What devices
//! send needs a device that joined: the store's own tests go on from here.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[Script {
    name: "nothing is held that has not joined",
    steps: &[
        refuses("quarantine show", r#"{"device":"A1"}"#, "device-unknown"),
        answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
        answers("quarantine show", r#"{"device":"A1"}"#, r#"{"level":null,"why":"","findings":0}"#),
        refuses("quarantine hold", r#"{"device":"A1","level":"dark","why":"odd"}"#, "wrong-stage"),
        refuses("quarantine hold", r#"{"device":"A1","level":"grey","why":"odd"}"#, "bad-arguments"),
        refuses("quarantine hold", r#"{"device":"A1","level":"dark"}"#, "bad-arguments"),
        refuses("quarantine release", r#"{"device":"A1","why":"well"}"#, "not-held"),
        refuses("quarantine observe", r#"{"device":"A1","packet":"00"}"#, "not-at-work"),
        refuses("quarantine observe", r#"{"device":"A1","packet":"0"}"#, "bad-arguments"),
        refuses("finding show", r#"{"device":"A1","finding":1}"#, "finding-unknown"),
        refuses("finding settle", r#"{"device":"A1","finding":1,"why":"seen"}"#, "finding-unknown"),
        answers("finding list", "{}", r#"{"items":[]}"#),
        answers("finding list", r#"{"settled":true}"#, r#"{"items":[]}"#),
        refuses("finding list", r#"{"limit":0}"#, "limit-out-of-range"),
        answers("audit check", "{}", r#"{"subjects":1}"#),
    ],
}];
