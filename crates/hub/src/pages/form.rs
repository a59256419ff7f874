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

/// The box that is ticked by who is sure.
pub const SURE_FIELD: &str = "_sure";

/// Changes that are not taken back by another one: their forms ask once more.
const FINAL: [&str; 11] = [
    "device retire",
    "onboarding revoke",
    "retirement begin",
    "retirement force",
    "remediation give-up",
    "rollout stop",
    "rollout cancel",
    "anchor remove",
    "account disable",
    "credential revoke",
    "product discontinue",
];

/// What may be asked of a device, by what it is about: a heading and its nouns.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Life", &["device", "onboarding", "retirement"]),
    ("Trouble", &["quarantine", "remediation", "finding"]),
    ("Configuration", &["configuration"]),
    ("Description and access", &["description", "access"]),
];

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
    /// Its change is not taken back by another one.
    pub is_final: bool,
    /// What its operation is about.
    noun: &'static str,
}

/// Forms about one matter.
pub struct Group {
    /// The matter; empty when all are about one.
    pub title: &'static str,
    /// The forms.
    pub forms: Vec<Form>,
}

impl Group {
    /// Forms by their matters.
    pub fn of(forms: Vec<Form>) -> Vec<Self> {
        let matter = |form: &Form| GROUPS.iter().position(|(_, nouns)| nouns.contains(&form.noun));
        let mut groups: Vec<Group> =
            GROUPS.iter().map(|(title, _)| Group { title, forms: Vec::new() }).collect();
        let mut others = Group { title: "Other", forms: Vec::new() };
        for form in forms {
            match matter(&form) {
                Some(place) => groups[place].forms.push(form),
                None => others.forms.push(form),
            }
        }
        groups.push(others);
        groups.retain(|group| !group.forms.is_empty());
        if let [only] = groups.as_mut_slice() {
            only.title = "";
        }
        groups
    }
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

    /// Whether it is a box to tick: what is not ticked says nothing, and that is `false`.
    pub fn is_box(&self) -> bool {
        self.field.kind == "boolean" && self.field.default.as_deref() == Some("false")
    }

    /// Whether something was given that would not be so without it.
    fn says(&self) -> bool {
        !self.value.is_empty() && self.field.default.as_ref() != Some(&self.value)
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
            is_final: FINAL.contains(&row.name),
            noun,
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
        self.fields.iter().any(Input::says)
    }

    /// Where a list goes on after `next`, with what it is narrowed by.
    pub fn next_path(&self, next: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for input in self.fields.iter().filter(|input| input.says()) {
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

#[cfg(test)]
mod tests {
    use super::{FINAL, Form, GROUPS, Group};
    use fleet::OPERATIONS;
    use fleet::operation::Kind;

    #[test]
    fn what_is_listed_here_is_in_the_table() {
        for name in FINAL {
            assert!(OPERATIONS.iter().any(|row| row.name == name && row.kind == Kind::Write), "{name}");
        }
        for noun in GROUPS.iter().flat_map(|(_, nouns)| *nouns) {
            assert!(OPERATIONS.iter().any(|row| row.noun_verb().0 == *noun), "{noun}");
        }
    }

    #[test]
    fn a_box_that_is_not_ticked_says_what_is_so_without_it() {
        for row in OPERATIONS {
            let boxes = row.fields().into_iter().filter(|field| field.kind == "boolean");
            for field in boxes {
                assert_eq!(field.default.as_deref(), Some("false"), "{}: {}", row.name, field.name);
            }
        }
    }

    #[test]
    fn forms_are_grouped_by_what_they_are_about() {
        let forms = |names: &[&str]| {
            let rows = OPERATIONS.iter().filter(|row| names.contains(&row.name));
            Group::of(rows.map(|row| Form::new(row, &[])).collect())
        };
        let titles = |groups: &[Group]| groups.iter().map(|group| group.title).collect::<Vec<_>>();
        assert_eq!(titles(&forms(&["device retire", "access activate"])), ["Life", "Description and access"]);
        assert_eq!(titles(&forms(&["rollout stop", "rollout pause"])), [""]);
        assert!(forms(&["device retire"])[0].forms[0].is_final);
    }
}
