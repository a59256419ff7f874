//! Licences, number and duplicates of the packages that the workspace is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::limits::COMPILED_PACKAGES_MAX;
use crate::programs;

/// Licences that a program under "MIT OR Apache-2.0" can carry, with what they ask beyond keeping the
/// notice.
///
/// Not here, and why: MPL-2.0 (whoever ships a device with the agent would owe its users the sources of
/// those files: a decision, not a default), OpenSSL (its advertising clause), and every GPL, LGPL, AGPL.
const ALLOWED: &[(&str, &str)] = &[
    ("0BSD", "nothing"),
    ("Apache-2.0", "the notice file; a patent grant"),
    ("BSD-2-Clause", "nothing more"),
    ("BSD-3-Clause", "no advertising with the authors' names"),
    ("BSL-1.0", "nothing, for programs in machine code"),
    ("BlueOak-1.0.0", "the licence's text or a link to it; a patent grant"),
    ("CC0-1.0", "nothing"),
    ("ISC", "nothing more"),
    ("MIT", "nothing more"),
    ("MIT-0", "nothing"),
    ("Unicode-3.0", "nothing more (tables of the Unicode Consortium)"),
    ("Unlicense", "nothing"),
    ("Zlib", "altered sources are marked as such"),
];

/// Exceptions after `WITH` that only take conditions away.
const ALLOWED_EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Packages of which two versions are built, and why they must be.
const TOLERATED_DUPLICATES: &[(&str, &str)] = &[
    ("fallible-iterator", "postgres and rusqlite each export their own version of its trait"),
    ("syn", "derive macros are moving from 2 to 3 one by one; the tidy test uses 2"),
];

/// Checks the whole tree.
///
/// # Errors
/// Everything that is wrong, a line each: licences not allowed, too many packages, new duplicates.
pub fn check() -> Result<(), String> {
    let host = host()?;
    let mut findings = check_licences(&host)?;
    findings.extend(check_compiled(&host)?);
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n")) }
}

/// The target that this machine builds for.
///
/// # Errors
/// `rustc` does not say.
pub fn host() -> Result<String, String> {
    let version = programs::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

fn check_licences(host: &str) -> Result<Vec<String>, String> {
    let words = ["metadata", "--format-version=1", "--locked", "--filter-platform", host];
    let text = programs::output(programs::cargo().args(words))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata wrote no JSON: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    println!("licences of {} packages", packages.len());
    Ok(packages.iter().filter_map(licence_finding).collect())
}

/// What is wrong with the licence of a package of `cargo metadata`, if anything.
fn licence_finding(package: &Value) -> Option<String> {
    let why = match package["license"].as_str() {
        None => "names no licence expression".to_owned(),
        Some(expression) => match is_allowed(expression) {
            Ok(true) => return None,
            Ok(false) => format!("its licence `{expression}` is not in the table of allowed ones"),
            Err(error) => format!("its licence `{expression}` cannot be read: {error}"),
        },
    };
    let word = |key: &str| package[key].as_str().unwrap_or("?").to_owned();
    Some(format!("{} {}: {why}", word("name"), word("version")))
}

fn check_compiled(host: &str) -> Result<Vec<String>, String> {
    let product = compiled("normal,build", host)?;
    let tests = compiled("normal,build,dev", host)?;
    let duplicates = duplicates(&tests);
    println!("packages compiled on Linux: {} for the program, {} with its tests", product.len(), tests.len());
    let named: Vec<String> = duplicates.iter().map(|(name, versions)| format!("{name} {versions}")).collect();
    println!(
        "packages in more than one version: {}",
        if named.is_empty() { "none".into() } else { named.join("; ") }
    );
    let mut findings = Vec::new();
    if tests.len() > COMPILED_PACKAGES_MAX {
        findings.push(format!("{} packages are compiled, more than {COMPILED_PACKAGES_MAX}", tests.len()));
    }
    for (name, versions) in duplicates {
        if !TOLERATED_DUPLICATES.iter().any(|(tolerated, _)| *tolerated == name) {
            findings
                .push(format!("{name} is built more than once ({versions}): not among the tolerated ones"));
        }
    }
    Ok(findings)
}

/// Name and version of every package that is built for the host along these kinds of edges.
fn compiled(edges: &str, host: &str) -> Result<BTreeSet<(String, String)>, String> {
    let words = ["tree", "--workspace", "--locked", "--prefix=none", "--format={p}", "--target", host];
    let text = programs::output(programs::cargo().args(words).args(["--edges", edges]))?;
    Ok(text.lines().filter_map(name_and_version).collect())
}

/// Reads a line of `cargo tree`: `name v1.2.3 (path or mark)`.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_owned(), version.to_owned()))
}

