//! A form from the table: one input per argument.
use fleet::OPERATIONS;
use fleet::operation::{Field, Kind, OperationRow};
use fleet::permission::Session;

/// The hidden field that makes a form post once, however often it is sent.
pub const KEY_FIELD: &str = "_key";

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

/// An input.
pub struct Input {
    /// Name, label, choices and default.
    pub field: Field,
    /// What stands in it.
    pub value: String,
    /// It is known from the page and not shown.
    pub hidden: bool,
}

impl Input {
    /// Whether `choice` is the chosen one.
    pub fn chosen(&self, choice: &str) -> bool {
        self.value == choice
    }
}

impl Form {
    /// The form of an operation, with what was given so far.
    pub fn new(row: &OperationRow, given: &[(String, String)]) -> Self {
        let (noun, verb) = row.noun_verb();
        let fields = row.fields().into_iter().map(|field| {
            let known = given.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
            let value = known.or_else(|| field.default.clone()).unwrap_or_default();
            Input { field, value, hidden: false }
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

    /// On a page that shows one thing: the forms of the changes that its noun offers for that thing.
    pub fn actions(&self, session: &Session, noun: &str) -> Vec<Form> {
        let Some(subject) = self.fields.iter().find(|input| input.field.required) else { return Vec::new() };
        let given = [(subject.field.name.clone(), subject.value.clone())];
        let fits = |row: &&OperationRow| {
            let first = row.fields().into_iter().next();
            row.kind == Kind::Write
                && session.may(row)
                && row.noun_verb().0 == noun
                && first.is_some_and(|f| f.required && f.name == subject.field.name)
        };
        let form = |row: &OperationRow| {
            let mut form = Form::new(row, &given);
            form.fields.iter_mut().for_each(|input| input.hidden = input.field.name == subject.field.name);
            form
        };
        // What makes a new thing is not offered on an old one.
        let makes = |row: &&OperationRow| row.name.ends_with(" add") || row.name.ends_with(" expect");
        OPERATIONS.iter().filter(|row| fits(row) && !makes(row)).map(form).collect()
    }
}
