//! What can be asked: the struct of arguments *is* the operation. Its doc comments are the help
//! text, the OpenAPI description and the form's labels; its type is the only parser.
use crate::permission::Permission;
use crate::refusal::{Blame, Refusal, Sort};
use crate::room::Cx;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks; runs on a reader's snapshot.
    Read,
    /// Changes; runs on the one writer.
    Write,
}

/// An operation: its arguments are the fields, its answer is a type, its name is `noun verb`.
pub trait Operation: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// `noun verb`: the command line's words, the API's path, the journal's action.
    const NAME: &'static str;
    /// Whether it changes anything.
    const KIND: Kind;
    /// The least permission that may run it.
    const NEEDS: Permission;
    /// Only a one-time sign-in link may run it.
    const BY_LINK: bool = false;
    /// The answer holds a secret: it is shown once and never kept.
    const SECRET: bool = false;
    /// It reads as long as the journal is: one such read runs at a time, so that others find a reader.
    const IS_LONG: bool = false;
    /// What it answers.
    type Answer: Serialize + JsonSchema;

    /// Does it. Called again with the same `cx` inputs when a batch had to be repeated.
    ///
    /// # Errors
    /// A [`Refusal`]; then nothing of it is kept.
    fn run(&self, cx: &mut Cx) -> Result<Self::Answer, Refusal>;
}

/// An operation whose arguments are parsed; the type is erased, not lost.
pub trait Call: Send + Sync {
    /// Its row in the table.
    fn row(&self) -> OperationRow;
    /// A digest of its name and arguments.
    fn digest(&self) -> [u8; 32];
    /// Runs it.
    ///
    /// # Errors
    /// The operation's refusal.
    fn run(&self, cx: &mut Cx) -> Result<Json, Refusal>;
}

impl<O: Operation> Call for O {
    fn row(&self) -> OperationRow {
        row::<O>()
    }
    fn digest(&self) -> [u8; 32] {
        // Serialising plain arguments cannot fail; were it to, two empty texts would only look equal
        // to the idempotency check of one asker's one key.
        let arguments = serde_json::to_vec(self).unwrap_or_default();
        Sha256::new().chain_update(O::NAME).chain_update([0]).chain_update(arguments).finalize().into()
    }
    fn run(&self, cx: &mut Cx) -> Result<Json, Refusal> {
        let answer = O::run(self, cx)?;
        serde_json::to_value(answer)
            .map_err(|e| Refusal::new(Sort::Failed, "unprintable", e.to_string()).blaming(Blame::Us))
    }
}

/// One line of the table of operations.
#[derive(Clone, Copy)]
pub struct OperationRow {
    /// `noun verb`.
    pub name: &'static str,
    /// Whether it changes anything.
    pub kind: Kind,
    /// The least permission that may run it.
    pub needs: Permission,
    /// Only a one-time sign-in link may run it.
    pub by_link: bool,
    /// The answer holds a secret.
    pub secret: bool,
    /// It reads as long as the journal is.
    pub is_long: bool,
    /// JSON to arguments.
    pub parse: fn(Json) -> Result<Box<dyn Call>, Refusal>,
    arguments: fn(&mut SchemaGenerator) -> Schema,
    answer: fn(&mut SchemaGenerator) -> Schema,
}

/// The row of an operation.
pub const fn row<O: Operation>() -> OperationRow {
    OperationRow {
        name: O::NAME,
        kind: O::KIND,
        needs: O::NEEDS,
        by_link: O::BY_LINK,
        secret: O::SECRET,
        is_long: O::IS_LONG,
        arguments: O::json_schema,
        answer: <O::Answer as JsonSchema>::json_schema,
        parse: |json| match serde_json::from_value::<O>(json) {
            Ok(call) => Ok(Box::new(call)),
            Err(why) => Err(Refusal::new(Sort::Malformed, "bad-arguments", format!("{}: {why}", O::NAME))),
        },
    }
}

/// One argument as the faces that speak text need it: query string, form, command line.
#[derive(Clone, Debug)]
pub struct Field {
    /// The argument's name.
    pub name: String,
    /// What it means: its doc comment.
    pub about: String,
    /// Whether it must be given.
    pub required: bool,
    /// `string`, `integer`, `boolean`.
    pub kind: String,
    /// The words it may be, if it is one of a few.
    pub choices: Vec<String>,
    /// What stands in when it is not given.
    pub default: Option<String>,
}

impl OperationRow {
    /// The two words of the name.
    pub fn noun_verb(&self) -> (&'static str, &'static str) {
        // A test holds that every name in the table is `noun verb`.
        self.name.split_once(' ').unwrap_or((self.name, ""))
    }

