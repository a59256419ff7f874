//! A date and time in text (RFC 3339).
use wire::date_time::{format, parse};

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = ["2017-01-01T00:00:00.000Z", "2021-04-13T17:43:24.589-04:00", "2016-12-31T23:59:60Z", "9999-12-31T23:59:59Z"];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub fn run(input: &[u8]) {
    let Some(millis) = std::str::from_utf8(input).ok().and_then(parse) else { return };
    let text = format(millis).expect("what was read can be written");
    assert_eq!(parse(&text), Some(millis), "{text}");
}
