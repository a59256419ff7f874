//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, Step, answers, refuses};

/// The example of `anchor add` as JSON text.
const PEM: &str = r#"{"anchor":"lumen","certificate":"-----BEGIN CERTIFICATE-----\nMIIBzDCCAXGgAwIBAgIUcPS8XvDLCfz7RxWG49HWaDSm/60wCgYIKoZIzj0EAwIw\nMjEOMAwGA1UECgwFTHVtZW4xIDAeBgNVBAMMF0x1bWVuIGV4YW1wbGUgYXV0aG9y\naXR5MCAXDTI2MTEyMjE3MDYwMloYDzIxMjYxMDI5MTcwNjAyWjAyMQ4wDAYDVQQK\nDAVMdW1lbjEgMB4GA1UEAwwXTHVtZW4gZXhhbXBsZSBhdXRob3JpdHkwWTATBgcq\nhkjOPQIBBggqhkjOPQMBBwNCAASELTTfY8aIKNvkbPc1sUhCaILpAsm4irccC8Y5\nh3JGEkwhWzmLu7gFZVPQbAZHjf2RlsJTLfEd/Tk6fv/VmGEDo2MwYTAdBgNVHQ4E\nFgQUpLc5dUj75mumN1/wA71F69f84WAwHwYDVR0jBBgwFoAUpLc5dUj75mumN1/w\nA71F69f84WAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZI\nzj0EAwIDSQAwRgIhAJJUGpt4fQuVgncYPj8gV1EyyO4GFzWewueoPzZz+t+9AiEA\n8GwLSH8X44+fLFS5s83WzWBJdmJJ+ixCtBqeWW9XMZ0=\n-----END CERTIFICATE-----\n"}"#;

const ENTER: &str = r#"{"device":"A1","mud_url":"https://mud.example.com/lamp-7.json"}"#;
const TRUST: Step = answers("anchor add", PEM, r#"{"anchor":"lumen"}"#);
const EXPECT: Step = answers("device expect", r#"{"serial_number":"A1","maker":"lumen"}"#, "{}");

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "a person says which description belongs to a device",
        steps: &[
            EXPECT,
            answers("description show", r#"{"device":"A1"}"#, r#"{"mud_url":"","standing":"unknown"}"#),
            refuses("description enter", ENTER, "anchor-unknown"),
            refuses("description waive", r#"{"device":"A1","why":"lost"}"#, "no-description"),
            refuses("description fetch", r#"{"device":"A1"}"#, "description-unknown"),
            TRUST,
            answers(
                "description enter",
                ENTER,
                r#"{"mud_url":"https://mud.example.com/lamp-7.json","assurance":"entered","source":"tester",
                    "maker":"lumen","standing":"waiting","finding":"","waived":"","allows":[]}"#,
            ),
            answers("description enter", ENTER, "{}"),
            answers(
                "description list",
                "{}",
                r#"{"items":[{"description":"lumen https://mud.example.com/lamp-7.json","standing":"waiting"}]}"#,
            ),
            answers("description fetch", r#"{"device":"A1"}"#, r#"{"standing":"waiting","tries":0}"#),
            answers(
                "description waive",
                r#"{"device":"A1","why":"its maker is gone"}"#,
                r#"{"waived":"its maker is gone"}"#,
            ),
            // A device's timeline is of every room.
            answers(
                "device timeline",
                r#"{"device":"A1","limit":1}"#,
                r#"{"items":[{"room":"discovery","action":"description waive"}]}"#,
            ),
            answers(
                "description enter",
                r#"{"device":"A1","mud_url":"https://mud.example.com/lamp-8.json","maker":"lumen"}"#,
                r#"{"waived":"","standing":"waiting"}"#,
            ),
            answers("audit check", "{}", r#"{"subjects":5}"#),
        ],
    },
    Script {
        name: "what is no MUD URL is refused",
        steps: &[
            TRUST,
            EXPECT,
            refuses(
                "description enter",
                r#"{"device":"A1","mud_url":"http://mud.example.com/x"}"#,
                "bad-url",
            ),
            refuses("description enter", r#"{"device":"A1","mud_url":"https:///x"}"#, "bad-url"),
            refuses(
                "description enter",
                r#"{"device":"A1","mud_url":"https://mud.example.com/a b"}"#,
                "bad-url",
            ),
            refuses(
                "description enter",
                r#"{"device":"A2","mud_url":"https://mud.example.com/x"}"#,
                "device-unknown",
            ),
            answers("description list", "{}", r#"{"items":[]}"#),
        ],
    },
];
