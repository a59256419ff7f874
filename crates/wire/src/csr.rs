//! Certification requests: PKCS#10, RFC 2986.
use crate::Signer;
use crate::certificate::{Name, text};
use crate::key::{BadSignature, KeyRefused, PublicKey};
use crate::limits::CSR_BYTES_MAX;
use crate::oid::{self, Oid};
use crate::signed::{self, SignFailed, Signed};
use der::asn1::{Any, SetOfVec};
use der::{Decode, Encode, Tag};
use x509_cert::attr::Attribute;
use x509_cert::ext::Extensions;
use x509_cert::request::{CertReqInfo, Version};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// A certification request that proves possession of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr {
    subject: Name,
    public_key: PublicKey,
    signature_algorithm: Oid,
    attributes: Vec<Attribute>,
    extensions: Vec<Oid>,
}

impl Csr {
    /// Reads a request in DER and checks its signature with the key inside (RFC 2986 section
    /// 4.2): whoever sent it holds the key, or has overheard who does.
    ///
    /// # Errors
    /// [`CsrRefused`]: whoever sent it is to blame.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrRefused> {
        if der.len() > CSR_BYTES_MAX {
            return Err(CsrRefused::TooLarge);
        }
        let signed = Signed::split(der)?;
        let info = CertReqInfo::from_der(&signed.content_der()?)?;
        let public_key = PublicKey::from_spki_der(&info.public_key.to_der()?)?;
        signed.verify(&public_key)?;
        Ok(Self {
            subject: Name(info.subject),
            public_key,
            signature_algorithm: signed.algorithm().oid,
            extensions: requested_extensions(info.attributes.as_slice())?,
            attributes: info.attributes.into_vec(),
        })
    }

    /// The name that the requester gives itself.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key that the certificate shall be for, and that signed the request.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The device's serial number, by the requester's own account: the subject's serialNumber
    /// attribute.
    pub fn serial_number(&self) -> Option<String> {
        self.subject.serial_number()
    }

    /// The algorithm that signed the request.
    pub fn signature_algorithm(&self) -> Oid {
        self.signature_algorithm
    }

    /// The challengePassword, with which RFC 7030 section 3.5 links a request to its TLS
    /// connection.
    pub fn challenge_password(&self) -> Option<String> {
        let attribute = self.attributes.iter().find(|it| it.oid == oid::CHALLENGE_PASSWORD)?;
        attribute.values.get(0).and_then(text)
    }

    /// Whether the request has an attribute of this type.
    pub fn has_attribute(&self, kind: Oid) -> bool {
        self.attributes.iter().any(|attribute| attribute.oid == kind)
    }

    /// The certificate extensions that the request asks for.
    pub fn requested_extensions(&self) -> &[Oid] {
        &self.extensions
    }
}

/// Makes a request in DER for the signer's own key.
///
/// # Errors
/// [`SignFailed`] when the key's place fails, or for a challenge that is empty or no UTF8String.
pub fn make(
    subject: &Name,
    challenge_password: Option<&str>,
    signer: &dyn Signer,
) -> Result<Vec<u8>, SignFailed> {
    let key = PublicKey::of(signer).map_err(|_| Tag::BitString.value_error().to_error())?;
    let mut attributes = SetOfVec::new();
    if let Some(challenge) = challenge_password {
        let value = Any::new(Tag::Utf8String, challenge.as_bytes())?;
        let values = SetOfVec::try_from([value])?;
        attributes.insert(Attribute { oid: oid::CHALLENGE_PASSWORD, values })?;
    }
    let info = CertReqInfo {
        version: Version::V1,
        subject: subject.0.clone(),
        public_key: SubjectPublicKeyInfoOwned::from_der(&key.spki_der())?,
        attributes,
    };
    signed::sign(&info.to_der()?, signer)
}

/// The extensions of all extensionRequest attributes.
fn requested_extensions(attributes: &[Attribute]) -> der::Result<Vec<Oid>> {
    let mut all = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.oid == oid::EXTENSION_REQUEST) {
        for value in attribute.values.iter() {
            let extensions: Extensions = value.decode_as()?;
            all.extend(extensions.iter().map(|extension| extension.extn_id));
        }
    }
    Ok(all)
}

/// Why a request was refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrRefused {
    /// More than [`CSR_BYTES_MAX`].
    #[error("the request is over {CSR_BYTES_MAX} bytes")]
    TooLarge,
    /// Not the DER of a request.
    #[error("the request is malformed (RFC 2986 section 4): {0}")]
    Malformed(#[from] der::Error),
    /// A key that we cannot use.
    #[error(transparent)]
    Key(#[from] KeyRefused),
    /// The signature is not by the key inside.
    #[error("the request does not prove possession of its key (RFC 2986 section 4.2)")]
    NotPossessed(#[from] BadSignature),
}
