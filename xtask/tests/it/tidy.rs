//! The table of rules, run over the checkout and over its bad samples.

use std::fs;
use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::arrows;
use crate::rules::{absences, fuzzing, leftovers, limits, rooms, tests, wording};
use crate::tree::{Finding, SourceFile, TextFile, Tree};

/// How many of the longest functions and files are printed.
const PRINTED: usize = 10;

/// What a rule looks at.
#[derive(Clone, Copy)]
enum Rule {
    Source(fn(&SourceFile) -> Vec<Finding>),
    Text(fn(&TextFile) -> Vec<Finding>),
    Whole(fn(&Tree) -> Vec<Finding>),
}

/// Every rule. Its name is the name of its sample, `tests/bad/NAME.rs.bad`.
const RULES: &[(&str, Rule)] = &[
    ("arrows", Rule::Whole(arrows::arrows)),
    ("forbidden_names", Rule::Source(absences::forbidden_names)),
    ("one_clock", Rule::Source(absences::one_clock)),
    ("bytes_rules_and_io_apart", Rule::Source(absences::bytes_rules_and_io_apart)),
    ("unsafe_and_allowances", Rule::Source(absences::unsafe_and_allowances)),
    ("rooms_are_whole", Rule::Whole(rooms::rooms_are_whole)),
    ("rooms_keep_apart", Rule::Whole(rooms::rooms_keep_apart)),
    ("store_knows_the_spine", Rule::Whole(rooms::store_knows_the_spine)),
    ("sql_in_stores", Rule::Source(rooms::sql_in_stores)),
    ("stored_shapes", Rule::Source(rooms::stored_shapes)),
    ("limits_in_their_file", Rule::Source(limits::limits_in_their_file)),
    ("limits_say_what_they_are", Rule::Source(limits::limits_say_what_they_are)),
    ("limits_are_used", Rule::Whole(limits::limits_are_used)),
    ("unfinished_code", Rule::Source(leftovers::unfinished_code)),
    ("notes_to_oneself", Rule::Text(leftovers::notes_to_oneself)),
    ("machine_paths", Rule::Text(leftovers::machine_paths)),
    ("ignored_tests", Rule::Source(tests::ignored_tests)),
    ("targets_are_listed", Rule::Whole(fuzzing::targets_are_listed)),
    ("readers_are_fuzzed", Rule::Whole(fuzzing::readers_are_fuzzed)),
    ("stored_events_are_fuzzed", Rule::Whole(fuzzing::stored_events_are_fuzzed)),
    ("sleeping_tests", Rule::Source(tests::sleeping_tests)),
    ("one_test_binary", Rule::Whole(tests::one_test_binary)),
    ("rfc_references", Rule::Text(wording::rfc_references)),
];

impl Rule {
    /// The rule's findings in the tree, in order, each once.
    fn findings(self, tree: &Tree) -> Vec<Finding> {
        let mut findings: Vec<Finding> = match self {
            Self::Source(rule) => tree.sources.iter().flat_map(rule).collect(),
            Self::Text(rule) => tree.texts.iter().flat_map(rule).collect(),
            Self::Whole(rule) => rule(tree),
        };
        findings.sort();
        findings.dedup();
        findings
    }
}

fn xtask_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn checkout() -> Result<Tree, String> {
    Tree::read(xtask_folder().parent().ok_or("xtask stands in no checkout")?)
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// What some of the rules find in the checkout, a line each.
fn broken_in_checkout(chosen: impl Fn(&str) -> bool) -> Result<String, String> {
    let tree = checkout()?;
    let rules = RULES.iter().filter(|(name, _)| chosen(name));
    Ok(rules.map(|(_, rule)| lines(&rule.findings(&tree))).collect())
}

#[test]
fn the_arrows_hold() {
    let broken = broken_in_checkout(|name| name == "arrows").unwrap();
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn the_checkout_is_tidy() {
    let broken = broken_in_checkout(|name| name != "arrows").unwrap();
    assert!(broken.is_empty(), "\n{broken}");
}

/// The files of a sample, and the findings that it expects: its last lines, after `//= `.
fn sample(name: &str) -> Result<(Tree, String), String> {
    let path = xtask_folder().join("tests/bad").join(format!("{name}.rs.bad"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (expected, source): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("//= "));
    let expected = expected.iter().map(|line| {
        format!(
            "{}
",
            &line["//= ".len()..]
        )
    });
    Ok((
        Tree::from_sample(&source.join(
            "
",
        ))?,
        expected.collect(),
    ))
}

#[test]
fn every_rule_fires_on_its_sample() {
    for (name, rule) in RULES {
        let (tree, expected) = sample(name).unwrap();
        assert!(!expected.is_empty(), "{name}: the sample expects nothing");
        assert_eq!(lines(&rule.findings(&tree)), expected, "rule {name} on its sample");
    }
}

#[test]
fn no_rule_fires_on_the_good_sample() {
    let (tree, expected) = sample("good").unwrap();
    assert_eq!(expected, "");
    for (name, rule) in RULES {
        assert_eq!(lines(&rule.findings(&tree)), "", "rule {name} on the good sample");
    }
}

#[test]
fn every_sample_has_its_rule() {
    for entry in fs::read_dir(xtask_folder().join("tests/bad")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".rs.bad").expect("only samples stand here");
        assert!(name == "good" || RULES.iter().any(|(rule, _)| *rule == name), "{file}: no such rule");
    }
}

/// Collects functions with their number of lines.
struct Functions<'a> {
    path: &'a str,
    found: Vec<(usize, String)>,
}

impl Functions<'_> {
    fn add(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        let lines = span.end().line - span.start().line + 1;
        self.found.push((lines, format!("{}:{} {name}", self.path, span.start().line)));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig.ident, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig.ident, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }
}

fn print_longest(what: &str, mut found: Vec<(usize, String)>) {
    found.sort_by(|a, b| b.cmp(a));
    eprintln!("longest {what}, in lines:");
    found.iter().take(PRINTED).for_each(|(lines, name)| eprintln!("{lines:6} {name}"));
}

/// Prints and judges nothing: `cargo test -p xtask longest -- --nocapture` shows it.
#[test]
fn the_longest_functions_and_files() {
    let tree = checkout().unwrap();
    let functions = tree.sources.iter().flat_map(|file| {
        let mut functions = Functions { path: file.path(), found: Vec::new() };
        functions.visit_file(&file.syntax);
        functions.found
    });
    print_longest("functions", functions.collect());
    let files = tree.sources.iter().map(|file| (file.file.lines().count(), file.path().to_owned()));
    print_longest("files", files.collect());
}
