//! Any answer as HTML: a list as a table, one thing as its parts.
use super::chart::Bar;
use super::form::{Form, Link};
use super::section::address;
use fleet::OPERATIONS;
use fleet::operation::{Kind, OperationRow};
use serde_json::{Map, Value as Json};

/// A word that is longer is broken where a line ends.
const WORD_CHARS: usize = 20;

/// How an answer is shown.
pub enum Shape {
    /// A page of a list.
    Table {
        /// The rows.
        table: Table,
        /// Where the list goes on.
        next: Option<String>,
    },
    /// One thing.
    Parts(Vec<Part>),
}

/// Rows of things of one type.
pub struct Table {
    /// The columns' names in words: those that say anything in any row.
    pub columns: Vec<String>,
    /// The rows' cells.
    pub rows: Vec<Vec<Cell>>,
}

/// A value, perhaps with what belongs to it.
#[derive(Default)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// The address of its own page.
    pub link: Option<String>,
    /// A word of a few, which is shown as a mark.
    pub badge: bool,
    /// A moment, which stays in one line.
    pub time: bool,
    /// More of it, in small.
    pub small: String,
    /// More of it, folded.
    pub more: String,
    /// Other pages.
    pub links: Vec<Link>,
    /// A chart.
    pub bar: Option<Bar>,
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Cell { text: text.into(), ..Cell::default() }
    }

    /// A text that leads to its page.
    pub fn link(text: impl Into<String>, path: impl Into<String>) -> Self {
        Cell { link: Some(path.into()), ..Cell::text(text) }
    }

    /// A word of a few.
    pub fn badge(word: impl Into<String>) -> Self {
        Cell { badge: true, ..Cell::text(word) }
    }

    /// A moment of RFC 3339.
    pub fn time(text: &str) -> Self {
        Cell { time: true, ..Cell::text(moment(text)) }
    }

    /// Whether it has a word that is longer than a line may be.
    pub fn is_long(&self) -> bool {
        let texts = [&self.text, &self.small, &self.more];
        texts.iter().any(|text| text.split([' ', '-', '\n']).any(|word| word.chars().count() > WORD_CHARS))
    }

    /// A chart.
    pub fn bar(bar: Bar) -> Self {
        Cell { bar: Some(bar), ..Cell::default() }
    }
}

/// A part of one thing.
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it is.
    pub value: Value,
}

/// What a part is.
pub enum Value {
    /// A text.
    Text(String),
    /// A list of things.
    Table(Table),
}

impl Part {
    /// Its name in words.
    pub fn label(&self) -> String {
        words(&self.name)
    }
}

/// A name as people write it.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A moment of RFC 3339 in UTC as a page shows it: to the second, without the letters.
pub fn moment(text: &str) -> String {
    match text.split_once('T') {
        Some((date, time)) => format!("{date} {}", time.split(['.', 'Z']).next().unwrap_or(time)),
        None => text.into(),
    }
}

impl Shape {
    /// The shape of `answer` to the operation of `row`. Columns and parts come in the order in which
    /// the answer's type declares them.
    pub fn of(answer: &Json, row: &OperationRow, form: &Form) -> Self {
        let schema = row.answer_schema();
        match answer["items"].as_array() {
            Some(items) => {
                let table = table(items, &schema["properties"]["items"]["items"], Some(row));
                Shape::Table { table, next: answer["next"].as_str().map(|next| form.next_path(next)) }
            }
            None => {
                let says = |name: &String| !text(&answer[name]).is_empty();
                let names = names(&schema).into_iter().filter(says);
                Shape::Parts(names.map(|name| part(name, answer, &schema)).collect())
            }
        }
    }
}

fn part(name: String, answer: &Json, schema: &Json) -> Part {
    let of = &schema["properties"][&name];
    let value = match answer[&name].as_array() {
        Some(items) if items.first().is_some_and(Json::is_object) => {
            Value::Table(table(items, &of["items"], None))
        }
        _ => Value::Text(shown(&answer[&name], of)),
    };
    Part { name, value }
}

/// A value as text; a moment as pages show it.
fn shown(value: &Json, schema: &Json) -> String {
    if is_moment(schema) { moment(&text(value)) } else { text(value) }
}

fn is_moment(schema: &Json) -> bool {
    // `Option<Shown>` says it within `anyOf`.
    [schema, &schema["anyOf"][0]].iter().any(|schema| schema["format"] == "date-time")
}

fn table(items: &[Json], schema: &Json, list: Option<&OperationRow>) -> Table {
    let says = |name: &String| items.iter().any(|item| !text(&item[name]).is_empty());
    // What has a name is not told by its id.
    let has_name = schema["properties"]["name"].is_object();
    let tells = |name: &String| says(name) && !(has_name && name == "device");
    let names: Vec<String> = names(schema).into_iter().filter(tells).collect();
    let row = |item: &Json| {
        let mut link = list.and_then(|row| show_link(item, row));
        let cell = |name: &String| Cell {
            link: link.take(),
            time: is_moment(&schema["properties"][name]),
            ..Cell::text(shown(&item[name], &schema["properties"][name]))
        };
        names.iter().map(cell).collect()
    };
    Table { rows: items.iter().map(row).collect(), columns: names.iter().map(|name| words(name)).collect() }
}

/// The members of an answer's type, but for the forms that it asks for.
fn names(schema: &Json) -> Vec<String> {
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
    names.filter(|name| *name != "possible").map(String::from).collect()
}

/// The page that shows one item of a list: the noun's `show`, if the item has its first argument.
fn show_link(item: &Json, row: &OperationRow) -> Option<String> {
    let (noun, verb) = row.noun_verb();
    let show = OPERATIONS.iter().find(|r| r.noun_verb() == (noun, "show") && r.kind == Kind::Read)?;
    let subject = show.fields().into_iter().find(|f| f.required)?.name;
    let value = item[&subject].as_str()?;
    (verb == "list").then(|| address(&format!("/{noun}/show"), &subject, value))
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        Json::Object(members) => object(members),
        other => other.to_string(),
    }
}

fn object(members: &Map<String, Json>) -> String {
    members.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join(", ")
}
