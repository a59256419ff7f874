//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[Script {
    name: "a product is offered and discontinued",
    steps: &[
        answers(
            "product add",
            r#"{"product":"lamp-7","hardware_type":"1.3.6.1.4.1.32473.7","mud_url":"https://mud.example/lamp-7.json"}"#,
            r#"{"product":"lamp-7","mud_url":"https://mud.example/lamp-7.json","masa_url":"","discontinued":false}"#,
        ),
        refuses("product add", r#"{"product":"lamp-7","hardware_type":"1.2.3"}"#, "product-known"),
        refuses("product add", r#"{"product":"x","hardware_type":"lamp"}"#, "bad-hardware-type"),
        refuses(
            "product add",
            r#"{"product":"x","hardware_type":"1.2.3","mud_url":"http://mud.example/x.json"}"#,
            "bad-url",
        ),
        answers("product list", "{}", r#"{"items":[{"product":"lamp-7"}]}"#),
        answers("product discontinue", r#"{"product":"lamp-7"}"#, r#"{"discontinued":true}"#),
        refuses("product discontinue", r#"{"product":"lamp-7"}"#, "product-discontinued"),
        refuses("product discontinue", r#"{"product":"x"}"#, "product-unknown"),
        refuses(
            "product publish-description",
            r#"{"product":"lamp-7","file":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#,
            "blob-unknown",
        ),
        refuses("release publish", r#"{"product":"x","version":"1.0"}"#, "product-unknown"),
        refuses("release publish", r#"{"product":"lamp-7","version":"1.0"}"#, "version-or-way-back"),
        refuses("release publish", r#"{"product":"lamp-7","way_back_to":"1.0"}"#, "version-unknown"),
        refuses(
            "release publish",
            r#"{"product":"lamp-7","version":"1.0","image":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#,
            "vendor-unknown",
        ),
        refuses(
            "release publish",
            r#"{"product":"lamp-7","version":"1.0","vendor":"example.com","image":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#,
            "blob-unknown",
        ),
        answers("product releases", r#"{"product":"lamp-7"}"#, r#"{"items":[]}"#),
        refuses("product description", r#"{"product":"lamp-7"}"#, "description-unknown"),
        answers("birth list", "{}", r#"{"items":[]}"#),
        refuses("birth show", r#"{"serial_number":"A1"}"#, "birth-unknown"),
        refuses("birth list", r#"{"after":"\u0000"}"#, "bad-arguments"),
        answers("audit check", "{}", r#"{"subjects":1}"#),
    ],
}];
