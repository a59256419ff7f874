//! Properties that several targets check.
use std::fmt::Debug;

/// What can be read is written, and what was written is read as the same.
pub fn again<T: PartialEq + Debug, E: Debug>(
    input: &[u8],
    read: impl Fn(&[u8]) -> Result<T, E>,
    write: impl Fn(&T) -> Vec<u8>,
) {
    let Ok(value) = read(input) else { return };
    let written = write(&value);
    match read(&written) {
        Ok(again) => assert_eq!(again, value, "written and read: {}", written.escape_ascii()),
        Err(why) => panic!("what was written is refused: {why:?}: {}", written.escape_ascii()),
    }
}
