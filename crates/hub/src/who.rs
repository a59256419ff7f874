//! Whose share of the hub a request costs: who somebody is, and not which key or address is shown for the moment.
use fleet::onboarding::door::Peer;
use fleet::onboarding::view::Proof;
use io::http::shares::network;
use std::net::IpAddr;
use wire::digest::sha256;

/// Somebody, as a digest of a fixed size.
pub type Who = [u8; 32];

/// A device by the name that its identity gives it, which outlives its keys; a stranger by its network.
pub fn who(peer: &Peer, address: IpAddr) -> Who {
    let Some(certificate) = peer.certificate() else { return stranger(address) };
    match peer {
        // RFC 8995 section 2.3.1: a serialNumber is one device of its maker.
        Peer::Device { proof: Proof::Idevid(shown), .. } => {
            named(&["idevid", &shown.anchor, &shown.serial_number])
        }
        _ => match certificate.subject().common_name() {
            Some(device) => named(&["ldevid", &device]),
            None => certificate.public_key().fingerprint(),
        },
    }
}

/// Somebody who showed no certificate.
pub fn stranger(address: IpAddr) -> Who {
    named(&["network", &network(address).to_string()])
}

/// No part holds a NUL: none of them can be taken for two.
fn named(parts: &[&str]) -> Who {
    sha256(parts.join("\0").as_bytes())
}
