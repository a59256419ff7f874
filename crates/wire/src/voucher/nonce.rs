//! The nonce of a voucher.
use crate::limits::{NONCE_BYTES_MAX, NONCE_BYTES_MIN};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};

/// A nonce: 8 to 32 octets (RFC 8366 section 5.3), and the text that they came in.
///
/// The text is kept because RFC 8995 section 5.8.1 hands it on as a string, and because pledges
/// exist that write the alphabet of base64url (RFC 8995 appendix C.2) and compare text. Two nonces
/// are equal when their octets are.
#[derive(Clone, Debug)]
pub struct Nonce {
    text: String,
    octets: Vec<u8>,
}

impl Nonce {
    /// A nonce of fresh random octets, as base64. Nothing if there are too few or too many.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        Self::checked(Base64::encode_string(octets), octets.to_vec())
    }

    /// A nonce that was received: base64, or base64url without padding.
    pub fn from_text(text: &str) -> Option<Self> {
        let octets = Base64::decode_vec(text).or_else(|_| Base64UrlUnpadded::decode_vec(text)).ok()?;
        Self::checked(text.to_owned(), octets)
    }

    fn checked(text: String, octets: Vec<u8>) -> Option<Self> {
        (NONCE_BYTES_MIN..=NONCE_BYTES_MAX).contains(&octets.len()).then_some(Self { text, octets })
    }

    /// The text, as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl PartialEq for Nonce {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl Eq for Nonce {}

impl std::hash::Hash for Nonce {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.octets.hash(state);
    }
}
