//! What this room is asked and what it answers: run by the store's tests on both engines. What devices
//! report is in no table: the store's own tests go on from here.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[Script {
    name: "nothing is mended or replaced that has not joined",
    steps: &[
        refuses("remediation show", r#"{"device":"A1"}"#, "device-unknown"),
        answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
        answers("device expect", r#"{"serial_number":"A2"}"#, "{}"),
        answers("remediation show", r#"{"device":"A1"}"#, r#"{"playbook":"","attempt":0}"#),
        refuses("remediation begin", r#"{"device":"A1"}"#, "not-at-work"),
        refuses("remediation begin", r#"{"device":"A1","playbook":"pray:1:1"}"#, "bad-playbook"),
        refuses("remediation give-up", r#"{"device":"A1","why":"seen"}"#, "remediation-not-running"),
        refuses("device replace", r#"{"device":"A1","by":"A1"}"#, "same-device"),
        refuses("device replace", r#"{"device":"A1","by":"A2"}"#, "not-a-spare"),
        refuses("device replace", r#"{"device":"A1","by":"A3"}"#, "device-unknown"),
        answers("audit check", "{}", r#"{"subjects":2}"#),
    ],
}];
