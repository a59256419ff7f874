//! What is left lying about: unfinished code, words to oneself, paths of one's own machine.

use crate::tree::{Finding, SourceFile, TextFile};

/// Macros that stand for code that is not there, or that talk to the author.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Words to oneself, split so that this file does not name them.
const NOTES: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders of one machine, split likewise.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// No macro that stands for unwritten code.
pub fn unfinished_code(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in MACROS {
        for line in file.lines_of(&[name, "!"]) {
            findings.push(file.finding(line, format!("`{name}!` left over")));
        }
    }
    findings
}

/// What has to be done is done or stands in an issue.
pub fn notes_to_oneself(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for note in NOTES {
            if line.split(|c: char| !c.is_alphanumeric()).any(|word| word == note) {
                findings.push(Finding::new(&file.path, number, format!("the note `{note}` left over")));
            }
        }
    }
    findings
}

/// Nothing knows where its author works.
pub fn machine_paths(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for folder in MACHINE_FOLDERS {
            // What precedes decides: `docs/NAME/` is a path of a project, `"/NAME/` is one of a machine.
            let mut before = line.match_indices(folder).map(|(at, _)| line[..at].chars().next_back());
            if before
                .any(|c| !c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')')))
            {
                findings.push(Finding::new(&file.path, number, format!("a path of one machine: {folder}")));
            }
        }
    }
    findings
}
