//! What targets begin with beside their own seeds: published vectors, and the samples of the crates' tests.
//!
//! Every target gets all of them: what is not for it costs a moment, and no table has to say whose is whose.

use std::fs;
use std::path::{Path, PathBuf};

use crate::limits::FUZZ_INPUT_BYTES_MAX;

/// Names the folder of standards and vectors.
const CORPUS_VARIABLE: &str = "STEWARD_CORPUS";

/// Its parts that hold what is read over wires.
const CORPUS_FOLDERS: [&str; 2] = ["vectors", "mudfiles"];

/// Endings of files there that speak about vectors.
const ABOUT: [&str; 6] = ["md", "xml", "yang", "sid", "cddl", "diag"];

/// How a raw string begins and ends.
const RAW: (&str, &str) = ("r#\"", "\"#");

/// Copies all samples into `to`, and says how many there are.
///
/// # Errors
/// A file could not be read or written.
pub fn gather(to: &Path) -> Result<String, String> {
    let mut into = Samples { folder: to, count: 0 };
    for path in files(Path::new("crates"))?.iter().filter(|path| has_ending(path, &["rs"])) {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        in_source(&text).iter().try_for_each(|sample| into.put(sample.as_bytes()))?;
    }
    let of_tests = into.count;
    let Some(corpus) = std::env::var_os(CORPUS_VARIABLE) else {
        return Ok(format!(
            "{of_tests} samples of the crates' tests; {CORPUS_VARIABLE} is not set: no vectors"
        ));
    };
    for folder in CORPUS_FOLDERS.map(|folder| Path::new(&corpus).join(folder)) {
        for path in files(&folder)?.iter().filter(|path| !has_ending(path, &ABOUT)) {
            into.put(&read(path)?)?;
        }
    }
    Ok(format!("{of_tests} samples of the crates' tests, {} published vectors", into.count - of_tests))
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending))
}

/// Where samples are put, by number.
struct Samples<'a> {
    folder: &'a Path,
    count: usize,
}

impl Samples<'_> {
    /// Puts a sample; a large one is left out, for it would be cut.
    fn put(&mut self, sample: &[u8]) -> Result<(), String> {
        if sample.len() > FUZZ_INPUT_BYTES_MAX {
            return Ok(());
        }
        self.count += 1;
        let path = self.folder.join(format!("{:05}", self.count));
        fs::write(&path, sample).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Every file below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push(entry.path()),
        }
    }
    Ok(found)
}

/// The raw strings of a source, among them every kept sample; and those of stored events all together, as a
/// journal has them.
fn in_source(text: &str) -> Vec<String> {
    let strings = text.split(RAW.0).skip(1).filter_map(|rest| rest.split_once(RAW.1));
    let mut samples: Vec<String> = strings.map(|(sample, _)| sample.to_owned()).collect();
    let events: Vec<&str> =
        samples.iter().map(String::as_str).filter(|sample| sample.starts_with("{\"event\"")).collect();
    if !events.is_empty() {
        let journal = events.join("\n");
        samples.push(journal);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::in_source;

    #[test]
    fn raw_strings_are_samples() {
        let source = format!(
            "a({0}{{\"event\":1}}{1}, {0}b{1}, \"c\", br#\"{{\"event\":2}}{1}); {0}open",
            "r#\"", "\"#"
        );
        assert_eq!(
            in_source(&source),
            ["{\"event\":1}", "b", "{\"event\":2}", "{\"event\":1}\n{\"event\":2}"]
        );
    }
}
