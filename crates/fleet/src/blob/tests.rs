use super::rules::unheld_before;
use crate::text::Digest;
use crate::time::Millis;

#[test]
fn a_blob_has_a_day_to_be_held() {
    assert_eq!(unheld_before(Millis(86_400_001)), Millis(1));
}

#[test]
fn a_digest_is_64_lower_case_hexadecimal_digits() {
    let check = |text: &str, good: bool| assert_eq!(text.parse::<Digest>().is_ok(), good, "{text:?}");
    check(&"0f".repeat(32), true);
    check(&"0F".repeat(32), false);
    check(&"0f".repeat(31), false);
    check(&"0f".repeat(33), false);
    check(&"../".repeat(21), false);
    check(&"0g".repeat(32), false);
}
