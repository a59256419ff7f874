//! What strangers send is fuzzed.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use crate::tree::{Finding, SourceFile, Tree};

/// Where the readers of strangers' bytes are.
const READERS_FOLDER: &str = "crates/wire/src/";

/// Where the targets are, a file each.
const TARGETS_FOLDER: &str = "fuzz/src/targets/";

/// Where they are listed, in `targets! { ... }`.
const LIST: &str = "fuzz/src/main.rs";

/// Where the rooms are listed whose journal is folded.
const ROOMS: &str = "crates/fleet/src/lib.rs";

/// The target that folds stored events.
const EVENTS: &str = "fuzz/src/targets/events.rs";

/// How readers are called.
const READERS: [&str; 7] = ["from_", "list_from_", "parse", "read_", "decode_", "verify", "check_"];

fn targets(tree: &Tree) -> impl Iterator<Item = &SourceFile> {
    tree.sources.iter().filter(|file| file.path().starts_with(TARGETS_FOLDER))
}

/// The list of targets names the files of their folder, and each says in its first line what it reads.
pub fn targets_are_listed(tree: &Tree) -> Vec<Finding> {
    let Some(list) = tree.sources.iter().find(|file| file.path() == LIST) else { return Vec::new() };
    let listed = listed(list);
    let mut findings = Vec::new();
    for target in targets(tree) {
        let name = target.file.name().trim_end_matches(".rs");
        if !listed.iter().any(|(listed, _)| listed == name) {
            findings.push(target.finding(1, format!("{LIST} does not list it")));
        }
        if !target.file.text.starts_with("//! ") {
            findings.push(target.finding(1, "it does not begin with what it reads (`//! `)"));
        }
    }
    let stands = |name: &str| tree.text(&format!("{TARGETS_FOLDER}{name}.rs")).is_some();
    let without_file = listed.iter().filter(|(name, _)| !stands(name));
    findings.extend(without_file.map(|(name, line)| list.finding(*line, format!("{name}: no such target"))));
    findings
}

/// The words between the brackets of `targets! { ... }`, with their lines.
fn listed(list: &SourceFile) -> Vec<(String, usize)> {
    let texts: Vec<&str> = list.words.iter().map(|word| word.text.as_str()).collect();
    let Some(start) = texts.windows(3).position(|window| window == ["targets", "!", "{"]) else {
        return Vec::new();
    };
    let inside = list.words[start + 3..].iter().take_while(|word| word.text != "}");
    inside.map(|word| (word.text.clone(), word.line)).collect()
}

/// Every public function that reads bytes or text is named by a target, and every type that is read from text.
pub fn readers_are_fuzzed(tree: &Tree) -> Vec<Finding> {
    let named: BTreeSet<String> =
        targets(tree).flat_map(|file| &file.names).flat_map(|named| ends(&named.path)).collect();
    let mut findings = Vec::new();
    for file in tree.sources.iter().filter(|file| file.path().starts_with(READERS_FOLDER)) {
        let mut readers = Readers { file, found: Vec::new() };
        readers.visit_file(&file.syntax);
        for (names, line) in readers.found {
            if !names.iter().any(|name| named.contains(name)) {
                findings.push(file.finding(line, format!("{}: no fuzz target names it", names[0])));
            }
        }
    }
    findings
}

/// Every room whose journal is folded is folded by the target of stored events.
pub fn stored_events_are_fuzzed(tree: &Tree) -> Vec<Finding> {
    let Some(rooms) = tree.texts.iter().find(|file| file.path == ROOMS) else { return Vec::new() };
    let target = tree.text(EVENTS).unwrap_or_default();
    let mut findings = Vec::new();
    for (number, line) in rooms.lines() {
        let Some((_, rest)) = line.split_once("fold::<") else { continue };
        let room = rest.split('>').next().unwrap_or_default();
        if !target.contains(&format!("fleet::{room},")) {
            findings.push(Finding::new(&rooms.path, number, format!("{room}: {EVENTS} does not fold it")));
        }
    }
    findings
}

/// The last segment of a path, and the last two.
fn ends(path: &str) -> Vec<String> {
    let segments: Vec<&str> = path.split("::").collect();
    (1..=segments.len().min(2)).map(|count| segments[segments.len() - count..].join("::")).collect()
}

/// The readers of a file: how a target may call them, and where they stand.
struct Readers<'a> {
    file: &'a SourceFile,
    found: Vec<(Vec<String>, usize)>,
}

impl Readers<'_> {
    fn look(&mut self, signature: &syn::Signature, visibility: &syn::Visibility, owners: &[String]) {
        let (name, line) = (signature.ident.to_string(), signature.ident.span().start().line);
        let is_reader = READERS.iter().any(|reader| name.starts_with(reader));
        let is_public = matches!(visibility, syn::Visibility::Public(_));
        // What has a receiver was read before.
        if is_public
            && is_reader
            && signature.receiver().is_none()
            && signature.inputs.iter().any(is_text_or_bytes)
        {
            self.found.push((owners.iter().map(|owner| format!("{owner}::{name}")).collect(), line));
        }
    }

    /// The modules of the file, the innermost first: which of them show it to others, it does not say.
    fn modules(&self) -> Vec<String> {
        let path = self.file.path().trim_start_matches(READERS_FOLDER).trim_end_matches(".rs");
        path.trim_end_matches("/mod").split('/').rev().map(str::to_owned).collect()
    }
}

impl<'ast> Visit<'ast> for Readers<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let modules = self.modules();
        self.look(&item.sig, &item.vis, &modules);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(of) = &*item.self_ty else { return };
        let Some(owner) = of.path.segments.last().map(|segment| segment.ident.to_string()) else { return };
        let of_trait = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        match of_trait {
            Some(of_trait) if of_trait.ident == "FromStr" => {
                self.found.push((vec![owner], of_trait.ident.span().start().line));
            }
            Some(_) => {}
            None => {
                for inner in &item.items {
                    if let syn::ImplItem::Fn(function) = inner {
                        self.look(&function.sig, &function.vis, std::slice::from_ref(&owner));
                    }
                }
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
        if !is_test {
            visit::visit_item_mod(self, item);
        }
    }
}

/// Whether an argument is `&[u8]` or `&str`.
fn is_text_or_bytes(argument: &syn::FnArg) -> bool {
    let syn::FnArg::Typed(argument) = argument else { return false };
    let syn::Type::Reference(reference) = &*argument.ty else { return false };
    match &*reference.elem {
        syn::Type::Slice(slice) => matches!(&*slice.elem, syn::Type::Path(of) if of.path.is_ident("u8")),
        syn::Type::Path(of) => of.path.is_ident("str"),
        _ => false,
    }
}
