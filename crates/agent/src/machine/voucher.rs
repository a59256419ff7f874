//! What a device believes of a voucher. Pure.
//!
//! No time is judged, for want of a clock: the nonce makes a voucher fresh (RFC 8995 section 2.6.1). So a
//! voucher without a nonce is refused, as section 5.6.1 lets a device choose.
use super::answers::is_of_type;
use super::message::{Answer, shortened};
use wire::certificate::chain::{ChainRefused, Purpose, verify_chain};
use wire::cms::{self, CmsRefused};
use wire::voucher::{self, Assertion, Voucher, VoucherRefused, VoucherRequest, idevid_issuer};
use wire::{Certificate, Oid, oid};

/// The domain's certificate that the voucher in `answer` pins, if the voucher answers what was asked and
/// the server that showed `server` (its own certificate first) is of that domain.
///
/// `masa` is what signers of vouchers chain to.
///
/// # Errors
/// [`VoucherRejected`]: the registrar, its MASA or somebody between is to blame.
pub fn check_voucher(
    answer: &Answer,
    asked: &VoucherRequest,
    server: &[Certificate],
    masa: &[Certificate],
    idevid: &Certificate,
) -> Result<Certificate, VoucherRejected> {
    if !is_of_type(&answer.content_type, voucher::MEDIA_TYPE) {
        return Err(VoucherRejected::MediaType(shortened(&answer.content_type)));
    }
    let voucher = read(&answer.body, masa)?;
    check_fields(&voucher, asked, idevid)?;
    let pinned = voucher.pinned_domain_cert.ok_or(VoucherRejected::NoPin)?;
    check_domain(server, &pinned)?;
    Ok(pinned)
}

/// The voucher, if the MASA signed it.
fn read(body: &[u8], masa: &[Certificate]) -> Result<Voucher, VoucherRejected> {
    let signed = cms::verify(body, None, masa)?;
    let path = verify_chain(&signed.signer, &signed.certificates, masa, None, Purpose::Voucher)?;
    // One authority may stand above MASA and devices alike: a device's key signs no vouchers for others.
    // Its certificate has a serialNumber (RFC 8995 section 2.3.1).
    if path.certificates().len() > 1 && signed.signer.serial_number().is_some() {
        return Err(VoucherRejected::SignedByDevice);
    }
    // The examples of RFC 8995 appendix C say id-data; RFC 8366 section 5.4 names a type of its own.
    if ![oid::DATA, oid::ANIMA_JSON_VOUCHER].contains(&signed.content_type) {
        return Err(VoucherRejected::ContentType(signed.content_type));
    }
    Ok(Voucher::from_json(&signed.content)?)
}

fn check_fields(
    voucher: &Voucher,
    asked: &VoucherRequest,
    idevid: &Certificate,
) -> Result<(), VoucherRejected> {
    if voucher.serial_number != asked.serial_number {
        return Err(VoucherRejected::SerialNumber);
    }
    if voucher.nonce.is_none() || voucher.nonce != asked.nonce {
        return Err(VoucherRejected::Nonce);
    }
    if !matches!(voucher.assertion, Some(Assertion::Verified | Assertion::Logged | Assertion::Proximity)) {
        return Err(VoucherRejected::Assertion);
    }
    if voucher.idevid_issuer.as_ref().is_some_and(|issuer| *issuer != idevid_issuer(idevid)) {
        return Err(VoucherRejected::IdevidIssuer);
    }
    if voucher.domain_cert_revocation_checks == Some(true) {
        return Err(VoucherRejected::RevocationChecks);
    }
    Ok(())
}

/// RFC 8995 section 5.6.2: the pinned certificate is "the sole temporary trust anchor".
fn check_domain(server: &[Certificate], pinned: &Certificate) -> Result<(), VoucherRejected> {
    let (registrar, rest) = server.split_first().ok_or(VoucherRejected::NoServer)?;
    verify_chain(registrar, rest, std::slice::from_ref(pinned), None, Purpose::Registrar)
        .map(drop)
        .map_err(VoucherRejected::OtherDomain)
}

/// Why a voucher is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherRejected {
    /// Something else came.
    #[error("the answer is `{0}`, not a {wanted} (RFC 8995 section 5.6)", wanted = voucher::MEDIA_TYPE)]
    MediaType(String),
    /// It is not signed, or not well.
    #[error("the voucher's signature cannot be verified (RFC 8995 section 5.6.1): {0}")]
    Signature(#[from] CmsRefused),
    /// Somebody else than the MASA signed it.
    #[error("the voucher is not signed by the device's manufacturer (RFC 8995 section 5.6.1): {0}")]
    Signer(#[from] ChainRefused),
    /// A device of the same manufacturer signed it.
    #[error("the voucher is signed by a device and not by the MASA (RFC 8995 section 5.6.1)")]
    SignedByDevice,
    /// Something else was signed.
    #[error("what is signed is {0} and not a voucher in JSON (RFC 8366 section 5.4)")]
    ContentType(Oid),
    /// It cannot be read.
    #[error("the voucher cannot be read: {0}")]
    Unreadable(#[from] VoucherRefused),
    /// It is for another device.
    #[error("the voucher's serial-number is not the device's (RFC 8995 section 5.6.1)")]
    SerialNumber,
    /// It is not for this attempt.
    #[error("the voucher's nonce is not the one that was sent (RFC 8995 section 5.6.1)")]
    Nonce,
    /// It does not say how the owner was verified, or says what was not asked for.
    #[error("the voucher's assertion is not verified, logged or proximity (RFC 8366 section 5.3)")]
    Assertion,
    /// It is for a device of another issuer.
    #[error("the voucher's idevid-issuer is not that of the IDevID (RFC 8366 section 5.3)")]
    IdevidIssuer,
    /// It wants what the device cannot do.
    #[error("the voucher wants revocation to be checked, which this device cannot (RFC 8366 section 5.3)")]
    RevocationChecks,
    /// It pins nothing: the registrar may not have the device.
    #[error("the voucher has no pinned-domain-cert: this domain may not enrol it (RFC 8995 section 5.6.1)")]
    NoPin,
    /// The server showed nothing.
    #[error("the server showed no certificate (RFC 8995 section 5.6.2)")]
    NoServer,
    /// The server is not of the domain that is pinned: another domain's, or somebody between.
    #[error("the server is not of the domain that the voucher pins (RFC 8995 section 5.6.2): {0}")]
    OtherDomain(ChainRefused),
}
