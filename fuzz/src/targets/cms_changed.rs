//! A signed CMS of which octets are changed: three octets of input say where and by how much.
use crate::pieces::changed;
use crate::sample::{NOW, WORLD};
use std::sync::LazyLock;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::{cms, oid};

const CONTENT: &[u8] = br#"{"ietf-voucher:voucher":{"serial-number":"A-1"}}"#;

static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (masa, chain) = (&WORLD.masa, [WORLD.root.certificate.clone()]);
    let kind = oid::ANIMA_JSON_VOUCHER;
    cms::sign(kind, CONTENT, &masa.certificate, &chain, &masa.key, Some(NOW), false).expect("signed")
});

pub fn seeds() -> Vec<Vec<u8>> {
    vec![Vec::new(), vec![0, 9, 1], vec![1, 77, 128, 0, 3, 1]]
}

pub fn run(input: &[u8]) {
    let Ok(verified) = cms::verify(&changed(&SIGNED, input), None, &[]) else { return };
    // Certificates are not under the signature: a path judges them. All the rest is.
    assert_eq!(verified.content, CONTENT);
    assert_eq!(verified.content_type, oid::ANIMA_JSON_VOUCHER);
    assert_eq!(verified.signing_time, Some(NOW));
    assert_eq!(*verified.signer.public_key(), WORLD.masa.key.public());
    let anchors = [WORLD.root.certificate.clone()];
    if verify_chain(&verified.signer, &verified.certificates, &anchors, Some(NOW), Purpose::Voucher).is_ok() {
        assert_eq!(verified.signer, WORLD.masa.certificate);
    }
}
