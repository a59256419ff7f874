//! An answer on the terminal: a list as an aligned table, one thing as `name: value` lines, or JSON.
use crate::failure::{Failure, Problem};
use crate::limits::COLUMN_CHARS_MIN;
use fleet::operation::OperationRow;
use fleet::text::pem_in_short;
use serde_json::{Map, Value as Json};
use std::fmt::Write as _;
use std::io::{Write, stderr, stdout};

/// Between two columns.
const GAP: &str = "  ";

/// Prints the answers to one operation.
pub struct Printer {
    row: &'static OperationRow,
    json: bool,
    /// The columns of a list with their widths so far; empty before the first page.
    columns: Vec<(String, usize)>,
}

impl Printer {
    /// A printer for the answers of `row`.
    pub fn new(row: &'static OperationRow, json: bool) -> Self {
        Printer { row, json, columns: Vec::new() }
    }

    /// Prints a whole answer.
    ///
    /// # Errors
    /// The output could not be written.
    pub fn answer(&mut self, answer: &Json) -> Result<(), Failure> {
        if self.json {
            return line(&answer.to_string());
        }
        if !answer["items"].is_array() {
            return stdout_all(&lines(answer, &names(&self.row.answer_schema())));
        }
        self.items(answer)?;
        if let Some(next) = answer["next"].as_str() {
            aside(&format!("more: add `--after '{}'`, or `--all`", visible(next)));
        }
        Ok(())
    }

    /// Prints the items of one page of a list.
    ///
    /// # Errors
    /// The output could not be written.
    pub fn items(&mut self, page: &Json) -> Result<(), Failure> {
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        if self.json {
            let text: String = items.iter().map(|item| format!("{item}\n")).collect();
            return stdout_all(&text);
        }
        let first = self.columns.is_empty();
        if first {
            let names = names(&self.row.answer_schema()["properties"]["items"]["items"]);
            self.columns = names.into_iter().map(|name| (name, 0)).collect();
        }
        let rows: Vec<Vec<String>> = items
            .iter()
            .map(|item| self.columns.iter().map(|(name, _)| text(&item[name])).collect())
            .collect();
        widen(&mut self.columns, &rows);
        if let Some(width) = terminal_width() {
            narrow(&mut self.columns, width);
        }
        let heads = first.then(|| self.columns.iter().map(|(name, _)| name.to_uppercase()).collect());
        stdout_all(&table(&self.columns, heads.into_iter().chain(rows)))
    }

    /// Prints a problem for programs: on standard output, if JSON was asked for.
    ///
    /// # Errors
    /// The output could not be written.
    pub fn problem(&self, problem: &Problem) -> Result<(), Failure> {
        if self.json { line_if_read(&problem.0.to_string()) } else { Ok(()) }
    }
}

/// Prints one line.
///
/// # Errors
/// The output could not be written.
pub fn line(text: &str) -> Result<(), Failure> {
    stdout_all(&format!("{text}\n"))
}

/// Prints one line for whoever still reads. That nobody does changes nothing: what comes of it is said by the
/// exit code too.
///
/// # Errors
/// The output could not be written for another reason.
pub fn line_if_read(text: &str) -> Result<(), Failure> {
    match line(text) {
        Err(Failure::Unread) => Ok(()),
        told => told,
    }
}

/// Says something on standard error. That nobody can read it changes nothing.
pub fn aside(text: &str) {
    // Nobody is left who could be told.
    let _ = writeln!(stderr().lock(), "{text}");
}

fn stdout_all(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The members of an answer's type: those that are always there in the order of their declaration, then the
/// others by name.
fn names(schema: &Json) -> Vec<String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let mut names: Vec<String> = required.map(String::from).collect();
    let all = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name);
    let others: Vec<String> = all.filter(|name| !names.contains(name)).cloned().collect();
    names.extend(others);
    names
}

fn lines(answer: &Json, names: &[String]) -> String {
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default() + 1;
    let given = names.iter().filter(|name| answer.get(name.as_str()).is_some());
    given.fold(String::new(), |mut lines, name| {
        let value = &answer[name];
        match value.as_array() {
            None => lines.push_str(&padded(&format!("{name}:"), width, &text(value))),
            Some(items) => {
                let _ = writeln!(lines, "{name}:");
                items.iter().for_each(|item| {
                    let _ = writeln!(lines, "{GAP}{}", text(item));
                });
            }
        }
        lines
    })
}

