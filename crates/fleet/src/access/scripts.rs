//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "a device is located, and its address is nobody else's",
        steps: &[
            answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"A2"}"#, "{}"),
            refuses("access show", r#"{"device":"A3"}"#, "device-unknown"),
            answers(
                "access show",
                r#"{"device":"A1"}"#,
                r#"{"enforcement":"none","lines":[],"addresses":[]}"#,
            ),
            answers(
                "access locate",
                r#"{"device":"A1","addresses":"192.0.2.1,2001:db8::1","macs":"02:00:5E:00:53:01"}"#,
                r#"{"addresses":["192.0.2.1","2001:db8::1"],"macs":["02:00:5e:00:53:01"]}"#,
            ),
            answers("access locate", r#"{"device":"A1","addresses":"192.0.2.2"}"#, r#"{"macs":[]}"#),
            refuses("access locate", r#"{"device":"A2","addresses":"192.0.2.9,192.0.2.2"}"#, "address-taken"),
            answers("access locate", r#"{"device":"A2","addresses":"192.0.2.1"}"#, "{}"),
            refuses("access locate", r#"{"device":"A2","addresses":"example.com"}"#, "bad-arguments"),
            refuses("access judge", r#"{"device":"A1","packet":"00"}"#, "nothing-proposed"),
            refuses("access judge", r#"{"device":"A1","packet":"0"}"#, "bad-arguments"),
            refuses("access activate", r#"{"device":"A1"}"#, "nothing-proposed"),
            refuses("access plan", r#"{"device":"A1"}"#, "no-plan"),
            answers("device retire", r#"{"device":"A1","why":"lost"}"#, "{}"),
            answers("access show", r#"{"device":"A1"}"#, r#"{"addresses":[]}"#),
            answers("access locate", r#"{"device":"A2","addresses":"192.0.2.2"}"#, "{}"),
            answers("audit check", "{}", r#"{"subjects":4}"#),
        ],
    },
    Script {
        name: "hosts are registered for classes",
        steps: &[
            answers("controller show", r#"{"class":"urn:ietf:params:mud:dns"}"#, r#"{"hosts":[]}"#),
            answers(
                "controller add",
                r#"{"class":"urn:ietf:params:mud:dns","hosts":"192.0.2.53"}"#,
                r#"{"hosts":["192.0.2.53/32"]}"#,
            ),
            refuses(
                "controller add",
                r#"{"class":"urn:ietf:params:mud:dns","hosts":"192.0.2.53/32"}"#,
                "controller-known",
            ),
            answers(
                "controller add",
                r#"{"class":"local-networks","hosts":"2001:db8::1/32"}"#,
                r#"{"hosts":["2001:db8::/32"]}"#,
            ),
            refuses("controller add", r#"{"class":"a b","hosts":"192.0.2.53"}"#, "bad-arguments"),
            refuses("controller add", r#"{"class":"a","hosts":"example.com"}"#, "bad-arguments"),
            answers(
                "controller list",
                r#"{"limit":1}"#,
                r#"{"items":[{"class":"local-networks","hosts":1}],"next":"local-networks"}"#,
            ),
            answers(
                "controller remove",
                r#"{"class":"urn:ietf:params:mud:dns","hosts":"192.0.2.53"}"#,
                r#"{"hosts":[]}"#,
            ),
            refuses(
                "controller remove",
                r#"{"class":"urn:ietf:params:mud:dns","hosts":"192.0.2.53"}"#,
                "controller-unknown",
            ),
            answers("controller list", "{}", r#"{"items":[{"class":"local-networks"}]}"#),
            answers("access remake", "{}", "true"),
            answers("audit check", "{}", r#"{"subjects":2}"#),
        ],
    },
    Script {
        name: "a gate is a device that is at work",
        steps: &[
            answers("device expect", r#"{"serial_number":"G1"}"#, "{}"),
            refuses("gate appoint", r#"{"device":"G1"}"#, "not-at-work"),
            refuses("gate appoint", r#"{"device":"G2"}"#, "device-unknown"),
            refuses("gate dismiss", r#"{"device":"G1","why":"moved"}"#, "not-a-gate"),
            answers("gate list", "{}", r#"{"items":[]}"#),
        ],
    },
];
