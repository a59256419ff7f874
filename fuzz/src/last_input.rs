//! The input at work, kept in a file: a process that overruns its stack, or is killed, leaves nothing else.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// Names the file; without it nothing is kept.
const VARIABLE: &str = "STEWARD_FUZZ_LAST_INPUT";

static FILE: OnceLock<Option<File>> = OnceLock::new();

/// Writes the input down.
pub fn keep(input: &[u8]) {
    let open = || File::create(std::env::var_os(VARIABLE)?).ok();
    if let Some(file) = FILE.get_or_init(open) {
        let written = file.set_len(input.len() as u64).and_then(|()| file.write_all_at(input, 0));
        written.expect("the folder of the last input takes it");
    }
}
