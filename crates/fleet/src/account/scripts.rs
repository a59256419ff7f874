//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "an account is added, changed, disabled and enabled",
        steps: &[
            answers(
                "account add",
                r#"{"account":"alice","permission":"operate"}"#,
                r#"{"account":"alice","permission":"operate","disabled":false}"#,
            ),
            refuses("account add", r#"{"account":"alice","permission":"view"}"#, "account-known"),
            answers(
                "account set-permission",
                r#"{"account":"alice","permission":"view"}"#,
                r#"{"permission":"view"}"#,
            ),
            answers("token issue", r#"{"account":"alice","label":"report"}"#, r#"{"account":"alice"}"#),
            answers(
                "account show",
                r#"{"account":"alice"}"#,
                r#"{"credentials":[{"kind":"token","label":"report"}]}"#,
            ),
            answers("account disable", r#"{"account":"alice"}"#, r#"{"disabled":true}"#),
            refuses("account disable", r#"{"account":"alice"}"#, "account-disabled"),
            refuses("token issue", r#"{"account":"alice","label":"report"}"#, "account-disabled"),
            answers("account show", r#"{"account":"alice"}"#, r#"{"credentials":[],"disabled":true}"#),
            answers("account enable", r#"{"account":"alice"}"#, r#"{"disabled":false}"#),
            refuses("account enable", r#"{"account":"alice"}"#, "account-enabled"),
            answers("account list", "{}", r#"{"items":[{"account":"alice"}]}"#),
            answers("audit check", "{}", r#"{"subjects":1}"#),
        ],
    },
    Script {
        name: "what does not exist or is out of range is refused",
        steps: &[
            refuses("account show", r#"{"account":"bob"}"#, "account-unknown"),
            refuses("token issue", r#"{"account":"bob","label":"x"}"#, "account-unknown"),
            refuses("link issue", r#"{"account":"bob"}"#, "account-unknown"),
            refuses("account add", r#"{"account":"Bob","permission":"view"}"#, "bad-arguments"),
            refuses("account add", r#"{"account":"bob","permission":"root"}"#, "bad-arguments"),
            refuses("account disable", r#"{"account":"tester"}"#, "own-account"),
            answers("account add", r#"{"account":"bob","permission":"view"}"#, "{}"),
            refuses("token issue", r#"{"account":"bob","label":"x","days":367}"#, "days-out-of-range"),
            refuses(
                "credential revoke",
                r#"{"account":"bob","id":"0190163d-8694-739b-aea5-966c26f8ad91"}"#,
                "credential-unknown",
            ),
            refuses("session start", "{}", "not-permitted"),
            refuses("session end", "{}", "no-session"),
            answers("session show", "{}", r#"{"account":"tester","permission":"administer"}"#),
        ],
    },
];
