//! Public keys on the NIST curves, and the check of an ECDSA signature.
use crate::digest::{Hash, sha256};
use crate::{Signer, oid};
use aws_lc_rs::signature::{self as ecdsa, EcdsaVerificationAlgorithm, ParsedPublicKey, UnparsedPublicKey};
use der::Decode;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// The curve that a public key lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// P-256: the curve of every key that we make.
    P256,
    /// P-384: read and verified, because other people's authorities use it.
    P384,
}

impl Curve {
    /// Octets of an uncompressed point: a form octet and two coordinates.
    const fn point_bytes(self) -> usize {
        match self {
            Self::P256 => 65,
            Self::P384 => 97,
        }
    }

    /// The DER of a SubjectPublicKeyInfo up to the point: two SEQUENCE headers, id-ecPublicKey,
    /// the curve, and the header of the BIT STRING.
    const fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::P256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
                0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ],
            Self::P384 => &[
                0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
                0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
            ],
        }
    }

    fn verification(self, hash: Hash) -> &'static EcdsaVerificationAlgorithm {
        match (self, hash) {
            (Self::P256, Hash::Sha256) => &ecdsa::ECDSA_P256_SHA256_ASN1,
            (Self::P256, Hash::Sha384) => &ecdsa::ECDSA_P256_SHA384_ASN1,
            (Self::P384, Hash::Sha256) => &ecdsa::ECDSA_P384_SHA256_ASN1,
            (Self::P384, Hash::Sha384) => &ecdsa::ECDSA_P384_SHA384_ASN1,
        }
    }
}

/// A public key: a point that was checked to lie on its curve.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    curve: Curve,
    point: Vec<u8>,
}

impl PublicKey {
    /// The public half of a signer's key.
    ///
    /// # Errors
    /// [`KeyRefused::NotOnCurve`] when the signer does not tell a point of P-256: its maker is
    /// to blame.
    pub fn of(signer: &dyn Signer) -> Result<Self, KeyRefused> {
        Self::from_point(Curve::P256, &signer.public_point())
    }

    /// A key from its uncompressed point (`04 || x || y`).
    ///
    /// # Errors
    /// [`KeyRefused::NotOnCurve`] for any other form, or a point beside the curve.
    pub fn from_point(curve: Curve, point: &[u8]) -> Result<Self, KeyRefused> {
        if point.len() != curve.point_bytes() || point[0] != 4 {
            return Err(KeyRefused::NotOnCurve);
        }
        ParsedPublicKey::new(curve.verification(Hash::Sha256), point).map_err(|_| KeyRefused::NotOnCurve)?;
        Ok(Self { curve, point: point.to_vec() })
    }

    /// A key from its SubjectPublicKeyInfo (RFC 5280 section 4.1) in DER.
    ///
    /// # Errors
    /// [`KeyRefused`]: whoever sent it is to blame.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyRefused> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyRefused::Malformed)?;
        if spki.algorithm.oid != oid::EC_PUBLIC_KEY {
            return Err(KeyRefused::UnsupportedAlgorithm(spki.algorithm.oid));
        }
        let named = spki.algorithm.parameters_oid().map_err(|_| KeyRefused::Malformed)?;
        let curve = match named {
            oid::P256 => Curve::P256,
            oid::P384 => Curve::P384,
            other => return Err(KeyRefused::UnsupportedAlgorithm(other)),
        };
        let point = spki.subject_public_key.as_bytes().ok_or(KeyRefused::Malformed)?;
        Self::from_point(curve, point)
    }

    /// The SubjectPublicKeyInfo (RFC 5280 section 4.1) in DER.
    pub fn spki_der(&self) -> Vec<u8> {
        [self.curve.spki_prefix(), &self.point].concat()
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed point (`04 || x || y`).
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Checks an ECDSA signature (DER `Ecdsa-Sig-Value`) over `message` with SHA-256.
    ///
    /// # Errors
    /// [`BadSignature`] for anything else than a good signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify_with(Hash::Sha256, message, signature)
    }

    /// Checks an ECDSA signature (DER `Ecdsa-Sig-Value`) over `message` with the hash that its
    /// algorithm names. P-384 keys that sign with SHA-256 exist (RFC 8995 appendix C).
    ///
    /// # Errors
    /// [`BadSignature`] for anything else than a good signature.
    pub fn verify_with(&self, hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(self.curve.verification(hash), &self.point)
            .verify(message, signature)
            .map_err(|_| BadSignature)
    }

    /// Checks an ECDSA signature on P-256 with SHA-256, given as two numbers of 32 octets each
    /// (RFC 9053).
    ///
    /// # Errors
    /// [`BadSignature`] for anything else than a good signature, and for a key on another curve.
    pub fn verify_fixed(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        match self.curve {
            Curve::P256 => UnparsedPublicKey::new(&ecdsa::ECDSA_P256_SHA256_FIXED, &self.point)
                .verify(message, signature)
                .map_err(|_| BadSignature),
            Curve::P384 => Err(BadSignature),
        }
    }

    /// The identifier that our certificates bear for this key: the leftmost 160 bits of the
    /// SHA-256 of the point.
    ///
    /// RFC 5280 section 4.2.1.2 allows a method like its first one with another hash, and a
    /// domainID (RFC 8995 section 11.2) must resist second-preimage attacks.
    pub fn key_id(&self) -> [u8; 20] {
        let mut id = [0; 20];
        id.copy_from_slice(&sha256(&self.point)[..20]);
        id
    }

    /// The SHA-256 of the SubjectPublicKeyInfo in DER: the SPKI fingerprint that RFC 8995
    /// sections 5.5.5 and 5.8.2 compare.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.spki_der())
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({:?} ", self.curve)?;
        self.key_id().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A public key that we cannot use. Whoever made or sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Not a SubjectPublicKeyInfo of an elliptic curve with a named curve.
    #[error("the public key is not a SubjectPublicKeyInfo (RFC 5280 section 4.1)")]
    Malformed,
    /// An algorithm or curve other than ECDSA on P-256 and P-384.
    #[error("the public key's algorithm or curve {0} is not supported; ECDSA on P-256 or P-384 is")]
    UnsupportedAlgorithm(oid::Oid),
    /// Not an uncompressed point, or one that is not on the curve.
    #[error("the public key is not an uncompressed point on its curve")]
    NotOnCurve,
}

/// The signature is not one by this key over this message. Whoever sent it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify with this key")]
pub struct BadSignature;
