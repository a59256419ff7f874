//! What this room is asked and what it answers: run by the store's tests on both engines.
use crate::script::{Script, answers, refuses};

/// This room's scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "a device is expected, renamed, retired and claimed",
        steps: &[
            answers(
                "device expect",
                r#"{"serial_number":"A1","maker":"Lumen","model":"L7","name":"hall"}"#,
                r#"{"name":"hall","stage":"expected","site":"main","maker":"Lumen","model":"L7","serial_number":"A1"}"#,
            ),
            answers("device rename", r#"{"device":"hall","name":"lobby"}"#, r#"{"name":"lobby"}"#),
            refuses("device show", r#"{"device":"hall"}"#, "device-unknown"),
            refuses("device claim", r#"{"device":"lobby","proof":"note 1"}"#, "wrong-stage"),
            answers("device retire", r#"{"device":"lobby","why":"broken"}"#, r#"{"stage":"retired"}"#),
            refuses("device retire", r#"{"device":"lobby","why":"broken"}"#, "device-retired"),
            answers("device claim", r#"{"device":"lobby","proof":"note 1"}"#, r#"{"stage":"expected"}"#),
            answers(
                "device timeline",
                r#"{"device":"lobby","limit":2}"#,
                r#"{"items":[{"action":"device claim","version":4},{"action":"device retire","version":3}]}"#,
            ),
            answers(
                "device timeline",
                r#"{"device":"lobby","after":"9223372036854775807.0.0","limit":1}"#,
                r#"{"items":[{"action":"device claim"}]}"#,
            ),
            answers("device timeline", r#"{"device":"lobby","after":"0.0.0"}"#, r#"{"items":[]}"#),
            refuses("device timeline", r#"{"device":"lobby","after":"3"}"#, "bad-cursor"),
            answers("audit check", "{}", r#"{"subjects":1}"#),
            answers("audit verify", "{}", r#"{"entries":4,"lanes":1}"#),
        ],
    },
    Script {
        name: "names and serial numbers are one in their organisation",
        steps: &[
            answers("device expect", r#"{"serial_number":"A1","maker":"Lumen"}"#, r#"{"name":"A1"}"#),
            answers(
                "device expect",
                r#"{"serial_number":"A1","maker":"Other","name":"x"}"#,
                r#"{"name":"x"}"#,
            ),
            refuses("device expect", r#"{"serial_number":"A1","maker":"Lumen","name":"y"}"#, "device-known"),
            refuses("device expect", r#"{"serial_number":"A2","name":"x"}"#, "device-known"),
            refuses("device rename", r#"{"device":"x","name":"A1"}"#, "device-known"),
            refuses("device rename", r#"{"device":"x","name":"x"}"#, "device-known"),
        ],
    },
    Script {
        name: "lists page by name and filter by stage and site; counts follow",
        steps: &[
            answers("device expect", r#"{"serial_number":"c","site":"north"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"a"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"b"}"#, "{}"),
            answers("device retire", r#"{"device":"b","why":"lost"}"#, "{}"),
            answers("device list", r#"{"limit":2}"#, r#"{"items":[{"name":"a"},{"name":"b"}],"next":"b"}"#),
            answers("device list", r#"{"limit":2,"after":"b"}"#, r#"{"items":[{"name":"c"}]}"#),
            answers("device list", r#"{"stage":"retired"}"#, r#"{"items":[{"name":"b"}]}"#),
            answers("device list", r#"{"site":"north"}"#, r#"{"items":[{"name":"c"}]}"#),
            answers("device list", r#"{"site":"north","stage":"retired"}"#, r#"{"items":[]}"#),
            answers("device rename", r#"{"device":"c","name":"hall-1"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"hall%","name":"d","maker":"Lumen"}"#, "{}"),
            answers("device list", r#"{"begins":"hall"}"#, r#"{"items":[{"name":"d"},{"name":"hall-1"}]}"#),
            answers("device list", r#"{"begins":"hall%"}"#, r#"{"items":[{"name":"d"}]}"#),
            answers("device list", r#"{"begins":"hall","after":"d"}"#, r#"{"items":[{"name":"hall-1"}]}"#),
            answers(
                "device list",
                r#"{"begins":"c","stage":"expected"}"#,
                r#"{"items":[{"name":"hall-1"}]}"#,
            ),
            answers("device list", r#"{"maker":"Lumen"}"#, r#"{"items":[{"name":"d"}]}"#),
            answers("device list", r#"{"maker":"Lumen","stage":"retired"}"#, r#"{"items":[]}"#),
            answers("device retire", r#"{"device":"d","why":"lost"}"#, "{}"),
            answers("device list", r#"{"maker":"Lumen","stage":"retired"}"#, r#"{"items":[{"name":"d"}]}"#),
            answers("device count", "{}", r#"{"expected":2,"retired":2,"total":4}"#),
            answers("device count", r#"{"site":"main"}"#, r#"{"expected":1,"retired":2,"total":3}"#),
        ],
    },
    Script {
        name: "names are listed as people count",
        steps: &[
            answers("device expect", r#"{"serial_number":"lamp-10"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"lamp-2"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"lamp-02"}"#, "{}"),
            answers("device expect", r#"{"serial_number":"other"}"#, "{}"),
            answers("device rename", r#"{"device":"other","name":"lamp-1"}"#, "{}"),
            answers(
                "device list",
                r#"{"limit":2}"#,
                r#"{"items":[{"name":"lamp-1"},{"name":"lamp-02"}],"next":"lamp-02"}"#,
            ),
            answers(
                "device list",
                r#"{"stage":"expected","after":"lamp-02"}"#,
                r#"{"items":[{"name":"lamp-2"},{"name":"lamp-10"}]}"#,
            ),
            // Whether or not a device is called so.
            answers("device list", r#"{"after":"lamp-9"}"#, r#"{"items":[{"name":"lamp-10"}]}"#),
        ],
    },
    Script {
        name: "what is not well-formed is refused",
        steps: &[
            refuses("device expect", "{}", "bad-arguments"),
            refuses("device expect", r#"{"serial_number":""}"#, "bad-arguments"),
            refuses("device expect", r#"{"serial_number":"a\u0007"}"#, "bad-arguments"),
            refuses("device expect", r#"{"serial_number":"a","colour":"red"}"#, "bad-arguments"),
            refuses("device list", r#"{"limit":0}"#, "limit-out-of-range"),
            refuses("device list", r#"{"limit":501}"#, "limit-out-of-range"),
            refuses("device list", r#"{"stage":"asleep"}"#, "bad-arguments"),
            refuses("audit list", r#"{"after":"7.x"}"#, "bad-cursor"),
            answers("device count", "{}", r#"{"total":0}"#),
        ],
    },
];
