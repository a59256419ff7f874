//! The one way to a private key.

/// A private key that can sign and never leaves its place (a file, later PKCS#11 or a TPM).
///
/// ECDSA on P-256 with SHA-256 is the one algorithm so far: what 802.1AR, RFC 8995 and
/// draft-ietf-suit-mti have in common.
pub trait Signer: Send + Sync {
    /// The public key as an uncompressed point (65 bytes: `04 || x || y`), RFC 5480 section 2.2.
    fn public_point(&self) -> [u8; 65];

    /// Signs `message` (hashing it with SHA-256) and returns the DER `Ecdsa-Sig-Value`,
    /// RFC 3279 section 2.2.3.
    ///
    /// # Errors
    /// [`SignerFailed`] when the place that holds the key does not answer.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed>;
}

/// The place that holds a key could not sign. The environment is to blame, not the asker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key could not be used: {0}")]
pub struct SignerFailed(pub String);
