//! The bodies of Enrollment over Secure Transport, RFC 7030 as RFC 8951 clarifies it.
//!
//! Every body is DER in base64. The requests and answers of RFC 8995 itself are not: they are
//! binary (RFC 8995 section 6).
use crate::certificate::Certificate;
use crate::cms::{CmsRefused, SignedData, certificate_set};
use crate::csr::Csr;
use crate::key::Curve;
use crate::limits::{CSR_ATTRIBUTES_MAX, EST_BODY_BYTES_MAX};
use crate::oid::{self, Oid};
use base64ct::{Base64, Encoding};
use cms::content_info::CmsVersion;
use cms::revocation::RevocationInfoChoices;
use cms::signed_data::{EncapsulatedContentInfo, SignerInfos};
use der::asn1::{Any, SetOfVec};
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::attr::Attribute;

/// Media type of a CA certificates response, RFC 7030 section 4.1.3.
pub const PKCS7: &str = "application/pkcs7-mime";
/// Media type of an enrolment response, RFC 7030 section 4.2.3.
pub const PKCS7_CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";
/// Media type of an enrolment request, RFC 7030 section 4.2.1.
pub const PKCS10: &str = "application/pkcs10";
/// Media type of a CSR attributes response, RFC 7030 section 4.5.2.
pub const CSR_ATTRS: &str = "application/csrattrs";

/// Where the CA certificates are, RFC 7030 section 3.2.2.
pub const CA_CERTS_PATH: &str = "/.well-known/est/cacerts";
/// Where the CSR attributes are, RFC 7030 section 3.2.2.
pub const CSR_ATTRS_PATH: &str = "/.well-known/est/csrattrs";
/// Where a certificate is asked for, RFC 7030 section 3.2.2.
pub const SIMPLE_ENROLL_PATH: &str = "/.well-known/est/simpleenroll";
/// Where a certificate is renewed, RFC 7030 section 3.2.2.
pub const SIMPLE_REENROLL_PATH: &str = "/.well-known/est/simplereenroll";

/// A body from its DER: base64 without line breaks, which RFC 8951 section 3.1 does not require.
pub fn encode_body(der: &[u8]) -> String {
    Base64::encode_string(der)
}

/// The DER of a body. CR, LF, spaces and tabs are tolerated anywhere (RFC 8951 section 3.1).
///
/// # Errors
/// [`EstRefused::TooLarge`] or [`EstRefused::NotBase64`]: whoever sent it is to blame.
pub fn decode_body(body: &[u8]) -> Result<Vec<u8>, EstRefused> {
    if body.len() > EST_BODY_BYTES_MAX {
        return Err(EstRefused::TooLarge);
    }
    let blank = |byte: &u8| matches!(byte, b'\r' | b'\n' | b' ' | b'\t');
    let packed: Vec<u8> = body.iter().copied().filter(|byte| !blank(byte)).collect();
    let text = std::str::from_utf8(&packed).map_err(|_| EstRefused::NotBase64)?;
    Base64::decode_vec(text).map_err(|_| EstRefused::NotBase64)
}

/// A certs-only CMC Simple PKI Response (RFC 7030 section 4.1.3) in DER: a SignedData without
/// content and signers (RFC 5652 section 5.2). The order of the certificates is not kept.
pub fn certs_only(certificates: &[Certificate]) -> Vec<u8> {
    let encode = || {
        let signed_data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::default(),
            content: EncapsulatedContentInfo { econtent_type: oid::DATA, econtent: None },
            certificates: Some(certificate_set(certificates)?),
            crls: Some(RevocationInfoChoices(SetOfVec::default())),
            signer_infos: SignerInfos(SetOfVec::default()),
        };
        signed_data.encode()
    };
    encode().expect("certificates that were read can be written")
}

/// The certificates of a certs-only response in DER. Those with keys that we cannot use are left
/// out. Nobody vouches for any of them: RFC 7030 section 4.1.3 says how to judge.
///
/// # Errors
/// [`EstRefused`]: whoever sent it is to blame.
pub fn read_certs_only(der: &[u8]) -> Result<Vec<Certificate>, EstRefused> {
    let signed_data = SignedData::decode(der)?;
    let is_empty = signed_data.content.econtent.is_none() && signed_data.signer_infos.0.is_empty();
    if !is_empty || signed_data.content.econtent_type != oid::DATA {
        return Err(EstRefused::NotCertsOnly);
    }
    Ok(signed_data.certificates()?)
}

