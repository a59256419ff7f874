//! Several byte strings in one input: each after its length in two octets. What goes beyond the end is cut.

/// Iterates over the pieces of an input.
pub struct Pieces<'a>(pub &'a [u8]);

impl<'a> Pieces<'a> {
    /// The next piece; an empty one at the end.
    pub fn cut(&mut self) -> &'a [u8] {
        self.next().unwrap_or_default()
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (piece, rest) = rest.split_at(rest.len().min(u16::from_be_bytes(*length).into()));
        self.0 = rest;
        Some(piece)
    }
}

/// An input of these pieces.
pub fn joined(pieces: &[&[u8]]) -> Vec<u8> {
    let piece = |piece: &&[u8]| {
        let length = u16::try_from(piece.len()).expect("a seed is short");
        [length.to_be_bytes().as_slice(), piece].concat()
    };
    pieces.iter().flat_map(piece).collect()
}

/// `original` with the changes that `input` describes: three octets each, where (modulo the length) and what
/// is added (modulo 256). None of them leaves its octet as it was.
pub fn changed(original: &[u8], input: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for change in input.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] = original[at].wrapping_add(change[2].max(1));
    }
    bytes
}
