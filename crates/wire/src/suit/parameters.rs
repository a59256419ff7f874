//! `SUIT_Parameters`.
use super::digest::Digest;
use super::manifest::Unknown;
use super::uuid::Uuid;
use crate::cbor::{CborRefused, Kind, Reader};
use crate::limits::{SUIT_URI_BYTES_MAX, SUIT_VERSION_NUMBERS_MAX};
use std::cmp::Ordering;

/// CBOR tag of an object identifier below the IANA private enterprises, RFC 9164 section 2.
const PEN_TAG: u64 = 112;

/// Who made a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorId {
    /// A UUID, usually of a domain name.
    Uuid(Uuid),
    /// A private enterprise number, as a relative object identifier in BER.
    Pen(Vec<u8>),
}

/// How two versions compare, draft-ietf-suit-update-management section "suit-parameter-version".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The component's is greater.
    Greater,
    /// The component's is greater, or equal.
    GreaterEqual,
    /// They are equal as far as the manifest's goes.
    Equal,
    /// The component's is lesser, or equal.
    LesserEqual,
    /// The component's is lesser.
    Lesser,
}

/// What a component's version must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionMatch {
    /// How.
    pub comparison: Comparison,
    /// To what.
    pub version: Vec<i64>,
}

impl VersionMatch {
    /// Compares number by number until the manifest's are consumed; what `found` lacks counts as 0.
    pub fn admits(&self, found: &[i64]) -> bool {
        let found = found.iter().copied().chain(std::iter::repeat(0)).take(self.version.len());
        let order = found.cmp(self.version.iter().copied());
        match self.comparison {
            Comparison::Greater => order == Ordering::Greater,
            Comparison::GreaterEqual => order != Ordering::Less,
            Comparison::Equal => order == Ordering::Equal,
            Comparison::LesserEqual => order != Ordering::Greater,
            Comparison::Lesser => order == Ordering::Less,
        }
    }

    fn from_cbor(bytes: &[u8]) -> Result<Self, CborRefused> {
        let mut reader = Reader::new(bytes)?;
        let wanted = || CborRefused::Unexpected(0, "a comparison and a version".into());
        if reader.array()? != 2 {
            return Err(wanted());
        }
        let comparison = match reader.int()? {
            1 => Comparison::Greater,
            2 => Comparison::GreaterEqual,
            3 => Comparison::Equal,
            4 => Comparison::LesserEqual,
            5 => Comparison::Lesser,
            _ => return Err(wanted()),
        };
        let numbers = reader.array()?;
        if numbers > SUIT_VERSION_NUMBERS_MAX as u64 {
            return Err(wanted());
        }
        let version = (0..numbers).map(|_| reader.int()).collect::<Result<_, _>>()?;
        Ok(Self { comparison, version })
    }
}

/// What is set for a component, draft-ietf-suit-manifest-37 section "SUIT_Parameters".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// `suit-parameter-vendor-identifier`.
    pub vendor_id: Option<VendorId>,
    /// `suit-parameter-class-identifier`.
    pub class_id: Option<Uuid>,
    /// `suit-parameter-image-digest`.
    pub image_digest: Option<Digest>,
    /// `suit-parameter-component-slot`.
    pub component_slot: Option<u64>,
    /// `suit-parameter-strict-order`.
    pub strict_order: Option<bool>,
    /// `suit-parameter-soft-failure`.
    pub soft_failure: Option<bool>,
    /// `suit-parameter-image-size`.
    pub image_size: Option<u64>,
    /// `suit-parameter-content`.
    pub content: Option<Vec<u8>>,
    /// `suit-parameter-uri`.
    pub uri: Option<String>,
    /// `suit-parameter-source-component`.
    pub source_component: Option<u64>,
    /// `suit-parameter-invoke-args`.
    pub invoke_args: Option<Vec<u8>>,
    /// `suit-parameter-device-identifier`.
    pub device_id: Option<Uuid>,
    /// `suit-parameter-version`.
    pub version: Option<VersionMatch>,
    /// What we do not know.
    pub unknown: Vec<Unknown>,
}

