//! How tests are written.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{Finding, SourceFile, Tree};

/// No test is ignored, and none passes by panicking: it skips with a line, or checks the error.
pub fn ignored_tests(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["ignore", "should_panic"] {
        for line in file.lines_of(&["#", "[", name]) {
            findings.push(file.finding(line, format!("no #[{name}]")));
        }
    }
    findings
}

/// A test waits for what it expects, with a limit; it does not sleep.
pub fn sleeping_tests(file: &SourceFile) -> Vec<Finding> {
    const SLEEPS: [&str; 4] = ["thread::sleep", "time::sleep", "time::sleep_until", "thread::sleep_ms"];
    let sleeps =
        |path: &str| SLEEPS.iter().any(|sleep| path == *sleep || path.ends_with(&format!("::{sleep}")));
    let named = file.names.iter().filter(|named| named.in_test && sleeps(&named.path));
    named
        .map(|named| file.finding(named.line, "a test does not sleep: wait for the event, with a limit"))
        .collect()
}

/// One integration test binary per crate: linking is what tests wait for.
pub fn one_test_binary(tree: &Tree) -> Vec<Finding> {
    let mut binaries: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in &tree.sources {
        let Some((folder, rest)) = file.path().split_once("/tests/") else { continue };
        let is_binary = !rest.contains('/') || rest.split('/').count() == 2 && rest.ends_with("/main.rs");
        if is_binary && !folder.contains("/src") {
            binaries.entry(folder).or_default().insert(rest);
        }
    }
    let several = binaries.into_iter().filter(|(_, names)| names.len() > 1);
    let finding = |(folder, names): (&str, BTreeSet<&str>)| {
        let names: Vec<&str> = names.into_iter().collect();
        let message =
            format!("{} test binaries ({}): make them modules of one", names.len(), names.join(", "));
        Finding::new(&format!("{folder}/tests"), 1, message)
    };
    several.map(finding).collect()
}
