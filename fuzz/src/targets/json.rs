//! JSON of strangers: bounded, every key once (RFC 8259).
use crate::same;
use wire::json::{Value, parse_object};

pub fn seeds() -> Vec<Vec<u8>> {
    vec![br#"{"a":[null,true,-1.5e3,{"b":"\u00e9\ud83d\ude00"}],"c":{}}"#.to_vec()]
}

pub fn run(input: &[u8]) {
    let write = |object: &wire::json::Object| {
        serde_json::Value::from(&Value::Object(object.clone())).to_string().into_bytes()
    };
    same::again(input, |text| parse_object(text, usize::MAX), write);
}
