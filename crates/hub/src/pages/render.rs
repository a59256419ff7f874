//! Any answer as HTML: a list as a table, one thing as its parts.
use fleet::OPERATIONS;
use fleet::operation::{Kind, OperationRow};
use serde_json::{Map, Value as Json};

/// How an answer is shown.
pub enum Shape {
    /// A page of a list.
    Table {
        /// The columns' names.
        columns: Vec<String>,
        /// The rows' cells.
        rows: Vec<Vec<Cell>>,
        /// Where the list goes on.
        next: Option<String>,
    },
    /// One thing.
    Parts(Vec<(String, Cell)>),
}

/// A value, perhaps with the page that shows more of it.
pub struct Cell {
    /// The text.
    pub text: String,
    /// The address of its own page.
    pub link: Option<String>,
}

impl Shape {
    /// The shape of `answer` to the operation of `row`. Columns and parts come in the order in which
    /// the answer's type declares them.
    pub fn of(answer: &Json, row: &OperationRow) -> Self {
        let schema = row.answer_schema();
        match answer["items"].as_array() {
            Some(items) => {
                let columns = names(&schema["properties"]["items"]["items"]);
                let rows = items.iter().map(|item| cells(item, &columns, row)).collect();
                Shape::Table { columns, rows, next: answer["next"].as_str().map(|next| next_path(row, next)) }
            }
            None => {
                let parts = names(&schema).into_iter().map(|name| {
                    let cell = Cell { text: text(&answer[&name]), link: None };
                    (name, cell)
                });
                Shape::Parts(parts.collect())
            }
        }
    }
}

fn names(schema: &Json) -> Vec<String> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).map(String::from).collect()
}

fn cells(item: &Json, columns: &[String], row: &OperationRow) -> Vec<Cell> {
    let mut link = show_link(item, row);
    columns.iter().map(|name| Cell { text: text(&item[name]), link: link.take() }).collect()
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

fn next_path(row: &OperationRow, next: &str) -> String {
    let (noun, verb) = row.noun_verb();
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("after", next).finish();
    format!("/{noun}/{verb}?{query}")
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
