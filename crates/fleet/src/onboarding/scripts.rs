//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// The example of `anchor add` as JSON text.
const PEM: &str = r#"{"anchor":"lumen","certificate":"-----BEGIN CERTIFICATE-----\nMIIBzDCCAXGgAwIBAgIUcPS8XvDLCfz7RxWG49HWaDSm/60wCgYIKoZIzj0EAwIw\nMjEOMAwGA1UECgwFTHVtZW4xIDAeBgNVBAMMF0x1bWVuIGV4YW1wbGUgYXV0aG9y\naXR5MCAXDTI2MTEyMjE3MDYwMloYDzIxMjYxMDI5MTcwNjAyWjAyMQ4wDAYDVQQK\nDAVMdW1lbjEgMB4GA1UEAwwXTHVtZW4gZXhhbXBsZSBhdXRob3JpdHkwWTATBgcq\nhkjOPQIBBggqhkjOPQMBBwNCAASELTTfY8aIKNvkbPc1sUhCaILpAsm4irccC8Y5\nh3JGEkwhWzmLu7gFZVPQbAZHjf2RlsJTLfEd/Tk6fv/VmGEDo2MwYTAdBgNVHQ4E\nFgQUpLc5dUj75mumN1/wA71F69f84WAwHwYDVR0jBBgwFoAUpLc5dUj75mumN1/w\nA71F69f84WAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZI\nzj0EAwIDSQAwRgIhAJJUGpt4fQuVgncYPj8gV1EyyO4GFzWewueoPzZz+t+9AiEA\n8GwLSH8X44+fLFS5s83WzWBJdmJJ+ixCtBqeWW9XMZ0=\n-----END CERTIFICATE-----\n"}"#;

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "an anchor is added, changed and removed",
        steps: &[
            answers("anchor add", PEM, r#"{"anchor":"lumen","admission":"ask"}"#),
            refuses("anchor add", PEM, "anchor-known"),
            answers("anchor admit-by", r#"{"anchor":"lumen","admission":"automatic"}"#, "{}"),
            answers("anchor list", "{}", r#"{"items":[{"anchor":"lumen","admission":"automatic"}]}"#),
            answers("anchor remove", r#"{"anchor":"lumen"}"#, r#"{"admission":"removed"}"#),
            refuses("anchor remove", r#"{"anchor":"lumen"}"#, "anchor-unknown"),
            answers("anchor list", "{}", r#"{"items":[]}"#),
            answers("anchor add", PEM, r#"{"admission":"ask"}"#),
            refuses("anchor add", r#"{"anchor":"x","certificate":"x"}"#, "bad-certificate"),
            answers("audit check", "{}", r#"{"subjects":1}"#),
        ],
    },
    Script {
        name: "nobody is admitted who has not asked",
        steps: &[
            answers("device expect", r#"{"serial_number":"A1"}"#, "{}"),
            refuses("onboarding admit", r#"{"device":"A1"}"#, "not-introduced"),
            refuses("onboarding admit", r#"{"device":"A2"}"#, "device-unknown"),
            answers(
                "onboarding show",
                r#"{"device":"A1"}"#,
                r#"{"admitted":false,"ldevids":[],"ahead":null}"#,
            ),
            refuses("onboarding adopt", r#"{"device":"A1"}"#, "not-introduced"),
            refuses("onboarding settle", r#"{"device":"A1","why":"seen"}"#, "nothing-to-settle"),
            answers("restoration list", "{}", r#"{"items":[]}"#),
            refuses("restoration list", r#"{"limit":0}"#, "limit-out-of-range"),
            answers("onboarding revoke", r#"{"device":"A1","why":"to be sure"}"#, r#"{"ldevids":[]}"#),
            answers("device retire", r#"{"device":"A1","why":"lost"}"#, r#"{"stage":"retired"}"#),
            answers("audit check", "{}", r#"{"subjects":1}"#),
        ],
    },
];
