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

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`hex`] made of a digest of 32 bytes; nothing for any other text.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_back() {
        let check = |text: &str, good: bool| assert_eq!(from_hex(text).is_some(), good, "{text}");
        let digits = hex(&sha256(b""));
        assert_eq!(from_hex(&digits), Some(sha256(b"")));
        check(&digits, true);
        check(&digits.to_uppercase(), false);
        check(&digits[1..], false);
        check(&digits[2..], false);
        check(&format!("{digits}00"), false);
        check(&digits.replace('e', "g"), false);
        check(&"é".repeat(32), false);
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
