//! Short texts that carry their rule in their type, so that nothing behind the face checks again.
use crate::limits::{
    ADDRESSES_BYTES_MAX, CLASS_BYTES_MAX, CURSOR_BYTES_MAX, DATE_TIME_BYTES_MAX, DIGEST_CHARS_MAX,
    HEX_BYTES_MAX, HOSTS_BYTES_MAX, LABEL_BYTES_MAX, NAMES_BYTES_MAX, ROLLOUT_WAVES_MAX, SLUG_BYTES_MAX,
    WAVES_BYTES_MAX,
};
use crate::time::Millis;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use wire::Certificate;
use wire::certificate::NO_END;
use wire::limits::PLAN_ADDRESSES_MAX;
use wire::packet::Mac;
use wire::prefix::Prefix;

/// Makes a newtype over `String` with a rule, a length and a JSON Schema.
macro_rules! text {
    ($(#[$outer:meta])* $name:ident, $bytes_max:expr, $pattern:literal, $rule:expr) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                let rule: fn(&str) -> bool = $rule;
                if text.is_empty() || text.len() > $bytes_max || !rule(&text) {
                    return Err(format!("write 1 to {} bytes that match {}", $bytes_max, $pattern));
                }
                Ok($name(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                text.to_string().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "minLength": 1, "maxLength": $bytes_max, "pattern": $pattern,
                })
            }
        }
    };
}

text! {
    /// An organisation, a site, an account: lower-case letters, digits and inner hyphens.
    Slug, SLUG_BYTES_MAX, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    |text| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-') && !text.ends_with('-')
}

impl Slug {
    /// `main`: the organisation and the site of whoever has one.
    pub fn main() -> Self {
        Slug("main".into())
    }
}

text! {
    /// A name, a model, a serial number: one line without control characters and without blanks
    /// at its ends.
    Label, LABEL_BYTES_MAX, r"^[^\p{Cc}\s]([^\p{Cc}]*[^\p{Cc}\s])?$",
    |text| !text.chars().any(char::is_control) && text.trim() == text
}

text! {
    /// A SHA-256 in lower-case hexadecimal digits.
    Digest, DIGEST_CHARS_MAX, "^[0-9a-f]{64}$",
    |text| text.len() == DIGEST_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

text! {
    /// A class of hosts (RFC 8520 section 4.6): a URI, or another word without blanks.
    Class, CLASS_BYTES_MAX, "^[!-~]+$", |text| text.bytes().all(|b| b.is_ascii_graphic())
}

text! {
    /// An address, or a prefix of addresses.
    Hosts, HOSTS_BYTES_MAX, "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$", |text| prefix(text).is_some()
}

impl Hosts {
    /// The prefix; an address is one of its own.
    pub fn prefix(&self) -> Prefix {
        // The rule of this type says that there is one.
        prefix(&self.0).unwrap_or(Prefix::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

fn prefix(text: &str) -> Option<Prefix> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Prefix::from))
}

text! {
    /// Addresses, with commas between them, each once.
    Addresses, ADDRESSES_BYTES_MAX, "^[0-9a-fA-F.:]+(,[0-9a-fA-F.:]+)*$", |text| list::<IpAddr>(text).is_some()
}

impl Addresses {
    /// The addresses.
    pub fn items(&self) -> Vec<IpAddr> {
        list(&self.0).unwrap_or_default()
    }
}

text! {
    /// Ethernet addresses, with commas between them, each once.
    Macs, ADDRESSES_BYTES_MAX, "^[0-9a-fA-F:]{17}(,[0-9a-fA-F:]{17})*$", |text| list::<Mac>(text).is_some()
}

impl Macs {
    /// The addresses.
    pub fn items(&self) -> Vec<Mac> {
        list(&self.0).unwrap_or_default()
    }
}

/// The parts between commas, each once and no more than a plan takes.
fn list<T: FromStr + Ord>(text: &str) -> Option<Vec<T>> {
    let items: Vec<T> = text.split(',').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let once: BTreeSet<&T> = items.iter().collect();
    (once.len() == items.len() && items.len() <= PLAN_ADDRESSES_MAX).then_some(items)
}

text! {
    /// Names, with commas between them.
    Names, NAMES_BYTES_MAX, r"^[^\p{Cc},]+(,[^\p{Cc},]+)*$",
    |text| text.split(',').all(|name| name.parse::<Label>().is_ok())
}

impl Names {
    /// The names.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }
}

text! {
    /// A time of RFC 3339.
    DateTime, DATE_TIME_BYTES_MAX, "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    |text| wire::date_time::parse(text).is_some()
}

impl DateTime {
    /// The moment.
    pub fn millis(&self) -> Millis {
        // The rule of this type says that there is one.
        Millis(wire::date_time::parse(&self.0).unwrap_or_default())
    }
}

text! {
    /// The sizes of waves, with commas between them; the last one may be `rest`.
    Waves, WAVES_BYTES_MAX, "^(([1-9][0-9]{0,3},)*[1-9][0-9]{0,3}|([1-9][0-9]{0,3},)*rest)$",
    |text| sizes(text).is_some()
}

impl Waves {
    /// `1,5,rest`.
    pub fn usual() -> Self {
        Waves("1,5,rest".into())
    }

    /// How many devices each wave has at most.
    pub fn sizes(&self) -> Vec<usize> {
        sizes(&self.0).unwrap_or_default()
    }
}

fn sizes(text: &str) -> Option<Vec<usize>> {
    let mut counts: Vec<&str> = text.split(',').collect();
    let rest = counts.pop_if(|last| *last == "rest");
    let count = |text: &str| match text.parse::<usize>() {
        Ok(count @ 1..=9_999) if !text.starts_with(['0', '+']) => Some(count),
        _ => None,
    };
    let mut sizes: Vec<usize> = counts.into_iter().map(count).collect::<Option<_>>()?;
    sizes.extend(rest.map(|_| usize::MAX));
    (sizes.len() <= ROLLOUT_WAVES_MAX).then_some(sizes)
}

text! {
    /// Octets, as pairs of hexadecimal digits.
    Hex, HEX_BYTES_MAX, "^([0-9a-fA-F]{2})+$",
    |text| text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Hex {
    /// The octets.
    pub fn octets(&self) -> Vec<u8> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default();
        let octet = |pair: &[u8]| pair.iter().fold(0, |octet, byte| octet * 16 + digit(byte));
        self.0.as_bytes().chunks(2).filter_map(|pair| u8::try_from(octet(pair)).ok()).collect()
    }
}

text! {
    /// A place in a list, as the page before it gave it.
    Cursor, CURSOR_BYTES_MAX, r"^[^\p{Cc}]+$",
    |text| !text.chars().any(char::is_control)
}

/// A text in PEM in one line, for people; nothing when it is none.
pub fn pem_in_short(text: &str) -> Option<String> {
    let (label, _) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let one = |certificate: &Certificate| {
        let subject = certificate.subject();
        let name =
            subject.common_name().or_else(|| subject.serial_number()).or_else(|| subject.organisation());
        let until = match certificate.not_after() {
            NO_END => "good without an end".into(),
            end => format!("good until {:.10}", Millis(end)),
        };
        format!("certificate of {}, {until}", name.unwrap_or_default())
    };
    match Certificate::list_from_pem(text).unwrap_or_default().as_slice() {
        [] => Some(format!("{label} in PEM, {} bytes", text.len())),
        certificates => Some(certificates.iter().map(one).collect::<Vec<_>>().join("; ")),
    }
}

/// Where a name stands in a list: as people count, `lamp-2` before `lamp-10`. Each number has how many
/// digits it has before it, so that names are compared as texts.
pub fn place(name: &str) -> String {
    let (mut place, mut rest) = (String::new(), name);
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (text, number) = rest.split_at(begin);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let digits = number[..end].trim_start_matches('0');
        place.push_str(&format!("{text}{:03}{digits}", digits.len()));
        rest = &number[end..];
    }
    place + rest
}

