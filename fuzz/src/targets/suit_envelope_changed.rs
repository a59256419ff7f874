//! A signed SUIT envelope of which octets are changed: three octets of input say where and by how much.
use crate::pieces::changed;
use crate::sample::WORLD;
use std::sync::LazyLock;
use wire::suit::{Authentic, Envelope};

static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| super::suit_envelope::seeds().remove(1));
static READ: LazyLock<Authentic> = LazyLock::new(|| read(&SIGNED).expect("as it was signed"));

fn read(bytes: &[u8]) -> Option<Authentic> {
    Envelope::from_cbor(bytes).ok()?.authenticate(&[WORLD.author.key.public()]).ok()
}

pub fn seeds() -> Vec<Vec<u8>> {
    vec![Vec::new(), vec![0, 5, 1], vec![0, 90, 1, 1, 9, 4]]
}

pub fn run(input: &[u8]) {
    if let Some(authentic) = read(&changed(&SIGNED, input)) {
        assert_eq!(authentic, *READ, "there is nothing that is not signed");
    }
}
