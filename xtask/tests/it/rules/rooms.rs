//! What a room of the fleet has, and what it leaves to others.

use std::collections::BTreeSet;

use syn::visit::Visit;

use super::absences::is_rules;
use crate::tree::{Finding, SourceFile, Tree};

const ROOMS_FOLDER: &str = "crates/fleet/src/";

/// The files of a room (design section 3).
const ROOM_FILES: [&str; 5] = ["mod.rs", "rules.rs", "store.rs", "view.rs", "tests.rs"];

/// What a room's rules export: nobody else's rooms import it, by whatever path.
const RULE_NAMES: [&str; 7] = ["State", "Command", "Event", "Refusal", "decide", "apply", "steps"];

/// First words of an SQL statement.
const SQL_VERBS: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP"];

/// The room that a path belongs to.
fn room_of(path: &str) -> Option<&str> {
    Some(path.strip_prefix(ROOMS_FOLDER)?.split_once('/')?.0)
}

fn rooms(tree: &Tree) -> BTreeSet<&str> {
    tree.texts.iter().filter_map(|file| room_of(&file.path)).collect()
}

/// Every folder of fleet is a room: it has all its files, a card, and its place on the map.
pub fn rooms_are_whole(tree: &Tree) -> Vec<Finding> {
    let map = tree.text("ARCHITECTURE.md").unwrap_or_default();
    let mut findings = Vec::new();
    for room in rooms(tree) {
        let card = format!("{ROOMS_FOLDER}{room}/mod.rs");
        let mut say = |message: String| findings.push(Finding::new(&card, 1, message));
        for name in ROOM_FILES {
            if tree.text(&format!("{ROOMS_FOLDER}{room}/{name}")).is_none() {
                say(format!("the room has no {name}"));
            }
        }
        if !map.contains(&format!("{room}/")) {
            say(format!("ARCHITECTURE.md does not name `{room}/`"));
        }
        let Some(text) = tree.text(&card) else { continue };
        let lines = card_lines(text);
        if lines.is_empty() {
            say("it does not begin with the room's card (`//!`)".to_owned());
        } else if !lines.iter().any(|line| line.contains("RFC ") || line.to_lowercase().contains("charter")) {
            say("the card names neither an RFC nor the charter's words".to_owned());
        }
    }
    findings.extend(folders_without_cards(tree));
    findings
}

/// The text at the top of a file.
fn card_lines(text: &str) -> Vec<&str> {
    text.lines().map_while(|line| line.strip_prefix("//!")).collect()
}

/// A room's own folders say what they hold, too.
fn folders_without_cards(tree: &Tree) -> impl Iterator<Item = Finding> {
    let inner = tree.texts.iter().filter(|file| {
        let below = file.path.strip_prefix(ROOMS_FOLDER);
        below.is_some_and(|path| path.ends_with("/mod.rs") && path.matches('/').count() > 1)
    });
    let bare = inner.filter(|file| card_lines(&file.text).is_empty());
    bare.map(|file| Finding::new(&file.path, 1, "it does not say what the folder holds (`//!`)"))
}

/// Rooms never import each other's rules; `reactions.rs` alone speaks between them.
pub fn rooms_keep_apart(tree: &Tree) -> Vec<Finding> {
    let rooms = rooms(tree);
    let mut findings = Vec::new();
    for file in &tree.sources {
        let Some(own) = room_of(file.path()) else { continue };
        for named in &file.names {
            if let Some(other) = foreign_rules(&named.segments(), own, &rooms) {
                let message = format!("room `{own}` uses the rules of room `{other}`: `{}`", named.path);
                findings.push(file.finding(named.line, message));
            }
        }
    }
    findings
}

/// The other room whose rules a path names: `other::rules`, or `other::Command` and the like.
fn foreign_rules<'a>(segments: &[&'a str], own: &str, rooms: &BTreeSet<&str>) -> Option<&'a str> {
    let pair = segments.windows(2).find(|pair| {
        let is_other = pair[0] != own && rooms.contains(pair[0]);
        is_other && (pair[1] == "rules" || RULE_NAMES.contains(&pair[1]))
    })?;
    Some(pair[0])
}

