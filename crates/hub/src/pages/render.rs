//! Any answer as HTML: a list as a table, one thing as its parts.
use super::chart::Bar;
use super::form::{Form, Link};
use super::section::address;
use fleet::OPERATIONS;
use fleet::operation::{Kind, OperationRow};
use fleet::text::pem_in_short;
use serde_json::{Map, Value as Json};

/// A word that is longer is broken where a line ends.
const WORD_CHARS: usize = 20;
/// A text in a row that is longer is folded.
const FOLDED_CHARS: usize = 300;
/// So much of a folded text, or of a digest, is shown.
const SHOWN_CHARS: usize = 12;
/// A text of more is a sentence, whose column is not as narrow as a word.
const SENTENCE_CHARS: usize = 40;
/// A SHA-256 in hexadecimal digits.
const DIGEST_CHARS: usize = 64;
/// The page of a device.
const DEVICE: &str = "/device/show";

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
    /// Rows of few words, which a narrow page shows without their columns' names.
    pub is_dense: bool,
}

impl Table {
    /// A table.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>, rows: Vec<Vec<Cell>>) -> Self {
        Table { columns: columns.into_iter().map(String::from).collect(), rows, is_dense: false }
    }
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
    /// It counts nothing: a narrow page leaves it out.
    pub is_zero: bool,
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

    /// A device, by what it is called if that is known.
    pub fn device(id: &str, names: &Json) -> Self {
        Cell::link(names[id].as_str().unwrap_or(id), address(DEVICE, "device", id))
    }

    /// How often something counts.
    pub fn count(count: &Json) -> Self {
        Cell { is_zero: count == 0, ..Cell::text(count.to_string()) }
    }

    /// A text whose end nobody wants to read in a row.
    fn folded(text: String) -> Self {
        let short = |text: &str| text.chars().take(SHOWN_CHARS).chain(['\u{2026}']).collect::<String>();
        let is_digest = text.len() == DIGEST_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match pem_in_short(&text) {
            Some(told) => Cell { more: text, ..Cell::text(told) },
            None if is_digest || text.chars().count() > FOLDED_CHARS => {
                Cell { more: text.clone(), ..Cell::text(short(&text)) }
            }
            None => Cell::text(text),
        }
    }

    /// Whether it has a word that is longer than a line may be.
    pub fn is_long(&self) -> bool {
        let texts = [&self.text, &self.small];
        texts.iter().any(|text| text.split([' ', '-', '\n']).any(|word| word.chars().count() > WORD_CHARS))
    }

    /// Whether it is a sentence.
    pub fn is_sentence(&self) -> bool {
        self.text.chars().count() > SENTENCE_CHARS
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
    /// A text, or several words.
    Cells(Vec<Cell>),
    /// A list of things.
    Table(Table),
}

impl Part {
    /// A part of one text.
    pub fn new(name: &str, cell: Cell) -> Self {
        Part { name: name.into(), value: Value::Cells(vec![cell]) }
    }

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
    /// The shape of `answer` to the operation of `row`. Columns and parts that say something come in the order in
    /// which the answer's type declares them, those that may be absent last. `names` says what devices are called.
    pub fn of(answer: &Json, row: &OperationRow, form: &Form, names: &Json) -> Self {
        let schema = row.answer_schema();
        match answer["items"].as_array() {
            Some(items) => {
                let table = table(items, &schema["properties"]["items"]["items"], Some(row), names);
                Shape::Table { table, next: answer["next"].as_str().map(|next| form.next_path(next)) }
            }
            None => {
                let says = |name: &String| !text(&answer[name]).is_empty();
                let members = members(&schema).into_iter().filter(says);
                Shape::Parts(members.map(|name| part(name, answer, &schema, names)).collect())
            }
        }
    }
}

fn part(name: String, answer: &Json, schema: &Json, names: &Json) -> Part {
    let of = &schema["properties"][&name];
    if let Json::Object(thing) = &answer[&name] {
        return Part::new(&name, Cell::text(object(thing, "\n")));
    }
    let value = match answer[&name].as_array() {
        Some(items) if items.first().is_some_and(Json::is_object) => {
            Value::Table(table(items, &of["items"], None, names))
        }
        Some(items) if is_word(&of["items"]) => {
            Value::Cells(items.iter().map(|it| Cell::badge(text(it))).collect())
        }
        _ => Value::Cells(vec![cell(&name, answer, schema, names)]),
    };
    Part { name, value }
}

