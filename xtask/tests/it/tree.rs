//! The checkout as the rules see it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Folders that hold nothing of ours.
const FOREIGN_FOLDERS: [&str; 3] = ["target", ".git", "node_modules"];

/// What is read as text, by the end of its name.
const TEXT_ENDINGS: [&str; 9] = [".rs", ".toml", ".md", ".html", ".css", ".js", ".sh", ".service", ".ci/run"];

/// Something a rule has to say about a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    /// `path` and `line` (counted from 1) say where, `message` what is wrong and how it would be right.
    pub fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A file of text. The path is relative to the checkout, with `/`.
#[derive(Debug)]
pub struct TextFile {
    pub path: String,
    pub text: String,
}

impl TextFile {
    /// Lines with their number.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A token: an identifier, a literal, one character of punctuation, or a bracket. Comments are no tokens;
/// a doc comment is the literal of its attribute.
#[derive(Debug)]
pub struct Word {
    pub text: String,
    pub line: usize,
    pub in_test: bool,
}

/// A path as it is written (`std::fs::read`), or as a `use` tree spells it.
#[derive(Debug)]
pub struct Named {
    pub path: String,
    pub line: usize,
    pub in_test: bool,
}

impl Named {
    pub fn segments(&self) -> Vec<&str> {
        self.path.split("::").collect()
    }

    /// Whether the segments of `name` stand in this path side by side.
    pub fn contains(&self, name: &str) -> bool {
        let wanted: Vec<&str> = name.split("::").collect();
        self.segments().windows(wanted.len()).any(|window| window == wanted)
    }
}

/// A Rust file with what the rules ask it for.
pub struct SourceFile {
    pub file: TextFile,
    pub syntax: syn::File,
    pub words: Vec<Word>,
    pub names: Vec<Named>,
}

impl SourceFile {
    fn parse(file: TextFile, declared_as_test: bool) -> Result<Self, String> {
        let stream: TokenStream = file.text.parse().map_err(|error| format!("{}: {error}", file.path))?;
        let syntax = syn::parse_file(&file.text).map_err(|error| format!("{}: {error}", file.path))?;
        let scope = TestScope::of(&file.path, &syntax, declared_as_test);
        let mut words = Vec::new();
        flatten(stream, &scope, &mut words);
        let mut names = written_paths(&words);
        let mut uses = Uses { names: Vec::new(), scope: &scope };
        uses.visit_file(&syntax);
        names.append(&mut uses.names);
        Ok(Self { file, syntax, words, names })
    }

    pub fn path(&self) -> &str {
        &self.file.path
    }

    /// A finding at a line of this file.
    pub fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding::new(self.path(), line, message)
    }

    /// The lines at which these words follow each other.
    pub fn lines_of(&self, wanted: &[&str]) -> Vec<usize> {
        let windows = self.words.windows(wanted.len());
        let found =
            windows.filter(|window| window.iter().map(|word| word.text.as_str()).eq(wanted.iter().copied()));
        found.map(|window| window[0].line).collect()
    }
}

/// Every file of the checkout that a rule may ask for.
pub struct Tree {
    pub texts: Vec<TextFile>,
    pub sources: Vec<SourceFile>,
}

impl Tree {
    /// Reads the checkout.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut texts = Vec::new();
        read_folder(root, "", &mut texts)?;
        texts.sort_by(|a, b| a.path.cmp(&b.path));
        Self::new(texts)
    }

    /// Reads a sample: files one after the other, each after a line `//- path`.
    pub fn from_sample(sample: &str) -> Result<Self, String> {
        let files = sample.split("//- ").skip(1).filter_map(|part| part.split_once('\n'));
        let texts =
            files.map(|(path, text)| TextFile { path: path.trim().to_owned(), text: text.to_owned() });
        Self::new(texts.collect())
    }

    fn new(texts: Vec<TextFile>) -> Result<Self, String> {
        let rust = || texts.iter().filter(|file| file.path.ends_with(".rs"));
        let tests: BTreeSet<String> = rust().flat_map(declared_test_files).collect();
        let sources = rust().map(|file| {
            let copy = TextFile { path: file.path.clone(), text: file.text.clone() };
            SourceFile::parse(copy, tests.contains(&file.path))
        });
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { texts, sources })
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