    /// JSON Schema of the arguments.
    pub fn arguments_schema(&self) -> Json {
        schema(self.arguments)
    }

    /// JSON Schema of the answer.
    pub fn answer_schema(&self) -> Json {
        schema(self.answer)
    }

    /// What it does: the doc comment of the argument struct.
    pub fn about(&self) -> String {
        self.arguments_schema()["description"].as_str().unwrap_or_default().to_string()
    }

    /// The arguments: first those that must be given, in the order of their declaration, then the
    /// others by name.
    pub fn fields(&self) -> Vec<Field> {
        let schema = self.arguments_schema();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let place = |name: &str| required.iter().position(|r| *r == name);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut fields: Vec<Field> =
            properties.map(|(name, property)| field(name, property, place(name).is_some())).collect();
        fields.sort_by_key(|f| place(&f.name).unwrap_or(usize::MAX));
        fields
    }

    /// Text to JSON by the schema, for the faces that have only text. serde still judges: what does
    /// not fit is passed on as it is and refused there. An empty text means "not given".
    pub fn coerce(&self, pairs: impl IntoIterator<Item = (String, String)>) -> Json {
        let fields = self.fields();
        let given = pairs.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| {
            let kind = fields.iter().find(|f| f.name == name).map_or("string", |f| f.kind.as_str());
            let value = match (kind, text.as_str()) {
                ("integer", number) => number.parse::<i64>().map_or(Json::String(text), Json::from),
                ("boolean", "true" | "on") => Json::Bool(true),
                ("boolean", "false") => Json::Bool(false),
                _ => Json::String(text),
            };
            (name, value)
        });
        Json::Object(given.collect::<Map<_, _>>())
    }
}

fn schema(of: fn(&mut SchemaGenerator) -> Schema) -> Json {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    of(&mut settings.into_generator()).to_value()
}

fn field(name: &str, property: &Json, required: bool) -> Field {
    // `Option<T>` is `{"anyOf": [T, {"type": "null"}]}` or `{"type": [T, "null"]}`.
    let inner = property["anyOf"].get(0).unwrap_or(property);
    let kind = inner["type"].as_str().or(inner["type"][0].as_str()).unwrap_or("string");
    let choices = inner["oneOf"].as_array().into_iter().flatten();
    Field {
        name: name.to_string(),
        about: property["description"].as_str().unwrap_or_default().to_string(),
        required,
        kind: kind.to_string(),
        choices: choices.filter_map(|c| c["const"].as_str()).map(String::from).collect(),
        default: match &property["default"] {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use crate::OPERATIONS;
    use crate::device::view::List;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_is_named_noun_verb_once_and_described() {
        let mut seen = BTreeSet::new();
        for row in OPERATIONS {
            let (noun, verb) = row.noun_verb();
            let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            assert!(word(noun) && word(verb), "{}", row.name);
            assert!(seen.insert(row.name), "{} stands twice", row.name);
            assert!(!row.about().is_empty(), "{} has no doc comment", row.name);
            for field in row.fields() {
                assert!(!field.about.is_empty(), "{}: {} has no doc comment", row.name, field.name);
            }
        }
    }

    #[test]
    fn secrets_are_made_not_read() {
        for row in OPERATIONS.iter().filter(|row| row.secret) {
            assert_eq!(row.kind, Kind::Write, "{}: a secret is made, not read", row.name);
        }
    }

    #[test]
    fn fields_come_from_the_schema() {
        let fields = super::row::<List>().fields();
        let stage = fields.iter().find(|f| f.name == "stage").expect("device list has a stage");
        assert_eq!((stage.required, stage.kind.as_str(), stage.choices.len()), (false, "string", 7));
        let limit = fields.iter().find(|f| f.name == "limit").expect("device list has a limit");
        assert_eq!((limit.kind.as_str(), limit.default.as_deref()), ("integer", Some("50")));
    }

    #[test]
    fn text_becomes_json_by_the_schema() {
        let check = |pairs: &[(&str, &str)], expect: serde_json::Value| {
            let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            assert_eq!(super::row::<List>().coerce(pairs), expect);
        };
        check(&[("limit", "7"), ("stage", "retired")], json!({"limit": 7, "stage": "retired"}));
        check(&[("limit", "seven")], json!({"limit": "seven"}));
        check(&[("site", "7")], json!({"site": "7"}));
        check(&[("site", "")], json!({}));
        check(&[("unknown", "x")], json!({"unknown": "x"}));
    }
}
