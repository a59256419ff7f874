//! `SUIT_Digest`.
use crate::cbor::{CborRefused, Reader, write};
use crate::digest::sha256;

/// SHA-256 in the COSE Algorithms registry, the one that every processor must have.
const SHA256: i64 = -16;

/// A digest and its algorithm, draft-ietf-suit-manifest-37 section "SUIT Digest Container".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// In the COSE Algorithms registry.
    pub algorithm: i64,
    /// As long as the algorithm makes it.
    pub bytes: Vec<u8>,
}

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self::from_sha256(sha256(content))
    }

    /// A SHA-256 digest that was computed before.
    pub fn from_sha256(digest: [u8; 32]) -> Self {
        Self { algorithm: SHA256, bytes: digest.to_vec() }
    }

    /// The digest, if it is SHA-256.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        if self.algorithm == SHA256 { self.bytes.as_slice().try_into().ok() } else { None }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborRefused> {
        let at = reader.position();
        // Parameters may follow; no algorithm that we know has any.
        if reader.array()? != 2 {
            return Err(CborRefused::Unexpected(at, "a SUIT_Digest of algorithm and bytes".into()));
        }
        Ok(Self { algorithm: reader.int()?, bytes: reader.bytes()?.to_vec() })
    }

    pub(super) fn from_cbor(bytes: &[u8]) -> Result<Self, CborRefused> {
        Self::read(&mut Reader::new(bytes)?)
    }

    pub(super) fn to_cbor(&self) -> Vec<u8> {
        write(|out| out.array(2)?.i64(self.algorithm)?.bytes(&self.bytes)?.ok())
    }
}