fn read_folder(root: &Path, below: &str, texts: &mut Vec<TextFile>) -> Result<(), String> {
    let error = |error: std::io::Error| format!("{below}: {error}");
    for entry in fs::read_dir(root.join(below)).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(error)?;
        if kind.is_dir() && !FOREIGN_FOLDERS.contains(&name.as_str()) {
            read_folder(root, &path, texts)?;
        } else if kind.is_file() && TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending)) {
            let text = fs::read_to_string(entry.path()).map_err(error)?;
            texts.push(TextFile { path, text });
        }
    }
    Ok(())
}

/// The files that `#[cfg(test)] mod name;` declares.
fn declared_test_files(file: &TextFile) -> Vec<String> {
    let Ok(syntax) = syn::parse_file(&file.text) else {
        return Vec::new();
    };
    let folder = match file.path.strip_suffix("/mod.rs").or(file.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder,
        None => file.path.strip_suffix("/main.rs").unwrap_or(file.path.trim_end_matches(".rs")),
    };
    let modules = syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test_only(&module.attrs) => {
            Some(&module.ident)
        }
        _ => None,
    });
    modules.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
}

/// Whether attributes say `cfg(test)` or `test`.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}

/// Which lines of a file belong to tests.
struct TestScope {
    whole: bool,
    ranges: Vec<(usize, usize)>,
}

impl TestScope {
    fn of(path: &str, syntax: &syn::File, declared: bool) -> Self {
        let whole = declared || path.ends_with("/tests.rs") || path.contains("/tests/");
        let mut scope = Self { whole, ranges: Vec::new() };
        scope.visit_file(syntax);
        scope
    }

    fn has(&self, line: usize) -> bool {
        self.whole || self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    fn add(&mut self, attributes: &[syn::Attribute], span: Span) {
        if is_test_only(attributes) {
            self.ranges.push((span.start().line, span.end().line));
        }
    }
}

impl<'ast> Visit<'ast> for TestScope {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::spanned::Spanned;
        match item {
            syn::Item::Mod(module) => self.add(&module.attrs, item.span()),
            syn::Item::Fn(function) => self.add(&function.attrs, item.span()),
            syn::Item::Use(import) => self.add(&import.attrs, item.span()),
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

fn flatten(stream: TokenStream, scope: &TestScope, words: &mut Vec<Word>) {
    for token in stream {
        let line = token.span().start().line;
        let mut add = |text: String| words.push(Word { text, line, in_test: scope.has(line) });
        match token {
            TokenTree::Ident(ident) => add(ident.to_string()),
            TokenTree::Literal(literal) => add(literal.to_string()),
            TokenTree::Punct(punct) => add(punct.as_char().to_string()),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                add(open.to_owned());
                flatten(group.stream(), scope, words);
                let line = group.span_close().start().line;
                words.push(Word { text: close.to_owned(), line, in_test: scope.has(line) });
            }
        }
    }
}

/// The longest runs of `a::b::c`.
fn written_paths(words: &[Word]) -> Vec<Named> {
    let is_ident = |word: &Word| word.text.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let mut names = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let first = &words[at];
        at += 1;
        if !is_ident(first) {
            continue;
        }
        let mut path = first.text.clone();
        while let [a, b, next, ..] = &words[at..]
            && a.text == ":"
            && b.text == ":"
            && is_ident(next)
        {
            path.push_str("::");
            path.push_str(&next.text);
            at += 3;
        }
        names.push(Named { path, line: first.line, in_test: first.in_test });
    }
    names
}

/// Spells out every `use` tree.
struct Uses<'a> {
    names: Vec<Named>,
    scope: &'a TestScope,
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.spell("", &item.tree);
    }
}

impl Uses<'_> {
    fn spell(&mut self, before: &str, tree: &syn::UseTree) {
        let (name, span) = match tree {
            syn::UseTree::Path(path) => return self.spell(&format!("{before}{}::", path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.spell(before, tree));
            }
            syn::UseTree::Name(name) => (name.ident.to_string(), name.ident.span()),
            syn::UseTree::Rename(rename) => (rename.ident.to_string(), rename.ident.span()),
            syn::UseTree::Glob(glob) => ("*".to_owned(), glob.star_token.spans[0]),
        };
        let line = span.start().line;
        self.names.push(Named { path: format!("{before}{name}"), line, in_test: self.scope.has(line) });
    }
}
