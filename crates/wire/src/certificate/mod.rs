//! X.509 certificates: reading, the profiles that we issue, and the judgement of a path.
//!
//! A [`Certificate`] keeps the octets it came in; everything else is decoded once, when it is
//! read. Reading proves nothing: [`chain::verify_chain`] does.
pub mod chain;
mod extensions;
mod name;
pub mod profile;
mod time;

pub use extensions::HardwareModuleName;
pub(crate) use name::text;
pub use name::{Name, NameAttribute, NameRefused};
pub use time::NO_END;
pub(crate) use time::{from_asn1, to_asn1};

use crate::key::{BadSignature, KeyRefused, PublicKey};
use crate::limits::{CERTIFICATE_BYTES_MAX, CHAIN_CERTIFICATES_MAX};
use crate::oid::Oid;
use crate::signed::Signed;
use der::{Decode, Encode};
use extensions::Extensions;
use std::net::IpAddr;
use x509_cert::TbsCertificate;
use x509_cert::serial_number::SerialNumber;

const PEM_LABEL: &str = "CERTIFICATE";

/// A certificate that was read: well-formed, with a key that we can use. Nobody vouches for it
/// yet.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    signed: Signed,
    subject: Name,
    issuer: Name,
    serial: SerialNumber,
    not_before: i64,
    not_after: i64,
    public_key: PublicKey,
    extensions: Extensions,
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`CertificateRefused`]: whoever sent it is to blame.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateRefused> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateRefused::TooLarge);
        }
        let signed = Signed::split(der)?;
        let tbs = TbsCertificate::from_der(&signed.content_der()?)?;
        // RFC 5280 section 4.1.1.2: the two algorithm fields must be the same.
        if tbs.signature() != signed.algorithm() {
            return Err(CertificateRefused::AlgorithmsDiffer);
        }
        let extensions = Extensions::read(tbs.extensions().map_or(&[], Vec::as_slice))?;
        let public_key = PublicKey::from_spki_der(&tbs.subject_public_key_info().to_der()?)?;
        Ok(Self {
            der: der.to_vec(),
            subject: Name(tbs.subject().clone()),
            issuer: Name(tbs.issuer().clone()),
            serial: tbs.serial_number().clone(),
            not_before: from_asn1(&tbs.validity().not_before),
            not_after: from_asn1(&tbs.validity().not_after),
            signed,
            public_key,
            extensions,
        })
    }

    /// Reads a certificate in PEM; text around it is ignored.
    ///
    /// # Errors
    /// [`CertificateRefused`], also when there is not exactly one certificate.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateRefused> {
        let mut all = Self::list_from_pem(pem)?;
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(CertificateRefused::NotPem),
        }
    }

    /// Reads all certificates of a PEM text, at most [`CHAIN_CERTIFICATES_MAX`], in their order.
    ///
    /// # Errors
    /// [`CertificateRefused`] when one of them is refused.
    pub fn list_from_pem(pem: &str) -> Result<Vec<Self>, CertificateRefused> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let starts: Vec<usize> = pem.match_indices(BEGIN).map(|(start, _)| start).collect();
        if starts.len() > CHAIN_CERTIFICATES_MAX {
            return Err(CertificateRefused::TooLarge);
        }
        let blocks = starts.iter().map(|start| &pem[*start..]);
        blocks.map(|block| Self::from_der(&pem_block(block)?)).collect()
    }

    /// The certificate in PEM.
    pub fn to_pem(&self) -> String {
        der::pem::encode_string(PEM_LABEL, der::pem::LineEnding::LF, &self.der)
            .expect("the label is fixed and the length is bounded")
    }

    /// The octets of the certificate, as they came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whom the certificate is about.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Who signed it, by its own account.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The certificate's serial number as unsigned big-endian octets without leading zeros. Not
    /// the device's: that is [`serial_number`](Self::serial_number).
    pub fn serial(&self) -> &[u8] {
        let octets = self.serial.as_bytes();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        &octets[zeros..]
    }

    /// The certificate's serial number as it stands.
    pub(crate) fn serial_integer(&self) -> &SerialNumber {
        &self.serial
    }

    /// The subject's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The first moment of validity, in Unix milliseconds.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// The last moment of validity, in Unix milliseconds; [`NO_END`] when there is none.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether the certificate may sign others (RFC 5280 section 4.2.1.9).
    pub fn is_authority(&self) -> bool {
        self.extensions.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }

    /// The subjectKeyIdentifier (RFC 5280 section 4.2.1.2).
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// The keyIdentifier of the authorityKeyIdentifier (RFC 5280 section 4.2.1.1).
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key.as_ref().and_then(|(_, id)| id.as_deref())
    }

    /// The whole authorityKeyIdentifier extension in DER: the `idevid-issuer` of a
    /// voucher-request, as draft-ietf-anima-rfc8366bis clarifies its format.
    pub fn authority_key_der(&self) -> Option<&[u8]> {
        self.extensions.authority_key.as_ref().map(|(der, _)| der.as_slice())
    }

    /// The extended key usage, or nothing if the certificate does not restrict it.
    pub fn key_purposes(&self) -> Option<&[Oid]> {
        self.extensions.key_purposes.as_deref()
    }

    /// The DNS names of the subjectAltName.
    pub fn dns_names(&self) -> &[String] {
        &self.extensions.dns_names
    }

    /// The addresses of the subjectAltName.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.extensions.addresses
    }

    /// The device's serial number: the subject's serialNumber attribute (RFC 8995 section 2.3.1).
    pub fn serial_number(&self) -> Option<String> {
        self.subject.serial_number()
    }

    /// The hardwareModuleName of the subjectAltName.
    pub fn hardware_module_name(&self) -> Option<&HardwareModuleName> {
        self.extensions.hardware.as_ref()
    }

    /// The MUD URL (RFC 8520 section 11), as it stands.
    pub fn mud_url(&self) -> Option<&str> {
        self.extensions.mud_url.as_deref()
    }

    /// Who must sign the MUD file, if the certificate says so (id-pe-mudsigner, RFC 8520 section 11).
    pub fn mud_signer(&self) -> Option<&Name> {
        self.extensions.mud_signer.as_ref()
    }

    /// The MASA URL (RFC 8995 section 2.3.2), as it stands: often an authority without a scheme.
    pub fn masa_url(&self) -> Option<&str> {
        self.extensions.masa_url.as_deref()
    }

    /// Whether `key` made the certificate's signature. A path is judged by
    /// [`verify_chain`](chain::verify_chain), not by this.
    ///
    /// # Errors
    /// [`BadSignature`] if it did not, or with an algorithm that we do not know.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), BadSignature> {
        self.signed.verify(key)
    }

    /// Whether issuer and subject are the same (RFC 5280 section 3.2).
    fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl std::hash::Hash for Certificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.der.hash(state);
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} by {})", self.subject, self.issuer)
    }
}