#[cfg(test)]
mod tests {
    use super::{Addresses, Hex, Hosts, Label, Macs, Slug, Waves};

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Option<&str>| {
            let read = text.parse::<Hosts>().ok().map(|hosts| hosts.prefix().to_string());
            assert_eq!(read.as_deref(), expect, "{text:?}");
        };
        check("192.0.2.9", Some("192.0.2.9/32"));
        check("2001:db8::/32", Some("2001:db8::/32"));
        check("192.0.2.0/33", None);
        check("example.com", None);
        let count = |text: &str| text.parse::<Addresses>().map(|list| list.items().len()).ok();
        assert_eq!(count("192.0.2.9,2001:db8::1"), Some(2));
        assert_eq!(count("192.0.2.9,192.0.2.9"), None);
        assert_eq!(count("192.0.2.9,"), None);
        let many: Vec<String> = (0..65).map(|last| format!("10.0.0.{last}")).collect();
        assert_eq!(count(&many.join(",")), None);
        assert!("02:00:5e:00:53:01,02:00:5e:00:53:02".parse::<Macs>().is_ok());
        assert!("02:00:5e:00:53".parse::<Macs>().is_err());
        assert_eq!("00fFa0".parse::<Hex>().map(|hex| hex.octets()), Ok(vec![0, 255, 160]));
        assert!("00f".parse::<Hex>().is_err());
        assert!("0g".parse::<Hex>().is_err());
    }

    #[test]
    fn slugs() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<Slug>().is_ok(), good, "{text:?}");
        check("main", true);
        check("site-2", true);
        check(&"a".repeat(63), true);
        check(&"a".repeat(64), false);
        for bad in ["", "-a", "a-", "A", "a_b", "ä", "a b"] {
            check(bad, false);
        }
    }

    #[test]
    fn waves() {
        let check = |text: &str, expect: Option<&[usize]>| {
            let read = text.parse::<Waves>().ok().map(|waves| waves.sizes());
            assert_eq!(read.as_deref(), expect, "{text:?}");
        };
        check("1,5,rest", Some(&[1, 5, usize::MAX]));
        check("rest", Some(&[usize::MAX]));
        check("9999", Some(&[9999]));
        check(&["1"; 16].join(","), Some(&[1; 16]));
        check(&["1"; 17].join(","), None);
        for bad in ["", "0", "01", "+1", "1,,2", ",1", "1,", ",rest", "rest,1", "1rest", "10000", "x"] {
            check(bad, None);
        }
    }

    #[test]
    fn labels() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<Label>().is_ok(), good, "{text:?}");
        check("Lampe 7 (Küche)", true);
        check(&"a".repeat(129), false);
        for bad in ["", " a", "a ", "a\nb", "a\u{7f}"] {
            check(bad, false);
        }
    }
}
