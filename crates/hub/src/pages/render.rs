//! Any answer as HTML: a list as a table, one thing as its parts.
use super::form::Form;
use fleet::OPERATIONS;
use fleet::operation::{Kind, OperationRow};
use serde_json::{Map, Value as Json};

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

/// A value, perhaps with the page that shows more of it.
pub struct Cell {
    /// The text.
    pub text: String,
    /// The address of its own page.
    pub link: Option<String>,
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
                Shape::Parts(names(&schema).into_iter().map(|name| part(name, answer, &schema)).collect())
            }
        }
    }
}

fn part(name: String, answer: &Json, schema: &Json) -> Part {
    let value = match answer[&name].as_array() {
        Some(items) if items.first().is_some_and(Json::is_object) => {
            Value::Table(table(items, &schema["properties"][&name]["items"], None))
        }
        _ => Value::Text(text(&answer[&name])),
    };
    Part { name, value }
}

fn table(items: &[Json], schema: &Json, list: Option<&OperationRow>) -> Table {
    let says = |name: &String| items.iter().any(|item| !text(&item[name]).is_empty());
    let names: Vec<String> = names(schema).into_iter().filter(says).collect();
    let row = |item: &Json| {
        let mut link = list.and_then(|row| show_link(item, row));
        names.iter().map(|name| Cell { text: text(&item[name]), link: link.take() }).collect()
    };
    Table { rows: items.iter().map(row).collect(), columns: names.iter().map(|name| words(name)).collect() }
}

fn names(schema: &Json) -> Vec<String> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).map(String::from).collect()
}

/// The page that shows one item of a list: the noun's `show`, if the item has its first argument.
fn show_link(item: &Json, row: &OperationRow) -> Option<String> {
    let (noun, verb) = row.noun_verb();
    let show = OPERATIONS.iter().find(|r| r.noun_verb() == (noun, "show") && r.kind == Kind::Read)?;
    let subject = show.fields().into_iter().find(|f| f.required)?.name;
    let value = item[&subject].as_str()?;
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(&subject, value).finish();
    (verb == "list").then(|| format!("/{noun}/show?{query}"))
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
