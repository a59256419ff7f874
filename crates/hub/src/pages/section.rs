//! Parts of a page: what they show, and asking for it.
use super::chart::Bar;
use super::form::Form;
use super::render::{Shape, Table};
use crate::Shared;
use fleet::device::rules::Stage;
use fleet::device::view::Names;
use fleet::operation::{Operation, OperationRow, row};
use fleet::permission::Session;
use fleet::refusal::Refusal;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// A part of a page with a heading of its own.
pub struct Section {
    /// Its name in the page's address.
    pub id: &'static str,
    /// The heading.
    pub title: String,
    /// The page that shows all of it.
    pub path: Option<String>,
    /// A line before it.
    pub about: String,
    /// What it shows.
    pub body: View,
}

/// What a section shows.
pub enum View {
    /// An answer.
    Shape(Shape),
    /// That there is nothing, in words.
    Empty(&'static str),
    /// Lines in their order.
    Lines(Vec<String>),
    /// What differs between two texts.
    Difference(Vec<Line>),
    /// A bar with its legend.
    Bar(Bar),
    /// Words with how often each counts, and the page that shows it.
    Counts(Vec<Count>),
}

/// How often something counts.
pub struct Count {
    /// What.
    pub word: String,
    /// How often.
    pub count: i64,
    /// The page that shows it.
    pub path: String,
}

/// A line of a difference.
pub struct Line {
    /// `added`, `removed` or `same`.
    pub class: &'static str,
    /// The line with its mark.
    pub text: String,
}

/// The lines of a difference: each begins with ` `, `-` or `+`.
pub fn difference(text: &str) -> View {
    let line = |text: &str| {
        let class = match text.as_bytes().first() {
            Some(b'+') => "added",
            Some(b'-') => "removed",
            _ => "same",
        };
        Line { class, text: text.into() }
    };
    View::Difference(text.lines().map(line).collect())
}

impl Section {
    /// A section with nothing but its heading and its body.
    pub fn new(id: &'static str, title: impl Into<String>, body: View) -> Self {
        Section { id, title: title.into(), path: None, about: String::new(), body }
    }

    /// A table, or in words that it is empty.
    pub fn table(id: &'static str, title: impl Into<String>, table: Table, empty: &'static str) -> Self {
        let body = match table.rows.is_empty() {
            true => View::Empty(empty),
            false => View::Shape(Shape::Table { table, next: None }),
        };
        Section::new(id, title, body)
    }

    /// With the page that shows all of it.
    pub fn at(self, path: impl Into<String>) -> Self {
        Section { path: Some(path.into()), ..self }
    }

    /// With a line before it.
    pub fn about(self, about: impl Into<String>) -> Self {
        Section { about: about.into(), ..self }
    }
}

/// What a page of its own shows.
#[derive(Default)]
pub struct Content {
    /// The heading; the operation's name when there is none.
    pub title: Option<String>,
    /// The line below it; what the operation does when there is none.
    pub about: Option<String>,
    /// Before the answer.
    pub before: Vec<Section>,
    /// The answer; nothing when the sections say all of it.
    pub answer: Option<Shape>,
    /// After the answer.
    pub after: Vec<Section>,
    /// The stage of the device that the page is about, if it is about one and its answer does not say what is
    /// possible.
    pub stage: Option<Stage>,
}

/// Whoever asks the fleet for a page.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// The hub.
    pub shared: &'a Shared,
    /// Who looks at the page.
    pub session: &'a Session,
}

impl Asker<'_> {
    /// The answer of an operation.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn ask<O: Operation>(self, arguments: Json) -> Result<Json, Refusal> {
        self.shared.desk.run(self.session, &row::<O>(), arguments, None).await
    }

    /// The answer of an operation, if its asker may have it. A page is shown without what it cannot have, and
    /// who may not ask is not asked for: that would be written to the journal.
    pub async fn maybe<O: Operation>(self, arguments: Json) -> Option<Json> {
        if !self.session.may(&row::<O>()) {
            return None;
        }
        self.ask::<O>(arguments).await.ok()
    }

    /// An answer as any page shows it.
    pub fn shape<O: Operation>(self, answer: &Json) -> Shape {
        let row: OperationRow = row::<O>();
        Shape::of(answer, &row, &Form::new(&row, &[]), &Json::Null)
    }

    /// What the devices of an answer are called that says no more than their ids.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn names_in(self, answer: &Json) -> Result<Json, Refusal> {
        let things = items(answer).iter().chain([answer]);
        let nameless = things.filter(|it| it["name"].is_null()).filter_map(|it| it["device"].as_str());
        self.names(nameless.map(String::from).collect()).await
    }

    /// What devices are called, by their ids.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn names(self, devices: BTreeSet<String>) -> Result<Json, Refusal> {
        match devices.is_empty() {
            true => Ok(Json::Null),
            false => self.shared.desk.own(self.session, Names { devices }).await,
        }
    }
}

/// The items of a list.
pub fn items(answer: &Json) -> &[Json] {
    answer["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text of an answer; empty when it has none.
pub fn text<'a>(item: &'a Json, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

/// A number of an answer; 0 when it has none.
pub fn number(item: &Json, name: &str) -> i64 {
    item[name].as_i64().unwrap_or_default()
}

/// An address with one argument.
pub fn address(path: &str, name: &str, value: &str) -> String {
    format!("{path}?{}", form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish())
}
