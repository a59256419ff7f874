//! A public key (SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7) and a signature: pieces are both.
use crate::pieces::{Pieces, joined};
use crate::sample::{Key, WORLD};
use wire::{PublicKey, Signer};

const MESSAGE: &[u8] = b"message";

pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |key: &Key| joined(&[&key.public().spki_der(), &key.sign(MESSAGE).expect("signed")]);
    vec![seed(&WORLD.masa.key), seed(&WORLD.root.key)]
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let (spki, signature) = (pieces.cut(), pieces.cut());
    let Ok(key) = PublicKey::from_spki_der(spki) else { return };
    assert_eq!(PublicKey::from_spki_der(&key.spki_der()).as_ref(), Ok(&key));
    assert_eq!(PublicKey::from_point(key.curve(), key.point()).as_ref(), Ok(&key));
    let _ = (key.key_id(), key.fingerprint());
    if key.verify(MESSAGE, signature).is_ok() {
        assert!(key.verify(b"other", signature).is_err(), "a signature over something else");
    }
    if let Ok(fixed) = signature.try_into() {
        let _ = key.verify_fixed(MESSAGE, fixed);
    }
}