/// A value as its type wants to be shown.
fn cell(name: &str, item: &Json, schema: &Json, names: &Json) -> Cell {
    let (value, of) = (&item[name], &schema["properties"][name]);
    let text = text(value);
    match name {
        _ if text.is_empty() => Cell::default(),
        "device" if item["name"].is_null() => Cell::device(&text, names),
        _ if is_moment(of) => Cell::time(&text),
        _ if is_word(of) => Cell::badge(text),
        _ if value.is_string() => Cell::folded(text),
        _ => Cell::text(text),
    }
}

/// `Option` says what a type is within `anyOf`.
fn inner(schema: &Json) -> &Json {
    schema["anyOf"].get(0).unwrap_or(schema)
}

fn is_moment(schema: &Json) -> bool {
    inner(schema)["format"] == "date-time"
}

/// Whether a type is one of a few words.
fn is_word(schema: &Json) -> bool {
    inner(schema)["oneOf"][0]["const"].is_string()
}

fn table(items: &[Json], schema: &Json, list: Option<&OperationRow>, devices: &Json) -> Table {
    let says = |name: &String| items.iter().any(|item| !text(&item[name]).is_empty());
    // What has a name is not told by its id.
    let has_name = schema["properties"]["name"].is_object();
    let tells = |name: &String| says(name) && !(has_name && name == "device");
    let names: Vec<String> = members(schema).into_iter().filter(tells).collect();
    let row = |item: &Json| {
        let mut link = list.and_then(|row| show_link(item, row));
        let cell = |name: &String| {
            let mut cell = cell(name, item, schema, devices);
            // What has a device's id beside its name is that device.
            if let ("name", Some(device)) = (name.as_str(), item["device"].as_str()) {
                cell.link = Some(address(DEVICE, "device", device));
            }
            if cell.link.is_none() && !cell.text.is_empty() {
                cell.link = link.take();
            }
            // One way to a page is enough.
            link.take_if(|link| cell.link.as_ref() == Some(link));
            cell
        };
        names.iter().map(cell).collect()
    };
    let rows = items.iter().map(row).collect();
    Table { rows, columns: names.iter().map(|name| words(name)).collect(), is_dense: false }
}

/// The members of an answer's type, but for the forms that it asks for: those that are always there in the order of
/// their declaration, then the others by name.
fn members(schema: &Json) -> Vec<String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let mut names: Vec<String> = required.map(String::from).collect();
    let all = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name);
    let others: Vec<String> = all.filter(|name| !names.contains(name)).cloned().collect();
    names.extend(others);
    names.retain(|name| name != "possible" && name != "next");
    names
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
        Json::Object(members) => object(members, ", "),
        other => other.to_string(),
    }
}

fn object(members: &Map<String, Json>, between: &str) -> String {
    let said = members.iter().map(|(name, value)| (words(name), text(value)));
    let said = said.filter(|(_, value)| !value.is_empty());
    let told = said.map(|(name, value)| format!("{name}: {}", pem_in_short(&value).unwrap_or(value)));
    told.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::{Cell, FOLDED_CHARS, members, table};
    use serde_json::{Value as Json, json};

    #[test]
    fn what_may_be_absent_comes_last_and_is_shown() {
        let schema =
            json!({"properties": {"a": {}, "b": {}, "possible": {}, "z": {}}, "required": ["z", "possible"]});
        assert_eq!(members(&schema), ["z", "a", "b"]);
        let shown = table(&[json!({"z": 1}), json!({"z": 2, "b": "x"})], &schema, None, &Json::Null);
        assert_eq!(shown.columns, ["z", "b"]);
    }

    #[test]
    fn what_is_long_is_folded() {
        let check = |text: &str, shown: &str, is_folded: bool| {
            let cell = Cell::folded(text.into());
            assert_eq!((cell.text.as_str(), !cell.more.is_empty()), (shown, is_folded));
        };
        check("short", "short", false);
        check("-----BEGIN CMS-----\nMIIC\n-----END CMS-----\n", "CMS in PEM, 43 bytes", true);
        check(&"0123456789abcdef".repeat(4), "0123456789ab\u{2026}", true);
        check(&"word ".repeat(FOLDED_CHARS), "word word wo\u{2026}", true);
    }

    #[test]
    fn devices_are_called_by_their_names() {
        let check = |item: Json, schema: Json, shown: &str| {
            let table = table(&[item], &schema, None, &json!({"d1": "hall"}));
            let cell = &table.rows[0][0];
            assert_eq!((cell.text.as_str(), cell.link.as_deref()), (shown, Some("/device/show?device=d1")));
            assert_eq!(table.rows[0].len(), 1);
        };
        check(json!({"device": "d1"}), json!({"properties": {"device": {}}}), "hall");
        let named = json!({"properties": {"device": {}, "name": {}}});
        check(json!({"device": "d1", "name": "lobby"}), named, "lobby");
    }
}
