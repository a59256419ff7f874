//! The input at work, kept in a file: a process that overruns its stack, or is killed, leaves nothing else.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// Names the file; without it nothing is kept.
const VARIABLE: &str = "STEWARD_FUZZ_LAST_INPUT";

static FILE: OnceLock<Option<File>> = OnceLock::new();

/// Writes the input down: its length in four octets, then the input. What stood there is written over and not
/// cut off, which would cost more than most inputs do.
pub fn keep(input: &[u8]) {
    let open = || File::create(std::env::var_os(VARIABLE)?).ok();
    if let Some(file) = FILE.get_or_init(open) {
        let length = u32::try_from(input.len()).expect("an input is short");
        let written = file.write_all_at(&[&length.to_be_bytes(), input].concat(), 0);
        written.expect("the folder of the last input takes it");
    }
}