impl Parameters {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborRefused> {
        let mut it = Self::default();
        for _ in 0..reader.map()? {
            it.read_one(reader)?;
        }
        Ok(it)
    }

    fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<(), CborRefused> {
        let at = reader.position();
        match reader.int()? {
            1 => self.vendor_id = Some(vendor_id(reader)?),
            2 => self.class_id = Some(Uuid(reader.octets()?)),
            3 => self.image_digest = Some(Digest::from_cbor(reader.bytes()?)?),
            5 => self.component_slot = Some(reader.uint()?),
            12 => self.strict_order = Some(reader.bool()?),
            13 => self.soft_failure = Some(reader.bool()?),
            14 => self.image_size = Some(reader.uint()?),
            18 => self.content = Some(reader.bytes()?.to_vec()),
            21 => self.uri = Some(uri(reader)?),
            22 => self.source_component = Some(reader.uint()?),
            23 => self.invoke_args = Some(reader.bytes()?.to_vec()),
            24 => self.device_id = Some(Uuid(reader.octets()?)),
            28 => self.version = Some(VersionMatch::from_cbor(reader.bytes()?)?),
            0 => return Err(CborRefused::Unexpected(at, "a parameter, not 0".into())),
            id => {
                reader.skip()?;
                self.unknown.push(Unknown::Parameter(id));
            }
        }
        Ok(())
    }

    /// `suit-directive-override-parameters`: what `other` sets takes the place of what was set.
    pub(super) fn override_with(&mut self, other: &Self) {
        fn set<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        set(&mut self.vendor_id, &other.vendor_id);
        set(&mut self.class_id, &other.class_id);
        set(&mut self.image_digest, &other.image_digest);
        set(&mut self.component_slot, &other.component_slot);
        set(&mut self.image_size, &other.image_size);
        set(&mut self.content, &other.content);
        set(&mut self.uri, &other.uri);
        set(&mut self.source_component, &other.source_component);
        set(&mut self.invoke_args, &other.invoke_args);
        set(&mut self.device_id, &other.device_id);
        set(&mut self.version, &other.version);
    }
}

fn vendor_id(reader: &mut Reader<'_>) -> Result<VendorId, CborRefused> {
    if reader.is(Kind::Bytes) {
        return Ok(VendorId::Uuid(Uuid(reader.octets()?)));
    }
    reader.tag(PEN_TAG)?;
    Ok(VendorId::Pen(reader.bytes()?.to_vec()))
}

/// A URI reference within its limit.
pub(super) fn uri(reader: &mut Reader<'_>) -> Result<String, CborRefused> {
    let at = reader.position();
    match reader.text()? {
        uri if uri.len() <= SUIT_URI_BYTES_MAX => Ok(uri.to_owned()),
        _ => Err(CborRefused::Unexpected(at, format!("a URI within {SUIT_URI_BYTES_MAX} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(comparison: Comparison, version: &[i64], found: &[i64], expect: bool) {
        let wanted = VersionMatch { comparison, version: version.to_vec() };
        assert_eq!(wanted.admits(found), expect, "{wanted:?} {found:?}");
    }

    #[test]
    fn versions_compare() {
        use Comparison::{Equal, Greater, GreaterEqual, Lesser, LesserEqual};
        // The draft's own: equal to [1] is every version that starts with 1.
        check(Equal, &[1], &[1, 7, 3], true);
        check(Equal, &[1], &[2], false);
        check(GreaterEqual, &[1, 0], &[1, 9], true);
        check(Lesser, &[1, 10], &[1, 9], true);
        check(Lesser, &[1, 10], &[1, 10], false);
        check(Greater, &[1, 0], &[1, 0, 5], false);
        check(Greater, &[1, 0], &[1, 1], true);
        check(LesserEqual, &[1, 0], &[1, 0, 9], true);
        check(LesserEqual, &[1, 0], &[1, 1], false);
        check(Lesser, &[1, 0, 0], &[1, 0, -1, 2], true);
        check(Equal, &[1, 0], &[1], true);
    }
}
