//! Every limit has one place, a unit, a meaning and a use.

use std::collections::{BTreeMap, BTreeSet};

use super::rooms::doc_text;
use crate::tree::{Finding, SourceFile, Tree};

/// A limit stands in its crate's `limits.rs`.
pub fn limits_in_their_file(file: &SourceFile) -> Vec<Finding> {
    if file.file.name() == "limits.rs" {
        return Vec::new();
    }
    let pairs = file.words.windows(2).filter(|pair| pair[0].text == "const" && !pair[0].in_test);
    let limits = pairs.filter(|pair| pair[1].text.ends_with("_MAX"));
    limits.map(|pair| file.finding(pair[1].line, format!("{} belongs to limits.rs", pair[1].text))).collect()
}

/// What `limits.rs` holds is a limit with its unit and its docs.
pub fn limits_say_what_they_are(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for constant in constants(file) {
        let (name, line) = (constant.ident.to_string(), constant.ident.span().start().line);
        if !is_limit_name(&name) {
            let message =
                format!("{name}: a limit ends in its unit (a plural) and MAX or MIN, as VOUCHER_BYTES_MAX");
            findings.push(file.finding(line, message));
        }
        if !constant.attrs.iter().any(|attribute| doc_text(attribute).is_some()) {
            findings.push(file.finding(line, format!("{name}: its doc comment is missing")));
        }
    }
    findings
}

/// A limit that nothing checks is no limit: product code other than limits.rs names it.
pub fn limits_are_used(tree: &Tree) -> Vec<Finding> {
    // Where a word stands: a name that is used in two files is used outside of its own.
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let limits = tree.sources.iter().flat_map(constants).map(|constant| constant.ident.to_string());
    let limits: BTreeSet<String> = limits.collect();
    for file in &tree.sources {
        for word in file.words.iter().filter(|word| !word.in_test && limits.contains(&word.text)) {
            users.entry(&word.text).or_default().insert(file.path());
        }
    }
    let mut findings = Vec::new();
    for file in &tree.sources {
        for constant in constants(file) {
            let name = constant.ident.to_string();
            let users = users.get(name.as_str());
            if users.is_none_or(|users| users.iter().all(|user| *user == file.path())) {
                let message = format!("{name}: no product code uses it");
                findings.push(file.finding(constant.ident.span().start().line, message));
            }
        }
    }
    findings
}

/// The constants that a `limits.rs` shows to others.
fn constants(file: &SourceFile) -> impl Iterator<Item = &syn::ItemConst> {
    let items = if file.file.name() == "limits.rs" { file.syntax.items.as_slice() } else { &[] };
    items.iter().filter_map(|item| match item {
        syn::Item::Const(constant) if !matches!(constant.vis, syn::Visibility::Inherited) => Some(constant),
        _ => None,
    })
}

/// `THING_UNITS_MAX` or `THING_UNITS_MIN`; a thing that is counted is its own unit (`CONNECTIONS_MAX`).
fn is_limit_name(name: &str) -> bool {
    let Some(name) = name.strip_suffix("_MAX").or_else(|| name.strip_suffix("_MIN")) else { return false };
    name.rsplit('_').next().is_some_and(|unit| unit.ends_with('S') && unit.len() > 3)
}
