//! One form for one thing: references to RFCs.

use crate::tree::{Finding, TextFile};

const FORM: &str = "write `RFC 8995 section 5.5` (or `sections`, `appendix`)";

/// How `openssl -nameopt` calls a form of names: a word of a program, no reference.
const OPENSSL_NAME_FORM: &str = "2253";

/// The paragraph sign, which is hard to type and to search for.
const PARAGRAPH: char = '\u{a7}';

/// References to RFCs have one form, so that a search for a clause finds all of its code.
pub fn rfc_references(file: &TextFile) -> Vec<Finding> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        if let Some(wrong) = wrong_reference(line) {
            findings.push(Finding::new(&file.path, number, format!("`{wrong}`: {FORM}")));
        }
    }
    findings
}

/// The first wrong reference of a line, shortened.
fn wrong_reference(line: &str) -> Option<String> {
    let shortened = |text: &str| {
        text.chars().take_while(|c| *c != '"').take(24).collect::<String>().trim_end().to_owned()
    };
    if let Some(at) = line.find(PARAGRAPH) {
        return Some(shortened(&line[at..]));
    }
    for (at, _) in line.match_indices("RFC") {
        let (before, rest) = (&line[..at], &line[at + 3..]);
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        if is_wrong_number(rest) || is_wrong_clause(rest) || is_clause_before(before) {
            return Some(shortened(&line[at..]));
        }
    }
    None
}

/// The number follows without a space.
fn is_wrong_number(rest: &str) -> bool {
    let number = rest.trim_start_matches(['-', '_', '#']);
    let after = number.trim_start_matches(|c: char| c.is_ascii_digit());
    number.len() != after.len() && !rest.starts_with(OPENSSL_NAME_FORM)
}

/// After the number, the clause is shortened, capitalised or set off.
fn is_wrong_clause(rest: &str) -> bool {
    let number = rest.strip_prefix(' ').unwrap_or(rest);
    let after = number.trim_start_matches(|c: char| c.is_ascii_digit());
    if after.len() == number.len() {
        return false;
    }
    let after = after.trim_start_matches("bis");
    let word = after.trim_start_matches([' ', ',', '(', ':', ';']);
    let lower = word.to_lowercase();
    let is_clause = ["sect", "sec.", "s.", "appendix", "app."].iter().any(|clause| lower.starts_with(clause));
    let right = [" section ", " sections ", " appendix ", " appendices "];
    is_clause && !right.iter().any(|form| after.starts_with(form) || after == form.trim_end())
}

/// The clause stands before the RFC.
fn is_clause_before(before: &str) -> bool {
    let Some(before) = before.strip_suffix(" of ").or_else(|| before.strip_suffix(" in ")) else {
        return false;
    };
    let mut words = before.split_whitespace().rev();
    let is_clause = words.next().is_some_and(|clause| clause.chars().all(|c| c.is_ascii_digit() || c == '.'));
    is_clause && words.next().is_some_and(|word| word.to_lowercase().starts_with("sec"))
}
