//! A CMS SignedData, with its content inside or detached (RFC 5652).
use crate::sample::{NOW, WORLD};
use wire::{cms, oid};

const DETACHED: &[u8] = b"detached";

pub fn seeds() -> Vec<Vec<u8>> {
    let sign = |content: &[u8], time, detached| {
        let chain = [WORLD.root.certificate.clone()];
        let masa = &WORLD.masa;
        cms::sign(oid::DATA, content, &masa.certificate, &chain, &masa.key, time, detached).expect("signed")
    };
    vec![sign(b"{}", Some(NOW), false), sign(b"", None, false), sign(DETACHED, Some(NOW), true)]
}

pub fn run(input: &[u8]) {
    if let Ok(verified) = cms::verify(input, None, &[]) {
        assert_eq!(cms::verify(input, None, &[]), Ok(verified));
    }
    if let Ok(verified) = cms::verify(input, Some(DETACHED), std::slice::from_ref(&WORLD.masa.certificate)) {
        assert_eq!(verified.content, DETACHED);
        assert!(cms::verify(input, Some(b"other"), &[]).is_err(), "a signature over something else");
    }
}
