//! Vouchers (RFC 8366) and voucher-requests (RFC 8995 section 3) as JSON, without their
//! signature.
//!
//! The reader is strict where a field's type or a rule of the YANG module is broken, and ignores
//! fields that it does not know (RFC 8995 section 5.6.1). created-on, assertion and
//! pinned-domain-cert may be missing: RFC 8995 figure 14 has no created-on, its section 5.6.1
//! wants a voucher without pinned-domain-cert to be read, and draft-ietf-anima-rfc8366bis makes
//! serial-number alone mandatory. Not read yet: raw public keys in place of certificates.
mod nonce;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use nonce::Nonce;

use crate::certificate::{Certificate, CertificateRefused};
use crate::digest::sha1_as_a_name;
use crate::json::JsonRefused;

/// Media type of a voucher and a voucher-request in JSON, signed with CMS: RFC 8366 section 8.3,
/// RFC 8995 section 5.2. The body is binary (RFC 8995 section 6).
pub const MEDIA_TYPE: &str = "application/voucher-cms+json";

/// Where a pledge asks its registrar, and a registrar the MASA, for a voucher: RFC 8995 sections
/// 5.2 and 5.5.
pub const REQUEST_PATH: &str = "/.well-known/brski/requestvoucher";

/// How the MASA knows that the owner is who it is: RFC 8366 section 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assertion {
    /// The MASA verified ownership.
    Verified,
    /// The MASA issued after minimal verification, and logged it.
    Logged,
    /// The MASA verified a proof that pledge and owner are near each other.
    Proximity,
    /// An agent of the registrar was near the pledge: draft-ietf-anima-rfc8366bis.
    AgentProximity,
}

impl Assertion {
    const ALL: [Self; 4] = [Self::Verified, Self::Logged, Self::Proximity, Self::AgentProximity];

    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Logged => "logged",
            Self::Proximity => "proximity",
            Self::AgentProximity => "agent-proximity",
        }
    }

    /// The assertion of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assertion| assertion.word() == word)
    }
}

/// A voucher: the MASA tells a pledge whom to trust. Times are in Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// created-on: when the voucher was made.
    pub created_on: Option<i64>,
    /// expires-on: when it ends; not together with a nonce.
    pub expires_on: Option<i64>,
    /// assertion: on what grounds it was issued.
    pub assertion: Option<Assertion>,
    /// serial-number: for which pledge.
    pub serial_number: String,
    /// idevid-issuer: the authorityKeyIdentifier extension of the pledge's IDevID in DER.
    pub idevid_issuer: Option<Vec<u8>>,
    /// pinned-domain-cert: what the registrar's certificate must chain to. Without it the pledge
    /// has to try elsewhere (RFC 8995 section 5.6.1).
    pub pinned_domain_cert: Option<Certificate>,
    /// domain-cert-revocation-checks: whether the pledge must (or must not) check revocation.
    pub domain_cert_revocation_checks: Option<bool>,
    /// nonce: what the pledge sent.
    pub nonce: Option<Nonce>,
    /// last-renewal-date: until when the MASA expects to renew; only with expires-on.
    pub last_renewal_date: Option<i64>,
}

/// A voucher-request, of a pledge or of a registrar. Times are in Unix milliseconds.
///
/// pinned-domain-cert, domain-cert-revocation-checks and last-renewal-date are not valid in a
/// request and ignored (RFC 8995 section 3.4), and so is expires-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoucherRequest {
    /// created-on: when the request was made; a pledge may have no clock.
    pub created_on: Option<i64>,
    /// assertion: what is asked for.
    pub assertion: Option<Assertion>,
    /// serial-number: for which pledge.
    pub serial_number: String,
    /// idevid-issuer: see [`idevid_issuer`].
    pub idevid_issuer: Option<Vec<u8>>,
    /// nonce: fresh for each attempt of the pledge; the registrar copies it.
    pub nonce: Option<Nonce>,
    /// prior-signed-voucher-request: the pledge's signed request, in a registrar's.
    pub prior_signed_voucher_request: Option<Vec<u8>>,
    /// proximity-registrar-cert: the registrar's TLS certificate as the pledge saw it, in a
    /// pledge's.
    pub proximity_registrar_cert: Option<Certificate>,
}

impl Voucher {
    /// A voucher that says nothing yet but for whom it is.
    pub fn new(serial_number: &str) -> Self {
        Self {
            created_on: None,
            expires_on: None,
            assertion: None,
            serial_number: serial_number.into(),
            idevid_issuer: None,
            pinned_domain_cert: None,
            domain_cert_revocation_checks: None,
            nonce: None,
            last_renewal_date: None,
        }
    }
}

impl VoucherRequest {
    /// A request that says nothing yet but for whom it is.
    pub fn new(serial_number: &str) -> Self {
        Self {
            created_on: None,
            assertion: None,
            serial_number: serial_number.into(),
            idevid_issuer: None,
            nonce: None,
            prior_signed_voucher_request: None,
            proximity_registrar_cert: None,
        }
    }
}

/// The idevid-issuer that a registrar states for a pledge: the authorityKeyIdentifier extension of
/// its IDevID, or one made of the SHA-1 of the IDevID's public key. By
/// draft-ietf-anima-rfc8366bis, "Updates to the use of idevid-issuer".
pub fn idevid_issuer(idevid: &Certificate) -> Vec<u8> {
    if let Some(der) = idevid.authority_key_der() {
        return der.to_vec();
    }
    // AuthorityKeyIdentifier with keyIdentifier [0] alone, RFC 5280 section 4.2.1.1.
    let id = sha1_as_a_name(idevid.public_key().point());
    [&[0x30, 22, 0x80, 20][..], &id].concat()
}

/// Why a voucher or voucher-request was refused or cannot be written. Whoever made it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherRefused {
    /// Not JSON of the right form.
    #[error(transparent)]
    Json(#[from] JsonRefused),
    /// Something beside the one container.
    #[error("the text is not one \"{0}\" and nothing else (RFC 8366 section 5.3, RFC 8995 section 3.4)")]
    Container(&'static str),
    /// A certificate inside is refused.
    #[error("the field \"{field}\" is no certificate that we can use: {refused}")]
    Certificate {
        /// Which field.
        field: &'static str,
        /// Why.
        refused: CertificateRefused,
    },
    /// Two fields exclude or need each other.
    #[error("{0} (RFC 8366 section 5.3)")]
    Rule(&'static str),
}
