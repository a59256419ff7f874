//! What the tests share.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Says that a test could not run, and why; a run that allows no skips reads the file.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    let Some(path) = std::env::var_os("STEWARD_SKIPS") else {
        return;
    };
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the file of skips opens");
    writeln!(file, "SKIP {name}: {why}").expect("the file of skips is written");
}

/// Whether `program` is on the machine; if not, the test `name` is skipped.
pub fn has(name: &str, program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|o| o.status.success());
    if !found {
        skip(name, &format!("{program} is not installed"));
    }
    found
}

/// Runs `openssl` with `arguments` in `folder` and returns what it printed.
pub fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let done = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl runs");
    assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}
