//! Prefixes of addresses: `192.0.2.0/24`, `2001:db8::/32`, and an address as a prefix of its own.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// All addresses that begin with the same bits. The bits after the length are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The prefix of `length` bits that holds `address`; nothing if the address has fewer bits.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let cut = |bits: u128, width: u8| {
            let rest = width.checked_sub(length)?;
            Some(bits & u128::MAX.checked_shl(u32::from(rest)).unwrap_or(0))
        };
        let address = match address {
            IpAddr::V4(address) => {
                let bits = u32::try_from(cut(u32::from(address).into(), 32)?).ok()?;
                IpAddr::V4(Ipv4Addr::from(bits))
            }
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(cut(address.into(), 128)?)),
        };
        Some(Self { address, length })
    }

    /// The first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits are fixed.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Of which family the addresses are.
    pub const fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Whether the address begins with the prefix.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.family() == Family::of(address)
            && Self::new(address, self.length).is_some_and(|prefix| prefix.address == self.address)
    }

    /// Whether every address of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.holds(other.address)
    }
}

/// The same addresses by as few of the prefixes as do: in order, none inside of another.
pub fn merged(prefixes: impl IntoIterator<Item = Prefix>) -> Vec<Prefix> {
    let mut all: Vec<Prefix> = prefixes.into_iter().collect();
    all.sort_unstable();
    let mut kept: Vec<Prefix> = Vec::with_capacity(all.len());
    for prefix in all {
        // In order, whatever covers a prefix comes before it.
        if !kept.last().is_some_and(|last| last.covers(&prefix)) {
            kept.push(prefix);
        }
    }
    kept
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        let length = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, length }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A text that is no prefix. Whoever wrote it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address prefix, as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NotAPrefix;

impl FromStr for Prefix {
    type Err = NotAPrefix;

    /// Reads an address, a slash and a length. An address alone is no prefix.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, length) = text.split_once('/').ok_or(NotAPrefix)?;
        let plain = length.len() <= 3 && length.bytes().all(|byte| byte.is_ascii_digit());
        let length = if plain { length.parse().ok() } else { None };
        Self::new(address.parse().map_err(|_| NotAPrefix)?, length.ok_or(NotAPrefix)?).ok_or(NotAPrefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let read = text.parse::<Prefix>().ok().map(|prefix| prefix.to_string());
        assert_eq!(read.as_deref(), expect, "{text}");
    }

    #[test]
    fn texts() {
        check("192.0.2.77/24", Some("192.0.2.0/24"));
        check("192.0.2.77/32", Some("192.0.2.77/32"));
        check("0.0.0.0/0", Some("0.0.0.0/0"));
        check("255.255.255.255/0", Some("0.0.0.0/0"));
        check("2001:db8:1::5/32", Some("2001:db8::/32"));
        check("::/0", Some("::/0"));
        check("ffff::1/128", Some("ffff::1/128"));
        for refused in ["192.0.2.1", "192.0.2.1/33", "::1/129", "1/2", "/8", "10.0.0.0/", "10.0.0.0/+8"] {
            check(refused, None);
        }
    }

    #[test]
    fn what_is_inside() {
        let holds =
            |prefix: &str, address: &str| prefix.parse::<Prefix>().unwrap().holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(!holds("::/0", "10.0.0.1"));
        let covers =
            |outer: &str, inner: &str| outer.parse::<Prefix>().unwrap().covers(&inner.parse().unwrap());
        assert!(covers("10.0.0.0/8", "10.1.0.0/16"));
        assert!(covers("10.0.0.0/8", "10.0.0.0/8"));
        assert!(!covers("10.1.0.0/16", "10.0.0.0/8"));
        assert!(!covers("0.0.0.0/0", "::/0"));
    }
}
