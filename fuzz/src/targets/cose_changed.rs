//! A COSE_Sign1 and its payload, of which octets are changed: three octets of input say where and by how much.
use crate::pieces::changed;
use crate::sample::WORLD;
use std::sync::LazyLock;
use wire::cose::{sign_detached, verify_detached};

const PAYLOAD: &[u8] = b"the payload";

static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| sign_detached(PAYLOAD, &WORLD.signer.key).expect("signed"));

pub fn seeds() -> Vec<Vec<u8>> {
    vec![Vec::new(), vec![0, 5, 1], vec![0, 90, 1]]
}

pub fn run(input: &[u8]) {
    let both = changed(&[SIGNED.as_slice(), PAYLOAD].concat(), input);
    let (signed, payload) = both.split_at(SIGNED.len());
    if verify_detached(signed, payload, &WORLD.signer.key.public()).is_ok() {
        assert_eq!((signed, payload), (SIGNED.as_slice(), PAYLOAD), "there is nothing that is not signed");
    }
}
