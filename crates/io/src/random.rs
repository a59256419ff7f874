//! Randomness for keys, nonces and identifiers.

/// `N` bytes from the cryptographic generator of aws-lc, which the operating system seeds.
#[must_use]
pub fn fill<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The generator aborts rather than hand out weak bytes; the error is never made for a slice.
    aws_lc_rs::rand::fill(&mut bytes).expect("aws-lc's generator does not fail once seeded");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(fill::<16>(), fill::<16>());
        assert_ne!(fill::<64>(), [0; 64]);
        assert!(fill::<0>().is_empty());
    }
}
