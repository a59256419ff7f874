//! What a device believes of a server, its anchors and its certificate. Pure.
//!
//! No validity is judged: many devices have no clock, and RFC 8995 section 2.6.1 lets them.
use wire::certificate::chain::{ChainRefused, Purpose, verify_chain};
use wire::{Certificate, PublicKey};

/// Whether the server that showed `chain` (its own certificate first) may be asked as `host`.
///
/// It chains to one of `anchors`, and is a registrar (id-kp-cmcRA) or bears the name or address that
/// was asked for: RFC 7030 section 3.6.1.
///
/// # Errors
/// [`ServerRefused`]: whoever answers there is to blame, or the operator for its certificate.
pub fn check_server(chain: &[Certificate], host: &str, anchors: &[Certificate]) -> Result<(), ServerRefused> {
    let (server, rest) = chain.split_first().ok_or(ServerRefused::NoCertificate)?;
    if verify_chain(server, rest, anchors, None, Purpose::Registrar).is_ok() {
        return Ok(());
    }
    verify_chain(server, rest, anchors, None, Purpose::Server)?;
    let by_address = host.parse().is_ok_and(|address| server.addresses().contains(&address));
    let by_name = server.dns_names().iter().any(|name| name.eq_ignore_ascii_case(host));
    if by_address || by_name { Ok(()) } else { Err(ServerRefused::OtherName(host.into())) }
}

/// Why a server is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerRefused {
    /// It showed nothing.
    #[error("the server showed no certificate")]
    NoCertificate,
    /// Its chain does not lead to an anchor.
    #[error("the server is not of this domain: {0}")]
    Chain(#[from] ChainRefused),
    /// It is neither a registrar nor the one that was asked.
    #[error("the server is neither a registrar nor `{0}` (RFC 7030 section 3.6.1)")]
    OtherName(String),
}

/// The authorities among those that a server distributes that `anchor` vouches for: itself, and
/// whatever chains to it (RFC 7030 section 4.1.3). Others are left out.
///
/// # Errors
/// [`AnchorsRefused`] when there is none: the server is to blame.
pub(super) fn check_anchors(
    distributed: Vec<Certificate>,
    anchor: &Certificate,
) -> Result<Vec<Certificate>, AnchorsRefused> {
    let trusted = std::slice::from_ref(anchor);
    let vouched = |one: &&Certificate| {
        verify_chain(one, &distributed, trusted, None, Purpose::Authority).is_ok()
            || is_above(one, &distributed, anchor)
    };
    let mut good: Vec<Certificate> = distributed.iter().filter(vouched).cloned().collect();
    if good.is_empty() {
        return Err(AnchorsRefused);
    }
    // A CMS set has no order of its own: an equal answer is to be an equal list.
    good.sort_by(|a, b| a.der().cmp(b.der()));
    Ok(good)
}

/// Whether `authority` stands above a registrar's own certificate, which a voucher pinned: "a full CA
/// certificate response" is "more authoritative", RFC 8995 section 5.6.2.
fn is_above(authority: &Certificate, between: &[Certificate], pinned: &Certificate) -> bool {
    let above = std::slice::from_ref(authority);
    let is_leaf = authority.is_authority() && !pinned.is_authority();
    is_leaf && verify_chain(pinned, between, above, None, Purpose::Registrar).is_ok()
}

/// A server distributes anchors that the device's own does not vouch for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of the distributed anchors is, or chains to, the one that is trusted (RFC 7030 section 4.1.3)")]
pub struct AnchorsRefused;

/// The certificate among `issued` that is for `key`, if it is of this domain and of this device.
///
/// # Errors
/// [`LdevidRefused`]: the server is to blame.
pub(super) fn check_issued(
    issued: &[Certificate],
    key: &PublicKey,
    anchors: &[Certificate],
    serial_number: &str,
) -> Result<Certificate, LdevidRefused> {
    let ours = issued.iter().find(|one| one.public_key() == key).ok_or(LdevidRefused::OtherKey)?;
    verify_chain(ours, issued, anchors, None, Purpose::Device)?;
    match ours.serial_number() {
        Some(named) if named == serial_number => Ok(ours.clone()),
        _ => Err(LdevidRefused::OtherSerialNumber),
    }
}

/// Why a certificate is not the device's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdevidRefused {
    /// It is for no key of ours.
    #[error("the certificate is not for the device's key (RFC 7030 section 4.2.3)")]
    OtherKey,
    /// It is not of this domain.
    #[error("the certificate is not of this domain: {0}")]
    Chain(#[from] ChainRefused),
    /// It is another device's.
    #[error("the certificate's serialNumber is not the device's")]
    OtherSerialNumber,
    /// It names what a renewal would have to repeat, and our requests cannot carry.
    #[error(
        "the certificate has a subjectAltName, which requests cannot repeat yet (RFC 7030 section 4.2.2)"
    )]
    AlternativeNames,
}