/// One thing that a server wants to see in a request: `AttrOrOID`, RFC 8951 section 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsrAttribute {
    /// An attribute that the client shall fill in, or a signature algorithm that it shall use.
    Oid(Oid),
    /// An attribute with the identifiers that it shall contain: the curve of an id-ecPublicKey,
    /// or the extensions of an extensionRequest. Values that are no identifiers are not kept.
    Attribute(Oid, Vec<Oid>),
}

/// The CSR attributes response, RFC 7030 section 4.5.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsrAttributes(pub Vec<CsrAttribute>);

impl CsrAttributes {
    /// What our authorities want: a P-256 key, and a request signed with ECDSA and SHA-256.
    pub fn p256() -> Self {
        Self(vec![
            CsrAttribute::Attribute(oid::EC_PUBLIC_KEY, vec![oid::P256]),
            CsrAttribute::Oid(oid::ECDSA_SHA256),
        ])
    }

    /// The response in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let encode = || self.0.iter().map(CsrAttribute::encode).collect::<der::Result<Vec<Any>>>()?.to_der();
        encode().expect("identifiers can be written")
    }

    /// Reads a response in DER.
    ///
    /// # Errors
    /// [`EstRefused`]: whoever sent it is to blame.
    pub fn from_der(der: &[u8]) -> Result<Self, EstRefused> {
        if der.len() > EST_BODY_BYTES_MAX {
            return Err(EstRefused::TooLarge);
        }
        let entries = Vec::<Any>::from_der(der).map_err(EstRefused::CsrAttributes)?;
        if entries.len() > CSR_ATTRIBUTES_MAX {
            return Err(EstRefused::TooLarge);
        }
        let entries = entries.iter().map(CsrAttribute::decode).collect::<der::Result<Vec<_>>>();
        entries.map(Self).map_err(EstRefused::CsrAttributes)
    }

    /// The entries that `csr` does not meet. Those that we do not recognise are ignored, as
    /// RFC 8951 section 4 asks of clients.
    pub fn unmet_by(&self, csr: &Csr) -> Vec<CsrAttribute> {
        self.0.iter().filter(|entry| !entry.is_met_by(csr)).cloned().collect()
    }
}

impl CsrAttribute {
    fn encode(&self) -> der::Result<Any> {
        match self {
            Self::Oid(oid) => Any::encode_from(oid),
            Self::Attribute(oid, values) => {
                let values = values.iter().map(Any::encode_from).collect::<der::Result<Vec<_>>>()?;
                Any::encode_from(&Attribute { oid: *oid, values: SetOfVec::try_from(values)? })
            }
        }
    }

    fn decode(entry: &Any) -> der::Result<Self> {
        if entry.tag() == Tag::ObjectIdentifier {
            return Ok(Self::Oid(entry.decode_as()?));
        }
        let attribute: Attribute = entry.decode_as()?;
        let values = attribute.values.iter().filter_map(|value| value.decode_as().ok());
        Ok(Self::Attribute(attribute.oid, values.collect()))
    }

    fn is_met_by(&self, csr: &Csr) -> bool {
        match self {
            Self::Oid(oid::CHALLENGE_PASSWORD) => csr.has_attribute(oid::CHALLENGE_PASSWORD),
            Self::Oid(algorithm @ (oid::ECDSA_SHA256 | oid::ECDSA_SHA384)) => {
                csr.signature_algorithm() == *algorithm
            }
            Self::Attribute(oid::EC_PUBLIC_KEY, curves) => curves.iter().all(|curve| {
                let named = match csr.public_key().curve() {
                    Curve::P256 => oid::P256,
                    Curve::P384 => oid::P384,
                };
                *curve == named
            }),
            Self::Attribute(oid::EXTENSION_REQUEST, extensions) => {
                extensions.iter().all(|extension| csr.requested_extensions().contains(extension))
            }
            _ => true,
        }
    }
}

/// Why a body was refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstRefused {
    /// Over one of the limits.
    #[error("the body is over {EST_BODY_BYTES_MAX} bytes or {CSR_ATTRIBUTES_MAX} attributes")]
    TooLarge,
    /// Not base64.
    #[error("the body is not base64 (RFC 8951 section 3)")]
    NotBase64,
    /// Not a SignedData, or with a malformed certificate.
    #[error(transparent)]
    Cms(#[from] CmsRefused),
    /// A SignedData with content or signers.
    #[error("the response is not certs-only (RFC 7030 section 4.1.3)")]
    NotCertsOnly,
    /// Not the DER of CSR attributes.
    #[error("the CSR attributes are malformed (RFC 8951 section 4): {0}")]
    CsrAttributes(der::Error),
}
