//! The shape that certificates and certification requests share: content, algorithm, signature.
use crate::digest::Hash;
use crate::key::{BadSignature, PublicKey};
use crate::oid::{self, Oid};
use crate::{Signer, SignerFailed};
use der::asn1::{Any, BitString};
use der::{Decode, Encode, Sequence};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// `SEQUENCE { toBeSigned, signatureAlgorithm, signature }`: RFC 5280 section 4.1 and RFC 2986
/// section 4.2. The content keeps its octets, because the signature is over those and not over
/// what we would have written.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub(crate) struct Signed {
    content: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl Signed {
    /// Splits `der`; judges nothing.
    pub(crate) fn split(der: &[u8]) -> der::Result<Self> {
        Self::from_der(der)
    }

    /// The octets that the signature is over.
    pub(crate) fn content_der(&self) -> der::Result<Vec<u8>> {
        self.content.to_der()
    }

    /// The signature's algorithm, whole.
    pub(crate) fn algorithm(&self) -> &AlgorithmIdentifierOwned {
        &self.algorithm
    }

    /// Checks the signature with `key`.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        let hash = ecdsa_hash(&self.algorithm).ok_or(BadSignature)?;
        let content = self.content_der().map_err(|_| BadSignature)?;
        let signature = self.signature.as_bytes().ok_or(BadSignature)?;
        key.verify_with(hash, &content, signature)
    }
}

/// Signs `content` (a whole DER value) with ECDSA and SHA-256 and returns the DER of the three.
pub(crate) fn sign(content: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, SignFailed> {
    let signature = signer.sign(content)?;
    let signed = Signed {
        content: Any::from_der(content)?,
        algorithm: ecdsa_sha256(),
        signature: BitString::from_bytes(&signature)?,
    };
    Ok(signed.to_der()?)
}

/// `ecdsa-with-SHA256`, without parameters.
pub(crate) fn ecdsa_sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: oid::ECDSA_SHA256, parameters: None }
}

/// The hash of an ECDSA signature algorithm, or nothing if we do not know the algorithm.
pub(crate) fn ecdsa_hash(algorithm: &AlgorithmIdentifierOwned) -> Option<Hash> {
    let hash = match algorithm.oid {
        oid::ECDSA_SHA256 => Hash::Sha256,
        oid::ECDSA_SHA384 => Hash::Sha384,
        _ => return None,
    };
    algorithm.parameters.is_none().then_some(hash)
}

/// The hash of a digest algorithm, or nothing if we do not know the algorithm.
pub(crate) fn digest_hash(algorithm: Oid) -> Option<Hash> {
    match algorithm {
        oid::SHA256 => Some(Hash::Sha256),
        oid::SHA384 => Some(Hash::Sha384),
        _ => None,
    }
}

/// Why something could not be signed. Never a peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFailed {
    /// The place of the key did not answer.
    #[error(transparent)]
    Signer(#[from] SignerFailed),
    /// A value does not fit its ASN.1 type: we are to blame.
    #[error("the value does not fit its ASN.1 type: {0}")]
    Encoding(#[from] der::Error),
}