/// The octets of the PEM block that `block` begins with.
fn pem_block(block: &str) -> Result<Vec<u8>, CertificateRefused> {
    const END: &str = "-----END CERTIFICATE-----";
    let end = block.find(END).ok_or(CertificateRefused::NotPem)?;
    let block = &block.as_bytes()[..end + END.len()];
    let (label, der) = der::pem::decode_vec(block).map_err(|_| CertificateRefused::NotPem)?;
    if label != PEM_LABEL {
        return Err(CertificateRefused::NotPem);
    }
    Ok(der)
}

/// Why a certificate could not be read. Whoever made or sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefused {
    /// More than [`CERTIFICATE_BYTES_MAX`], or more than [`CHAIN_CERTIFICATES_MAX`] of them.
    #[error(
        "the certificate is over {CERTIFICATE_BYTES_MAX} bytes, or there are over {CHAIN_CERTIFICATES_MAX}"
    )]
    TooLarge,
    /// No PEM block, more than one, or a damaged one.
    #[error("the text is not exactly one certificate in PEM")]
    NotPem,
    /// Not the DER of a certificate.
    #[error("the certificate is malformed (RFC 5280 section 4.1): {0}")]
    Malformed(#[from] der::Error),
    /// The algorithm outside is not the one inside.
    #[error("signatureAlgorithm and tbsCertificate.signature differ (RFC 5280 section 4.1.1.2)")]
    AlgorithmsDiffer,
    /// An extension that is there twice or that cannot be decoded.
    #[error("the extension {0} is malformed or there twice (RFC 5280 section 4.2)")]
    Extension(Oid),
    /// A key that we cannot use.
    #[error(transparent)]
    Key(#[from] KeyRefused),
}
