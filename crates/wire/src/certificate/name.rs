//! Distinguished names, RFC 5280 section 4.1.2.4.
use crate::limits::NAME_ATTRIBUTE_CHARS_MAX;
use crate::oid::{self, Oid};
use der::asn1::{Any, SetOfVec};
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name as X509Name;

/// The name of a certificate's subject or issuer.
///
/// Two names are equal when their encodings are. RFC 5280 section 7.1 would also take names for
/// equal that differ in case or spacing; we refuse such paths rather than fold strings, because an
/// authority that issues copies its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Name(pub(crate) X509Name);

/// The attributes that names of ours are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAttribute {
    /// organizationName.
    Organisation,
    /// commonName.
    CommonName,
    /// serialNumber: the device's, RFC 8995 section 2.3.1.
    SerialNumber,
}

impl Name {
    /// A name from its attributes, in their order, the most general first.
    ///
    /// # Errors
    /// [`NameRefused`]: whoever chose the values is to blame.
    pub fn new(attributes: &[(NameAttribute, &str)]) -> Result<Self, NameRefused> {
        let parts = attributes.iter().map(|(kind, value)| kind.encode(value));
        let rdns = parts.collect::<Result<Vec<SetOfVec<AttributeTypeAndValue>>, _>>()?;
        let encoded = rdns.to_der().and_then(|der| X509Name::from_der(&der));
        encoded.map(Self).map_err(|_| NameRefused::Characters)
    }

    /// The common name, if there is exactly one.
    pub fn common_name(&self) -> Option<String> {
        self.only(oid::COMMON_NAME)
    }

    /// The organisation, if there is exactly one.
    pub fn organisation(&self) -> Option<String> {
        self.only(oid::ORGANISATION)
    }

    /// The device's serial number (X520SerialNumber, RFC 8995 section 2.3.1), if there is exactly
    /// one. Not the certificate's serial number.
    pub fn serial_number(&self) -> Option<String> {
        self.only(oid::SERIAL_NUMBER)
    }

    /// Whether the name has no attribute at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn only(&self, kind: Oid) -> Option<String> {
        let mut values = self.0.iter().filter(|attribute| attribute.oid == kind);
        let first = values.next()?;
        if values.next().is_some() {
            return None;
        }
        text(&first.value)
    }
}

impl std::fmt::Display for Name {
    /// As text in the form of RFC 4514, with control characters escaped.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl NameAttribute {
    fn encode(self, value: &str) -> Result<SetOfVec<AttributeTypeAndValue>, NameRefused> {
        if value.is_empty() || value.chars().count() > NAME_ATTRIBUTE_CHARS_MAX {
            return Err(NameRefused::Length);
        }
        if value.chars().any(char::is_control) {
            return Err(NameRefused::Characters);
        }
        let (kind, tag) = match self {
            Self::Organisation => (oid::ORGANISATION, Tag::Utf8String),
            Self::CommonName => (oid::COMMON_NAME, Tag::Utf8String),
            // X520SerialNumber ::= PrintableString, RFC 5280 appendix A.1.
            Self::SerialNumber => (oid::SERIAL_NUMBER, Tag::PrintableString),
        };
        if tag == Tag::PrintableString && !value.bytes().all(is_printable_string) {
            return Err(NameRefused::Characters);
        }
        let value = Any::new(tag, value.as_bytes()).map_err(|_| NameRefused::Characters)?;
        SetOfVec::try_from([AttributeTypeAndValue { oid: kind, value }]).map_err(|_| NameRefused::Characters)
    }
}

/// The characters of PrintableString.
fn is_printable_string(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

/// A text of one of the string types whose octets are ASCII or UTF-8.
pub(crate) fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(value.value().to_vec()).ok()
        }
        _ => None,
    }
}

/// A name attribute that cannot stand in a certificate. Whoever chose it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// Empty or longer than [`NAME_ATTRIBUTE_CHARS_MAX`].
    #[error("a name attribute must have 1 to {NAME_ATTRIBUTE_CHARS_MAX} characters (RFC 5280 appendix A.1)")]
    Length,
    /// A control character, or in a serial number one that PrintableString does not have.
    #[error("a name attribute has a character that its type cannot carry (RFC 5280 appendix A.1)")]
    Characters,
}
