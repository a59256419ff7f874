//! What the tests share: a lab, or a skip.
use gate::lab::Lab;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

/// Says that a test did not run, and why; where STEWARD_SKIPS names a file, there too.
fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    if let Some(path) = std::env::var_os("STEWARD_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "SKIP {name}: {why}").unwrap();
    }
}

/// A lab of its own for each test, or a skip.
pub fn lab(test: &str) -> Option<Lab> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let made = Lab::new(&format!("steward-{}-{number}", std::process::id()));
    made.map_err(|why| skip(test, &why.to_string())).ok()
}