/// The rooms that the store may know: the journal that it writes, and whether who asks still may.
const SPINE: [&str; 2] = ["account", "audit"];

/// The store knows no room but the spine's.
pub fn store_knows_the_spine(tree: &Tree) -> Vec<Finding> {
    let rooms = rooms(tree);
    let mut findings = Vec::new();
    for file in tree.sources.iter().filter(|file| file.path().starts_with("crates/store/src/")) {
        for named in file.names.iter().filter(|named| !named.in_test) {
            let segments = named.segments();
            let room = segments.windows(2).find(|pair| pair[0] == "fleet" && rooms.contains(pair[1]));
            if let Some(room) = room.map(|pair| pair[1]).filter(|room| !SPINE.contains(room)) {
                let message = format!("the store knows the room `{room}`: `{}`", named.path);
                findings.push(file.finding(named.line, message));
            }
        }
    }
    findings
}

/// SQL stands in a room's store and in the store crate, nowhere else.
pub fn sql_in_stores(file: &SourceFile) -> Vec<Finding> {
    let path = file.path();
    let in_room = path.starts_with(ROOMS_FOLDER) && (path.ends_with("/store.rs") || path.contains("/store/"));
    if in_room || path.starts_with("crates/store/") {
        return Vec::new();
    }
    let literals = file.words.iter().filter(|word| is_sql(&word.text));
    literals.map(|word| file.finding(word.line, "SQL outside a store")).collect()
}

/// Whether a token is a string literal that begins like an SQL statement.
fn is_sql(token: &str) -> bool {
    let Some((before, text)) = token.split_once('"') else { return false };
    let text = text.trim_start_matches(['\\', 'n']).trim_start();
    let verb = SQL_VERBS.iter().find_map(|verb| text.strip_prefix(verb));
    matches!(before, "" | "r" | "r#") && verb.is_some_and(|rest| rest.starts_with([' ', '\n', '\\']))
}

/// State, Command and Refusal are never written out; an Event that is says so.
pub fn stored_shapes(file: &SourceFile) -> Vec<Finding> {
    if !is_rules(file.path()) {
        return Vec::new();
    }
    let mut shapes = Shapes { file, findings: Vec::new() };
    shapes.visit_file(&file.syntax);
    shapes.findings
}

struct Shapes<'a> {
    file: &'a SourceFile,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Shapes<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.look(&item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.look(&item.ident, &item.attrs);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let is_written_out =
            |path: &syn::Path| path.segments.last().is_some_and(|last| is_serde(&last.ident.to_string()));
        let syn::Type::Path(of) = &*item.self_ty else { return };
        if let (Some((_, path, _)), Some(name)) = (&item.trait_, of.path.get_ident())
            && is_written_out(path)
        {
            self.refuse(name);
        }
    }
}

impl Shapes<'_> {
    fn look(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        if !attributes.iter().any(derives_serde) {
            return;
        }
        self.refuse(name);
        let documented = attributes.iter().filter_map(doc_text).any(|text| text.contains("*Stored"));
        if name == "Event" && !documented {
            let message = "Event is written out, but its docs lack the mark *Stored*";
            self.findings.push(self.file.finding(name.span().start().line, message));
        }
    }

    fn refuse(&mut self, name: &syn::Ident) {
        if ["State", "Command", "Refusal"].iter().any(|core| name == core) {
            let message = format!("{name} may not be serialised: only events and views are promises");
            self.findings.push(self.file.finding(name.span().start().line, message));
        }
    }
}

fn is_serde(name: &str) -> bool {
    matches!(name, "Serialize" | "Deserialize")
}

fn derives_serde(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let is_derive = list.path.is_ident("derive") || list.path.is_ident("cfg_attr");
    is_derive && list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(is_serde)
}

/// The text of a doc attribute.
pub fn doc_text(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
    pair.path.is_ident("doc").then(|| text.value())
}
