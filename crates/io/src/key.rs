//! A private key in a file.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use der::pem::{self, LineEnding};
use wire::{Signer, SignerFailed};

use crate::files::{self, FileError, PendingFile};
use crate::limits::KEY_FILE_BYTES_MAX;

/// What PEM calls an unencrypted PKCS#8 key.
const PEM_LABEL: &str = "PRIVATE KEY";

/// A P-256 key kept as PKCS#8 in PEM, mode 0600. The only way to it is to
/// sign with it.
pub struct FileKey {
    pair: EcdsaKeyPair,
    point: [u8; 65],
}

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds something else than a P-256 key in PKCS#8 PEM. The operator put it there.
    #[error("{}: {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No key could be made. The environment is to blame.
    #[error("no key could be made: {0}")]
    NotMade(&'static str),
}

impl FileKey {
    /// Opens the key at `path`.
    ///
    /// # Errors
    /// [`KeyError::File`] (missing, readable by group or others, ...), [`KeyError::NotAKey`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let text = files::read_private(path, KEY_FILE_BYTES_MAX)?;
        Self::from_pem(&text).map_err(|reason| KeyError::NotAKey { path: path.to_owned(), reason })
    }

    /// Opens the key at `path`, or makes a new one there. Two processes that do this at once get
    /// the same key.
    ///
    /// # Errors
    /// As [`FileKey::open`], and [`KeyError::NotMade`].
    pub fn open_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::open(path) {
            Err(KeyError::File(error)) if error.is_missing() => {}
            opened => return opened,
        }
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::NotMade("the generator failed"))?;
        let text = pem::encode_string(PEM_LABEL, LineEnding::LF, pkcs8.as_ref())
            .map_err(|_| KeyError::NotMade("it could not be written as PEM"))?;
        let mut file = PendingFile::create(path, 0o600)?;
        file.write_all(text.as_bytes())?;
        file.commit_new()?;
        Self::open(path)
    }

    fn from_pem(text: &[u8]) -> Result<Self, String> {
        let (label, pkcs8) = pem::decode_vec(text).map_err(|e| format!("is no PEM file: {e}"))?;
        if label != PEM_LABEL {
            return Err(format!(
                "holds `{label}`, not `{PEM_LABEL}`; convert it with `openssl pkcs8 -topk8 -nocrypt`"
            ));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
            .map_err(|e| format!("holds no P-256 key: {e}"))?;
        let point = <[u8; 65]>::try_from(pair.public_key().as_ref())
            .map_err(|_| "its public key is no uncompressed P-256 point".to_owned())?;
        Ok(Self { pair, point })
    }
}

impl Signer for FileKey {
    fn public_point(&self) -> [u8; 65] {
        self.point
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|e| SignerFailed(e.to_string()))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKey").finish_non_exhaustive()
    }
}