/// Names with more than one version, and these versions.
fn duplicates(packages: &BTreeSet<(String, String)>) -> BTreeMap<String, String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in packages {
        versions.entry(name).or_default().push(version);
    }
    let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    several.map(|(name, versions)| (name.to_owned(), versions.join(" and "))).collect()
}

/// Whether an SPDX licence expression can be met by allowed licences alone. The old `/` reads as `OR`.
///
/// # Errors
/// The text is no licence expression.
fn is_allowed(expression: &str) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = Tokens { words: spaced.split_whitespace().collect(), at: 0 };
    let allowed = either(&mut tokens)?;
    match tokens.next() {
        None => Ok(allowed),
        Some(word) => Err(format!("`{word}` is too much")),
    }
}

struct Tokens<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    /// Takes the next word if it is this one.
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_next);
        is_next
    }
}

/// `a OR b`: one allowed side is enough.
fn either(tokens: &mut Tokens<'_>) -> Result<bool, String> {
    let mut allowed = both(tokens)?;
    while tokens.take("OR") {
        allowed |= both(tokens)?;
    }
    Ok(allowed)
}

/// `a AND b`: both must be allowed.
fn both(tokens: &mut Tokens<'_>) -> Result<bool, String> {
    let mut allowed = one(tokens)?;
    while tokens.take("AND") {
        allowed &= one(tokens)?;
    }
    Ok(allowed)
}

/// `id`, `id WITH exception` or an expression in parentheses.
fn one(tokens: &mut Tokens<'_>) -> Result<bool, String> {
    let word = tokens.next().ok_or("it ends too early")?;
    match word {
        "(" => {
            let allowed = either(tokens)?;
            if tokens.take(")") { Ok(allowed) } else { Err("a parenthesis is not closed".to_owned()) }
        }
        ")" | "AND" | "OR" | "WITH" => Err(format!("`{word}` stands where a licence should")),
        id => {
            let allowed = ALLOWED.iter().any(|(allowed, _)| *allowed == id);
            if !tokens.take("WITH") {
                return Ok(allowed);
            }
            let exception = tokens.next().ok_or("an exception is missing")?;
            Ok(allowed && ALLOWED_EXCEPTIONS.contains(&exception))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{duplicates, is_allowed, licence_finding, name_and_version};

    fn check(expression: &str, expect: Option<bool>) {
        assert_eq!(is_allowed(expression).ok(), expect, "{expression}");
    }

    #[test]
    fn expressions_are_judged() {
        check("MIT", Some(true));
        check("MIT/Apache-2.0", Some(true));
        check("MPL-2.0", Some(false));
        check("MPL-2.0 OR MIT", Some(true));
        check("MIT AND GPL-3.0-only", Some(false));
        check("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true));
        check("(MIT OR Apache-2.0) AND OpenSSL", Some(false));
        check("GPL-2.0-only OR MIT AND ISC", Some(true));
        check("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", Some(true));
        check("Apache-2.0 WITH Swift-exception", Some(false));
        check("GPL-2.0-only WITH LLVM-exception", Some(false));
        check("ISC AND (Apache-2.0 OR ISC) AND Apache-2.0 AND MIT AND BSD-3-Clause", Some(true));
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "OR MIT", "MIT WITH", "MIT ISC", "()"] {
            check(text, None);
        }
    }

    #[test]
    fn a_package_without_or_with_a_strange_licence_is_found() {
        let finding =
            |licence| licence_finding(&json!({"name": "a", "version": "1.0.0", "license": licence}));
        assert_eq!(finding(json!("MIT")), None);
        assert!(finding(json!(null)).unwrap().ends_with("names no licence expression"));
        assert!(finding(json!("GPL-3.0-only")).unwrap().contains("not in the table"));
        assert!(finding(json!("MIT AND")).unwrap().contains("cannot be read"));
    }

    #[test]
    fn two_versions_are_duplicates() {
        let tree = "syn v2.0.1\nsyn v3.0.0 (proc-macro)\nserde v1.0.0\nserde v1.0.0 (*)\n\n";
        let packages: BTreeSet<_> = tree.lines().filter_map(name_and_version).collect();
        assert_eq!(packages.len(), 3);
        let found = duplicates(&packages);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("syn".to_owned(), "2.0.1 and 3.0.0".to_owned())]);
    }
}