fn padded(name: &str, width: usize, value: &str) -> String {
    let line = format!("{name:<width$} {value}");
    format!("{}\n", line.trim_end())
}

fn widen(columns: &mut [(String, usize)], rows: &[Vec<String>]) {
    for (place, (name, width)) in columns.iter_mut().enumerate() {
        let cells = rows.iter().map(|row| chars(&row[place]));
        *width = cells.chain([chars(name), *width]).max().unwrap_or_default();
    }
}

/// Takes from the widest column until the table fits, or every column is as narrow as it may be.
fn narrow(columns: &mut [(String, usize)], width: usize) {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    let mut total: usize = gaps + columns.iter().map(|(_, width)| width).sum::<usize>();
    while total > width {
        match columns.iter_mut().map(|(_, width)| width).max() {
            Some(widest) if *widest > COLUMN_CHARS_MIN => *widest -= 1,
            _ => return,
        }
        total -= 1;
    }
}

fn table(columns: &[(String, usize)], rows: impl Iterator<Item = Vec<String>>) -> String {
    rows.fold(String::new(), |mut table, row| {
        let cells =
            row.iter().zip(columns).map(|(cell, (_, width))| format!("{:<width$}", cut(cell, *width)));
        let _ = writeln!(table, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end());
        table
    })
}

fn cut(cell: &str, width: usize) -> String {
    if chars(cell) <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => visible(pem_in_short(text).as_deref().unwrap_or(text)),
        Json::Object(members) => object(members),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn object(members: &Map<String, Json>) -> String {
    members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(" ")
}

/// A terminal obeys control characters; what others wrote must not reach it as such.
fn visible(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() });
    shown.collect()
}

fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use super::{cut, lines, names, narrow, table, text, visible, widen};
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(width: usize, rows: &[[&str; 3]], expect: Expect) {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(String::from).to_vec()).collect();
        let mut columns: Vec<(String, usize)> = ["name", "stage", "why"].map(|n| (n.into(), 0)).to_vec();
        widen(&mut columns, &rows);
        narrow(&mut columns, width);
        expect.assert_eq(&table(&columns, rows.into_iter()));
    }

    #[test]
    fn tables_are_aligned_and_fit() {
        let rows = [["lamp-1", "expected", ""], ["lampe-größer", "retired", "support has ended long ago"]];
        check(
            200,
            &rows,
            expect![[r"
            lamp-1        expected
            lampe-größer  retired   support has ended long ago
        "]],
        );
        check(
            40,
            &rows,
            expect![[r"
            lamp-1        expected
            lampe-größer  retired   support has end…
        "]],
        );
        check(
            10,
            &rows,
            expect![[r"
            lamp-1    expected
            lampe-g…  retired   support…
        "]],
        );
    }

    #[test]
    fn what_may_be_nothing_comes_last() {
        let schema = json!({"properties": {"a": {}, "b": {}, "c": {}, "d": {}}, "required": ["d", "b"]});
        assert_eq!(names(&schema), ["d", "b", "a", "c"]);
    }

    #[test]
    fn things_are_lines() {
        let answer = json!({"name": "lamp", "attention": "", "list": [{"id": 7}, {"id": 8}]});
        let names = ["name", "attention", "list", "next"].map(String::from);
        expect![[r"
            name:      lamp
            attention:
            list:
              id=7
              id=8
        "]]
        .assert_eq(&lines(&answer, &names));
    }

    #[test]
    fn a_certificate_is_told_in_a_line() {
        let example = include_str!("../../fleet/src/onboarding/anchor/example.pem");
        let told = "certificate of Lumen example authority, good until 2126-10-29";
        assert_eq!(text(&json!(example)), told);
        assert_eq!(text(&json!(example.repeat(2))), format!("{told}; {told}"));
        assert_eq!(text(&json!("-----BEGIN CMS-----\nMIIC\n-----END CMS-----\n")), "CMS in PEM, 43 bytes");
    }

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(visible("a\u{1b}[2Jb\u{9b}"), r"a\u{1b}[2Jb\u{9b}");
        assert_eq!(text(&json!(["a", 1, null])), "a, 1, ");
        assert_eq!(cut("abcdef", 3), "ab…");
    }
}
