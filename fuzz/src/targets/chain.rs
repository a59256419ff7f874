//! A certification path (RFC 5280 section 6.1): pieces are the leaf, then certificates that came along.
use crate::pieces::{Pieces, joined};
use crate::sample::{NOW, WORLD};
use wire::Certificate;
use wire::certificate::chain::{Purpose, verify_chain};

const PURPOSES: [Purpose; 7] = [
    Purpose::Device,
    Purpose::Server,
    Purpose::Registrar,
    Purpose::Voucher,
    Purpose::Description,
    Purpose::Release,
    Purpose::Authority,
];

pub fn seeds() -> Vec<Vec<u8>> {
    let all = WORLD.certificates();
    let above = WORLD.intermediate.certificate.der();
    all.iter().map(|leaf| joined(&[leaf.der(), above, WORLD.root.certificate.der()])).collect()
}

pub fn run(input: &[u8]) {
    let read = |piece| Certificate::from_der(piece).ok();
    let certificates: Vec<Certificate> = Pieces(input).take(wire::limits::CHAIN_CERTIFICATES_MAX).filter_map(read).collect();
    let Some((leaf, others)) = certificates.split_first() else { return };
    for purpose in PURPOSES {
        let anchors = [WORLD.root.certificate.clone()];
        for (between, anchors) in [(others, &anchors[..]), (others, others)] {
            let Ok(path) = verify_chain(leaf, between, anchors, Some(NOW), purpose) else { continue };
            let path = path.certificates();
            let anchor = path[path.len() - 1];
            assert!(anchors.contains(anchor), "the path ends with no anchor");
            if path.len() == 1 {
                // An anchor itself, or, of a registrar, the key of one.
                assert!(anchor == leaf || anchor.public_key() == leaf.public_key());
                continue;
            }
            assert_eq!(path[0], leaf);
            for pair in path.windows(2) {
                assert!(pair[0].verify_signature(pair[1].public_key()).is_ok(), "a link is not signed by the next");
                assert!(pair[1].is_authority(), "an issuer is no authority");
            }
        }
    }
}
