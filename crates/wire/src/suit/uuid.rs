//! The names of vendors and classes.
use crate::digest::sha1_as_a_name;

/// A UUID (RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// The namespace of domain names, draft-ietf-suit-manifest-37 section "Constructing UUIDs".
const DNS: Uuid =
    Uuid([0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8]);

impl Uuid {
    /// The vendor ID of a domain: `UUID5(DNS, domain)`.
    pub fn of_vendor(domain: &str) -> Self {
        DNS.name(domain.as_bytes())
    }

    /// The class ID of something that this vendor makes: `UUID5(vendor ID, information)`.
    pub fn of_class(self, information: &str) -> Self {
        self.name(information.as_bytes())
    }

    /// A UUID of version 5: SHA-1 over namespace and name.
    fn name(self, name: &[u8]) -> Self {
        let digest = sha1_as_a_name(&[&self.0, name].concat());
        let mut octets = [0; 16];
        octets.copy_from_slice(&digest[..16]);
        octets[6] = octets[6] & 0x0f | 0x50;
        octets[8] = octets[8] & 0x3f | 0x80;
        Self(octets)
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{octet:02x}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the draft's examples.
    #[test]
    fn names_of_the_examples() {
        let vendor = Uuid::of_vendor("arm.com");
        assert_eq!(vendor.to_string(), "fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe");
        assert_eq!(vendor.of_class("suit").to_string(), "1492af14-2569-5e48-bf42-9b2d51f2ab45");
    }
}
