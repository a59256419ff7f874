//! The difference of two documents of a device: pieces are the old one and the new one.
use crate::pieces::{Pieces, joined};
use fleet::configuration::diff::documents;

pub fn seeds() -> Vec<Vec<u8>> {
    vec![joined(&[br#"{"a":1,"b":[1,2]}"#, br#"{"a":2,"b":[1,3]}"#]), joined(&[b"a\nb\nc\nd\ne\n", b"a\nc\nd\nf"])]
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let (old, new) = (pieces.cut(), pieces.cut());
    let _ = documents(old, new);
    assert_eq!(documents(new, new), "", "nothing differs from itself");
}
