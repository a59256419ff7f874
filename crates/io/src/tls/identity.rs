//! A certificate chain whose key is a [`wire::Signer`].

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey, public_key_to_spki};
use rustls::{Error, OtherError, SignatureAlgorithm, SignatureScheme};
use wire::Signer;

use super::TlsConfigError;

/// What one end shows and proves in a handshake: its certificate chain, its own certificate first
/// (RFC 8446 section 4.4.2), and the key of that certificate.
#[derive(Clone)]
pub struct Identity {
    /// Certificates in DER.
    pub chain: Vec<Vec<u8>>,
    /// Signs the handshakes; the key never leaves it. It is called on the connection's task, so a
    /// slow one (a TPM) holds up that thread of the runtime.
    pub signer: Arc<dyn Signer>,
}

impl Identity {
    /// The resolver that rustls asks, after a check that certificate and key belong together.
    pub(super) fn resolver(&self) -> Result<Arc<SingleCertAndKey>, TlsConfigError> {
        if self.chain.is_empty() {
            return Err(TlsConfigError::NoCertificate);
        }
        let chain = self.chain.iter().cloned().map(CertificateDer::from);
        let key = Arc::new(SignerKey(self.signer.clone()));
        let certified = CertifiedKey::new(chain.collect(), key);
        certified.keys_match().map_err(TlsConfigError::NotItsKey)?;
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A [`Signer`] as rustls sees a private key.
struct SignerKey(Arc<dyn Signer>);

impl SigningKey for SignerKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(Self(self.0.clone())) as Box<dyn rustls::sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key_to_spki(&alg_id::ECDSA_P256, self.0.public_point()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl rustls::sign::Signer for SignerKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.sign(message).map_err(|failed| Error::Other(OtherError(Arc::new(failed))))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey").finish_non_exhaustive()
    }
}
