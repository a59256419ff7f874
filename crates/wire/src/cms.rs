//! CMS SignedData (RFC 5652 section 5) with exactly one signer and signed attributes.
//!
//! What we write is DER with ECDSA and SHA-256. What we read is DER too, from P-256 and P-384
//! with SHA-256 and SHA-384. Whether the signer may be believed is for the caller to judge, with
//! [`verify_chain`](crate::certificate::chain::verify_chain).
use crate::certificate::{CertificateRefused, from_asn1, to_asn1};
use crate::digest::{Hash, sha256};
use crate::key::{BadSignature, KeyRefused, PublicKey};
use crate::limits::{CHAIN_CERTIFICATES_MAX, CMS_BYTES_MAX, CMS_DETACHED_CONTENT_BYTES_MAX};
use crate::oid::{self, Oid};
use crate::signed::{SignFailed, digest_hash, ecdsa_hash, ecdsa_sha256};
use crate::{Certificate, Signer};
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::revocation::RevocationInfoChoices;
use cms::signed_data::{EncapsulatedContentInfo, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{Any, OctetString, SetOfVec};
use der::{Decode, Encode, Sequence, Tag, Tagged};
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

/// A signed message whose signature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The octets that were signed.
    pub content: Vec<u8>,
    /// What the signer says that they are.
    pub content_type: Oid,
    /// Whose key signed. Nothing is said about who vouches for it.
    pub signer: Certificate,
    /// All certificates that came along with keys that we can use, the signer's too if it did.
    pub certificates: Vec<Certificate>,
    /// When the signer says that it signed, in Unix milliseconds.
    pub signing_time: Option<i64>,
}

/// `SignedData`, RFC 5652 section 5.1. Certificates are left as they came: their signatures are
/// over those octets.
#[derive(Sequence)]
pub(crate) struct SignedData {
    pub(crate) version: CmsVersion,
    pub(crate) digest_algorithms: SetOfVec<AlgorithmIdentifierOwned>,
    pub(crate) content: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    pub(crate) certificates: Option<SetOfVec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true", optional = "true")]
    pub(crate) crls: Option<RevocationInfoChoices>,
    pub(crate) signer_infos: SignerInfos,
}

impl SignedData {
    pub(crate) fn encode(&self) -> der::Result<Vec<u8>> {
        ContentInfo { content_type: oid::SIGNED_DATA, content: Any::encode_from(self)? }.to_der()
    }

    pub(crate) fn decode(der: &[u8]) -> Result<Self, CmsRefused> {
        if der.len() > CMS_BYTES_MAX {
            return Err(CmsRefused::TooLarge);
        }
        let outer = ContentInfo::from_der(der)?;
        if outer.content_type != oid::SIGNED_DATA {
            return Err(CmsRefused::NotSignedData(outer.content_type));
        }
        Ok(outer.content.decode_as()?)
    }

    /// The certificates that came along. One whose key we cannot use could take part in no path
    /// of ours and is left out; a malformed one refuses the message.
    pub(crate) fn certificates(&self) -> Result<Vec<Certificate>, CmsRefused> {
        let all = self.certificates.as_ref().map_or(&[][..], SetOfVec::as_slice);
        if all.len() > CHAIN_CERTIFICATES_MAX {
            return Err(CmsRefused::TooLarge);
        }
        let mut usable = Vec::with_capacity(all.len());
        for certificate in all {
            match Certificate::from_der(&certificate.to_der()?) {
                Ok(certificate) => usable.push(certificate),
                Err(CertificateRefused::Key(KeyRefused::UnsupportedAlgorithm(_))) => {}
                Err(error) => return Err(CmsRefused::Certificate(error)),
            }
        }
        Ok(usable)
    }
}

/// Certificates as a `CertificateSet`, each once.
pub(crate) fn certificate_set<'a>(
    certificates: impl IntoIterator<Item = &'a Certificate>,
) -> der::Result<SetOfVec<Any>> {
    let mut set: Vec<&Certificate> = Vec::new();
    for certificate in certificates {
        if !set.contains(&certificate) {
            set.push(certificate);
        }
    }
    SetOfVec::try_from(set.into_iter().map(|it| Any::from_der(it.der())).collect::<Result<Vec<_>, _>>()?)
}

