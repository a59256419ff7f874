//! CBOR in its one deterministic form, read with `minicbor`.
//!
//! Bytes are walked once before anything is believed of them: one item, the shortest heads, definite
//! lengths, map keys in order and each once, bounded nesting. SUIT asks for the order of keys
//! (draft-ietf-suit-manifest-37 section "Encoding Considerations"); the rest makes sure that what was
//! signed can be read in one way only.
use crate::limits::CBOR_NESTING_LEVELS_MAX;
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder, decode, encode};
use std::convert::Infallible;

/// Why bytes are not the CBOR that was expected. Whoever made them is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborRefused {
    /// Not one whole item.
    #[error("byte {0}: the CBOR ends too early or goes on too long")]
    NotOneItem(usize),
    /// A form that the deterministic encoding does not have.
    #[error("byte {0}: the CBOR is not in its deterministic form (RFC 8949 section 4.2.1)")]
    NotDeterministic(usize),
    /// A kind of item that nothing here uses, such as a floating-point number.
    #[error("byte {0}: the CBOR has an item that is not used here")]
    NotUsed(usize),
    /// Too many items inside of each other.
    #[error("byte {0}: the CBOR is nested more than {CBOR_NESTING_LEVELS_MAX} levels deep")]
    TooDeep(usize),
    /// Another item than the format has in this place.
    #[error("byte {0}: another item was expected: {1}")]
    Unexpected(usize, String),
}

/// Reads items that were walked.
pub(crate) struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    /// Walks all of `bytes`, which must be one item.
    pub(crate) fn new(bytes: &'b [u8]) -> Result<Self, CborRefused> {
        match walk(bytes, 0, 0)? {
            end if end == bytes.len() => Ok(Self(Decoder::new(bytes))),
            end => Err(CborRefused::NotOneItem(end)),
        }
    }

    /// Where the next item begins.
    pub(crate) fn position(&self) -> usize {
        self.0.position()
    }

    /// An array's number of items.
    pub(crate) fn array(&mut self) -> Result<u64, CborRefused> {
        self.read(|it| it.array().map(Option::unwrap_or_default))
    }

    /// A map's number of pairs.
    pub(crate) fn map(&mut self) -> Result<u64, CborRefused> {
        self.read(|it| it.map().map(Option::unwrap_or_default))
    }

    /// A byte string.
    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], CborRefused> {
        self.read(Decoder::bytes)
    }

    /// A byte string of a length that the format fixes.
    pub(crate) fn octets<const N: usize>(&mut self) -> Result<[u8; N], CborRefused> {
        let at = self.position();
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| CborRefused::Unexpected(at, format!("a byte string of {N} bytes")))
    }

    /// A text string.
    pub(crate) fn text(&mut self) -> Result<&'b str, CborRefused> {
        self.read(Decoder::str)
    }

    /// An integer.
    pub(crate) fn int(&mut self) -> Result<i64, CborRefused> {
        self.read(Decoder::i64)
    }

    /// An integer from 0.
    pub(crate) fn uint(&mut self) -> Result<u64, CborRefused> {
        self.read(Decoder::u64)
    }

    /// True or false.
    pub(crate) fn bool(&mut self) -> Result<bool, CborRefused> {
        self.read(Decoder::bool)
    }

    /// Null.
    pub(crate) fn null(&mut self) -> Result<(), CborRefused> {
        self.read(Decoder::null)
    }

    /// This tag.
    pub(crate) fn tag(&mut self, wanted: u64) -> Result<(), CborRefused> {
        let at = self.position();
        match self.read(Decoder::tag)? {
            found if found == Tag::new(wanted) => Ok(()),
            found => Err(CborRefused::Unexpected(at, format!("tag {wanted}, not {}", found.as_u64()))),
        }
    }

    /// Steps over an item, whatever it is.
    pub(crate) fn skip(&mut self) -> Result<(), CborRefused> {
        self.read(Decoder::skip)
    }

    /// Whether the next item is of this kind.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.0.datatype().is_ok_and(|found| match kind {
            Kind::Array => found == Type::Array,
            Kind::Bool => found == Type::Bool,
            Kind::Bytes => found == Type::Bytes,
            Kind::Null => found == Type::Null,
            Kind::Tag => found == Type::Tag,
            Kind::Text => found == Type::String,
        })
    }

    fn read<T>(
        &mut self,
        item: impl FnOnce(&mut Decoder<'b>) -> Result<T, decode::Error>,
    ) -> Result<T, CborRefused> {
        let at = self.position();
        item(&mut self.0).map_err(|why| CborRefused::Unexpected(at, why.to_string()))
    }
}

/// A kind of item, to look before reading.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Array,
    Bool,
    Bytes,
    Null,
    Tag,
    Text,
}

