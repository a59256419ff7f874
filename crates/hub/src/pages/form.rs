//! A form from the table: one input per argument.
use super::render::words;
use super::section::address;
use fleet::OPERATIONS;
use fleet::device::rules::Stage;
use fleet::device::view::allows;
use fleet::operation::{Field, Kind, OperationRow};
use fleet::permission::Session;
use serde_json::Value as Json;

/// The hidden field that makes a form post once, however often it is sent.
pub const KEY_FIELD: &str = "_key";

/// What may be longer gets more than one line.
const LINE_CHARS: u64 = 8_192;

/// A form.
pub struct Form {
    /// Where it posts to or gets from.
    pub path: String,
    /// `get` for a filter, `post` for a change.
    pub method: &'static str,
    /// The button.
    pub button: &'static str,
    /// What it does.
    pub about: String,
    /// The inputs.
    pub fields: Vec<Input>,
    /// An idempotency key; empty on a filter.
    pub key: String,
}

/// Another page about the same thing.
pub struct Link {
    /// What it is called.
    pub name: String,
    /// The address.
    pub path: String,
}

/// An input.
pub struct Input {
    /// Name, label, choices and default.
    pub field: Field,
    /// What stands in it.
    pub value: String,
    /// It is known from the page and not shown.
    pub hidden: bool,
    /// It may be a text of many lines.
    pub long: bool,
}

impl Input {
    /// Its name in words.
    pub fn label(&self) -> String {
        words(&self.field.name)
    }

    /// Whether `choice` is the chosen one.
    pub fn chosen(&self, choice: &str) -> bool {
        self.value == choice
    }
}

impl Form {
    /// The form of an operation, with what was given so far.
    pub fn new(row: &OperationRow, given: &[(String, String)]) -> Self {
        let (noun, verb) = row.noun_verb();
        // A list's place and length come from its links, not from a form.
        let paging =
            |field: &Field| row.kind == Kind::Read && ["after", "limit"].contains(&field.name.as_str());
        let schema = row.arguments_schema();
        let fields = row.fields().into_iter().filter(|field| !paging(field)).map(|field| {
            let known = given.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
            let value = known.or_else(|| field.default.clone()).unwrap_or_default();
            let long =
                schema["properties"][&field.name]["maxLength"].as_u64().is_some_and(|max| max > LINE_CHARS);
            Input { field, value, hidden: false, long }
        });
        let writes = row.kind == Kind::Write;
        Form {
            path: format!("/{noun}/{verb}"),
            method: if writes { "post" } else { "get" },
            button: if writes { verb } else { "show" },
            about: row.about(),
            fields: fields.collect(),
            key: if writes { fleet::audit::view::hex(&io::random::fill::<16>()) } else { String::new() },
        }
    }

    /// Whether something that must be given is not.
    pub fn misses_required(&self) -> bool {
        self.fields.iter().any(|input| input.field.required && input.value.is_empty())
    }

    /// Whether it narrows a list that is shown without it as well.
    pub fn is_filter(&self) -> bool {
        self.method == "get" && !self.fields.iter().any(|input| input.field.required)
    }

    /// Whether anything was given.
    pub fn is_used(&self) -> bool {
        self.fields.iter().any(|input| !input.value.is_empty())
    }

    /// Where a list goes on after `next`, with what it is narrowed by.
    pub fn next_path(&self, next: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for input in self.fields.iter().filter(|input| !input.value.is_empty()) {
            query.append_pair(&input.field.name, &input.value);
        }
        format!("{}?{}", self.path, query.append_pair("after", next).finish())
    }

    /// On a page that shows one thing: the other pages of its noun about that thing.
    pub fn related(&self, session: &Session, here: &OperationRow) -> Vec<Link> {
        let Some(subject) = self.fields.iter().find(|input| input.field.required) else { return Vec::new() };
        let (noun, _) = here.noun_verb();
        let fits = |row: &&OperationRow| {
            row.kind == Kind::Read
                && row.name != here.name
                && row.noun_verb().0 == noun
                && session.may(row)
                && row.fields().first().is_some_and(|f| f.required && f.name == subject.field.name)
        };
        let link = |row: &OperationRow| {
            let (_, verb) = row.noun_verb();
            let path = address(&format!("/{noun}/{verb}"), &subject.field.name, &subject.value);
            Link { name: verb.into(), path }
        };
        OPERATIONS.iter().filter(fits).map(link).collect()
    }

    /// On a page that shows one thing: the forms of the changes that may be asked of that thing. An answer says
    /// itself which are `possible`; of one that does not, they are those of its noun that the stage of the device
    /// lets through.
    pub fn actions(&self, session: &Session, noun: &str, answer: &Json, stage: Option<Stage>) -> Vec<Form> {
        let Some(subject) = self.fields.iter().find(|input| input.field.required) else { return Vec::new() };
        let given = [(subject.field.name.clone(), subject.value.clone())];
        let possible = answer["possible"].as_array();
        let offered = |row: &OperationRow| match possible {
            Some(possible) => possible.iter().any(|name| name == row.name),
            None => row.noun_verb().0 == noun && stage.is_none_or(|stage| allows(stage, row.name)),
        };
        let fits = |row: &&OperationRow| {
            let first = row.fields().into_iter().next();
            row.kind == Kind::Write
                && session.may(row)
                && offered(row)
                && first.is_some_and(|f| f.required && f.name == subject.field.name)
        };
        let form = |row: &OperationRow| {
            let mut form = Form::new(row, &given);
            form.fields.iter_mut().for_each(|input| input.hidden = input.field.name == subject.field.name);
            if row.noun_verb().0 != noun {
                form.button = row.name;
            }
            form
        };
        // What makes a new thing is not offered on an old one.
        let makes = |row: &&OperationRow| row.name.ends_with(" add") || row.name.ends_with(" expect");
        OPERATIONS.iter().filter(|row| fits(row) && !makes(row)).map(form).collect()
    }
}