/// Signs `content` and returns the ContentInfo in DER.
///
/// The message carries `signer_certificate` and the certificates of `chain`, no others: RFC 8995
/// section 5.5 lets a registrar choose by them what may be pinned. `signing_time` is in Unix
/// milliseconds and written in whole seconds. A `detached` message leaves the content out.
///
/// # Errors
/// [`SignFailed`] when the key's place fails, or for a time outside of the years 1970 to 9999.
pub fn sign(
    content_type: Oid,
    content: &[u8],
    signer_certificate: &Certificate,
    chain: &[Certificate],
    signer: &dyn Signer,
    signing_time: Option<i64>,
    detached: bool,
) -> Result<Vec<u8>, SignFailed> {
    let sha256_algorithm = AlgorithmIdentifierOwned { oid: oid::SHA256, parameters: None };
    let attributes = signed_attributes(content_type, content, signing_time)?;
    let signature = signer.sign(&attributes.to_der()?)?;
    let signer_info = SignerInfo {
        // RFC 5652 section 5.3: 1 with issuerAndSerialNumber.
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: signer_certificate.issuer().0.clone(),
            serial_number: signer_certificate.serial_integer().clone(),
        }),
        digest_alg: sha256_algorithm.clone(),
        signed_attrs: Some(attributes),
        signature_algorithm: ecdsa_sha256(),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let content = if detached { None } else { Some(Any::new(Tag::OctetString, content)?) };
    let signed_data = SignedData {
        // RFC 5652 section 5.1: 3 for any other content type than id-data.
        version: if content_type == oid::DATA { CmsVersion::V1 } else { CmsVersion::V3 },
        digest_algorithms: SetOfVec::try_from([sha256_algorithm])?,
        content: EncapsulatedContentInfo { econtent_type: content_type, econtent: content },
        certificates: Some(certificate_set([signer_certificate].into_iter().chain(chain))?),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from([signer_info])?),
    };
    Ok(signed_data.encode()?)
}

/// RFC 5652 section 5.3: contentType and messageDigest, and the time if there is one.
fn signed_attributes(
    content_type: Oid,
    content: &[u8],
    signing_time: Option<i64>,
) -> Result<Attributes, SignFailed> {
    let attribute = |oid, value| Ok(Attribute { oid, values: SetOfVec::try_from([value])? });
    let mut all: Vec<der::Result<Attribute>> = vec![
        attribute(oid::CONTENT_TYPE, Any::encode_from(&content_type)?),
        attribute(oid::MESSAGE_DIGEST, Any::new(Tag::OctetString, sha256(content))?),
    ];
    if let Some(millis) = signing_time {
        let time = to_asn1(millis).ok_or(der::ErrorKind::DateTime.to_error())?;
        all.push(attribute(oid::SIGNING_TIME, Any::encode_from(&time)?));
    }
    Ok(SetOfVec::try_from(all.into_iter().collect::<der::Result<Vec<_>>>()?)?)
}

/// Verifies a ContentInfo in DER.
///
/// The signer's certificate is looked for in the message and in `extra`. For a detached
/// signature, `detached_content` is what it should be over.
///
/// # Errors
/// [`CmsRefused`]: whoever sent the message is to blame.
pub fn verify(
    der: &[u8],
    detached_content: Option<&[u8]>,
    extra: &[Certificate],
) -> Result<Verified, CmsRefused> {
    let signed_data = SignedData::decode(der)?;
    let content = content(&signed_data.content, detached_content)?;
    let content_type = signed_data.content.econtent_type;
    let certificates = signed_data.certificates()?;
    let [signer_info] = signed_data.signer_infos.0.as_slice() else {
        return Err(CmsRefused::NotOneSigner);
    };
    let attributes = signer_info.signed_attrs.as_ref().ok_or(CmsRefused::NoSignedAttributes)?;
    let hash = digest_hash(signer_info.digest_alg.oid).ok_or(CmsRefused::Algorithm)?;
    check_attributes(attributes, content_type, &content, hash)?;
    let signing_time = signing_time(attributes)?;
    if ecdsa_hash(&signer_info.signature_algorithm) != Some(hash) {
        return Err(CmsRefused::Algorithm);
    }
    // RFC 5652 section 5.4: the signature is over the DER of the SET OF, not over the [0].
    let signed = attributes.to_der()?;
    let check = |key: &PublicKey| key.verify_with(hash, &signed, signer_info.signature.as_bytes());
    let signer = find_signer(&signer_info.sid, certificates.iter().chain(extra), check)?;
    Ok(Verified { content, content_type, signer, certificates, signing_time })
}

/// The certificate that `sid` means and whose key made the signature. More than one may bear the
/// same identifier; the key decides.
fn find_signer<'a>(
    sid: &SignerIdentifier,
    certificates: impl Iterator<Item = &'a Certificate>,
    check: impl Fn(&PublicKey) -> Result<(), BadSignature>,
) -> Result<Certificate, CmsRefused> {
    let mut refused = CmsRefused::NoSignerCertificate;
    for certificate in certificates.filter(|certificate| is_meant(sid, certificate)) {
        match check(certificate.public_key()) {
            Ok(()) => return Ok(certificate.clone()),
            Err(BadSignature) => refused = CmsRefused::BadSignature,
        }
    }
    Err(refused)
}

/// RFC 5652 section 5.3: by issuer and serial number, or by subjectKeyIdentifier.
fn is_meant(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(it) => {
            it.issuer == certificate.issuer().0 && it.serial_number == *certificate.serial_integer()
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => certificate.subject_key_id() == Some(id.0.as_bytes()),
    }
}

