//! Hash functions, by name.
use aws_lc_rs::digest;

/// A hash function that signatures of our peers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256: what we sign with.
    Sha256,
    /// SHA-384: accepted from others.
    Sha384,
}

impl Hash {
    /// The digest of `bytes`: 32 or 48 octets.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// The SHA-256 digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    fixed(&digest::SHA256, bytes)
}

/// The SHA-1 digest of `bytes`: a name for a key in old formats, never a protection.
pub(crate) fn sha1_as_a_name(bytes: &[u8]) -> [u8; 20] {
    fixed(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes)
}

fn fixed<const N: usize>(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest::digest(algorithm, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_of_nothing() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&sha256(b"")), empty);
        assert_eq!(hex(&Hash::Sha256.digest(b"")), empty);
        assert_eq!(Hash::Sha384.digest(b"").len(), 48);
        assert_eq!(hex(&sha1_as_a_name(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