/// Walks the item at `at` and returns where the next one begins.
fn walk(bytes: &[u8], at: usize, level: usize) -> Result<usize, CborRefused> {
    if level > CBOR_NESTING_LEVELS_MAX {
        return Err(CborRefused::TooDeep(at));
    }
    let (major, argument, next) = head(bytes, at)?;
    match major {
        0 | 1 => Ok(next),
        2 | 3 => {
            let length = usize::try_from(argument).map_err(|_| CborRefused::NotOneItem(at))?;
            let end = next.checked_add(length).filter(|end| *end <= bytes.len());
            let end = end.ok_or(CborRefused::NotOneItem(at))?;
            if major == 3 && std::str::from_utf8(&bytes[next..end]).is_err() {
                return Err(CborRefused::NotUsed(at));
            }
            Ok(end)
        }
        4 => (0..argument).try_fold(next, |at, _| walk(bytes, at, level + 1)),
        5 => walk_map(bytes, next, argument, level + 1),
        6 => walk(bytes, next, level + 1),
        // False, true and null.
        _ if (20..=22).contains(&argument) && next == at + 1 => Ok(next),
        _ => Err(CborRefused::NotUsed(at)),
    }
}

/// RFC 8949 section 4.2.1: keys stand in the bytewise order of their encodings. Twice the same key
/// is not in order.
fn walk_map(bytes: &[u8], mut at: usize, pairs: u64, level: usize) -> Result<usize, CborRefused> {
    let mut before: &[u8] = &[];
    for _ in 0..pairs {
        let value = walk(bytes, at, level)?;
        let key = &bytes[at..value];
        if key <= before {
            return Err(CborRefused::NotDeterministic(at));
        }
        before = key;
        at = walk(bytes, value, level)?;
    }
    Ok(at)
}

/// Major type, argument, and where the content begins. RFC 8949 section 4.2.1: the shortest head,
/// and no indefinite length.
fn head(bytes: &[u8], at: usize) -> Result<(u8, u64, usize), CborRefused> {
    let first = *bytes.get(at).ok_or(CborRefused::NotOneItem(at))?;
    let (major, information) = (first >> 5, first & 0x1f);
    let length = match information {
        0..=23 => return Ok((major, u64::from(information), at + 1)),
        24..=27 => 1 << (information - 24),
        _ => return Err(CborRefused::NotDeterministic(at)),
    };
    let end = at + 1 + length;
    let octets = bytes.get(at + 1..end).ok_or(CborRefused::NotOneItem(at))?;
    let argument = octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
    let shortest = match length {
        1 => argument > 23,
        half => argument >> (4 * half) != 0,
    };
    if shortest { Ok((major, argument, end)) } else { Err(CborRefused::NotDeterministic(at)) }
}

/// What an encoder's calls return when they write to memory, which cannot fail.
pub(crate) type Written = Result<(), encode::Error<Infallible>>;

/// Writes items. Whoever calls keeps map keys in order.
pub(crate) fn write(items: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) -> Vec<u8> {
    let mut out = Vec::new();
    let written = items(&mut Encoder::new(&mut out));
    debug_assert!(written.is_ok(), "memory takes every item");
    out
}

/// `content` as a byte string, its head included.
pub(crate) fn byte_string(content: &[u8]) -> Vec<u8> {
    write(|out| out.bytes(content)?.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hex: &str, expect: Result<(), CborRefused>) {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        assert_eq!(Reader::new(&bytes).map(|_| ()), expect, "{hex}");
    }

    #[test]
    fn one_form_only() {
        use CborRefused::{NotDeterministic, NotOneItem, NotUsed, TooDeep};
        for good in ["00", "1818", "19ffff", "1a00010000", "1bffffffffffffffff", "3903e7", "40", "6161", "f6"]
        {
            check(good, Ok(()));
        }
        for good in ["8201a0", "a201020304", "a20000616100", "d86b80"] {
            check(good, Ok(()));
        }
        check("f4f5", Err(NotOneItem(1)));
        check("", Err(NotOneItem(0)));
        check("1817", Err(NotDeterministic(0)));
        check("1900ff", Err(NotDeterministic(0)));
        check("1a0000ffff", Err(NotDeterministic(0)));
        check("1b00000000ffffffff", Err(NotDeterministic(0)));
        check("5f4100ff", Err(NotDeterministic(0)));
        check("a203040102", Err(NotDeterministic(3)));
        check("a201020102", Err(NotDeterministic(3)));
        check("4201", Err(NotOneItem(0)));
        check("5bffffffffffffffff", Err(NotOneItem(0)));
        check("9bffffffffffffffff", Err(NotOneItem(9)));
        check("bbffffffffffffffff", Err(NotOneItem(9)));
        check("61ff", Err(NotUsed(0)));
        check("f93c00", Err(NotUsed(0)));
        check("f7", Err(NotUsed(0)));
        check("f818", Err(NotUsed(0)));
        check(&format!("{}00", "81".repeat(CBOR_NESTING_LEVELS_MAX)), Ok(()));
        check(&format!("{}00", "81".repeat(CBOR_NESTING_LEVELS_MAX + 1)), Err(TooDeep(17)));
    }
}