fn content(inside: &EncapsulatedContentInfo, detached: Option<&[u8]>) -> Result<Vec<u8>, CmsRefused> {
    match (&inside.econtent, detached) {
        (Some(content), None) if content.tag() == Tag::OctetString => Ok(content.value().to_vec()),
        (Some(_), None) => Err(CmsRefused::NotOctets),
        (None, Some(content)) if content.len() <= CMS_DETACHED_CONTENT_BYTES_MAX => Ok(content.to_vec()),
        (None, Some(_)) => Err(CmsRefused::TooLarge),
        (None, None) => Err(CmsRefused::ContentMissing),
        (Some(_), Some(_)) => Err(CmsRefused::NotDetached),
    }
}

/// RFC 5652 sections 5.3 and 5.6: both attributes, each with the one value that it must have.
fn check_attributes(
    attributes: &Attributes,
    content_type: Oid,
    content: &[u8],
    hash: Hash,
) -> Result<(), CmsRefused> {
    let stated: Oid = the_value(attributes, oid::CONTENT_TYPE)?.decode_as()?;
    if stated != content_type {
        return Err(CmsRefused::ContentTypeDiffers);
    }
    let stated: OctetString = the_value(attributes, oid::MESSAGE_DIGEST)?.decode_as()?;
    if stated.as_bytes() != hash.digest(content) {
        return Err(CmsRefused::DigestDiffers);
    }
    Ok(())
}

fn signing_time(attributes: &Attributes) -> Result<Option<i64>, CmsRefused> {
    if !attributes.iter().any(|attribute| attribute.oid == oid::SIGNING_TIME) {
        return Ok(None);
    }
    let time: Time = the_value(attributes, oid::SIGNING_TIME)?.decode_as()?;
    Ok(Some(from_asn1(&time)))
}

/// The only value of the only attribute of this type.
fn the_value(attributes: &Attributes, kind: Oid) -> Result<&Any, CmsRefused> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == kind);
    match (found.next(), found.next()) {
        (Some(attribute), None) if attribute.values.len() == 1 => {
            attribute.values.get(0).ok_or(CmsRefused::Attribute(kind))
        }
        _ => Err(CmsRefused::Attribute(kind)),
    }
}

/// Why a signed message was refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmsRefused {
    /// Over one of the limits.
    #[error(
        "the message is over {CMS_BYTES_MAX} bytes, {CMS_DETACHED_CONTENT_BYTES_MAX} detached ones, \
         or {CHAIN_CERTIFICATES_MAX} certificates"
    )]
    TooLarge,
    /// Not the DER of the structure.
    #[error("the message is malformed (RFC 5652 section 5.1): {0}")]
    Malformed(#[from] der::Error),
    /// Another content than SignedData.
    #[error("the message is {0} and not SignedData (RFC 5652 section 5.1)")]
    NotSignedData(Oid),
    /// The content is there and is no OCTET STRING.
    #[error("the content is not an OCTET STRING (RFC 5652 section 5.2)")]
    NotOctets,
    /// The signature is detached and no content was given.
    #[error("the message has no content (RFC 5652 section 5.2)")]
    ContentMissing,
    /// A detached signature was wanted and the message has content of its own.
    #[error("the message has content of its own and is not a detached signature (RFC 5652 section 5.2)")]
    NotDetached,
    /// No signer, or several.
    #[error("the message does not have exactly one signer (RFC 5652 section 5.1)")]
    NotOneSigner,
    /// The signer signed no attributes.
    #[error("the message has no signed attributes (RFC 5652 section 5.3)")]
    NoSignedAttributes,
    /// An attribute is missing, there twice, or has another number of values than one.
    #[error("the signed attribute {0} is not there exactly once with one value (RFC 5652 section 5.3)")]
    Attribute(Oid),
    /// The contentType attribute is not the content's type.
    #[error("the contentType attribute differs from the content's type (RFC 5652 section 5.3)")]
    ContentTypeDiffers,
    /// The messageDigest attribute is not the content's digest.
    #[error("the messageDigest attribute differs from the content's digest (RFC 5652 section 5.6)")]
    DigestDiffers,
    /// An algorithm that we do not know, or two that do not belong together.
    #[error("the signature is not ECDSA with SHA-256 or SHA-384 for digest and signature alike")]
    Algorithm,
    /// No certificate is the one that the signer names.
    #[error("the signer's certificate is not there (RFC 5652 section 5.3)")]
    NoSignerCertificate,
    /// A certificate that came along is malformed.
    #[error(transparent)]
    Certificate(CertificateRefused),
    /// The signature is not by the signer's key.
    #[error("the signature does not verify with the signer's key (RFC 5652 section 5.6)")]
    BadSignature,
}
