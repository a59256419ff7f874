//! A COSE_Sign1 over a detached payload (RFC 9052), and the deterministic CBOR below it (RFC 8949).
use crate::sample::WORLD;
use wire::cose::{sign_detached, verify_detached};

const PAYLOAD: &[u8] = b"payload";

pub fn seeds() -> Vec<Vec<u8>> {
    vec![sign_detached(PAYLOAD, &WORLD.signer.key).expect("signed")]
}

pub fn run(input: &[u8]) {
    let key = WORLD.signer.key.public();
    if verify_detached(input, PAYLOAD, &key).is_ok() {
        assert!(verify_detached(input, b"other", &key).is_err(), "a signature over something else");
        assert!(verify_detached(input, PAYLOAD, &WORLD.masa.key.public()).is_err(), "a signature by another key");
    }
}
