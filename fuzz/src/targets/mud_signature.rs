//! The signature over a MUD file (RFC 8520 section 13): pieces are the signature and the file.
use crate::pieces::{Pieces, joined};
use crate::sample::{NOW, WORLD};
use wire::mud::{check_signature, sign};

const FILE: &[u8] = b"{}";

pub fn seeds() -> Vec<Vec<u8>> {
    let signer = &WORLD.signer;
    let signature = sign(FILE, &signer.certificate, &[], &signer.key, Some(NOW)).expect("signed");
    vec![joined(&[&signature, FILE])]
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let (signature, file) = (pieces.cut(), pieces.cut());
    let anchors = [WORLD.root.certificate.clone()];
    let name = WORLD.signer.certificate.subject();
    let Ok(good) = check_signature(file, signature, &anchors, Some(name), NOW) else { return };
    assert_eq!((file, &good.signer), (FILE, &WORLD.signer.certificate), "nothing else was ever signed");
    assert!(check_signature(b"other", signature, &anchors, None, NOW).is_err());
}
