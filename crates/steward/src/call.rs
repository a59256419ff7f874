//! `steward noun verb`: from words to an operation, to its answer, to the output.
use crate::cli::{WHY_OPTION, is_lines, is_list};
use crate::failure::{Failure, failed, usage};
use crate::limits::{ALL_PAGE_ITEMS_MAX, ARGUMENT_FILE_BYTES_MAX};
use crate::local::Local;
use crate::print::Printer;
use crate::remote::Remote;
use crate::target::TargetWords;
use clap::{ArgMatches, FromArgMatches};
use fleet::operation::{Kind, OperationRow};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};

/// Who answers.
enum Answerer {
    Hub { remote: Box<Remote>, runtime: Runtime, key: String },
    Folder(Local),
}

/// Runs the operation of `row` and prints its answer.
///
/// # Errors
/// [`Failure`], after the problem was printed too when JSON was asked for.
pub fn run(row: &'static OperationRow, words: &ArgMatches) -> Result<(), Failure> {
    let mut printer = Printer::new(row, words.get_flag("json"));
    let done = ask(row, words, &mut printer);
    if let Err(Failure::Refused(problem)) = &done {
        printer.problem(problem)?;
    }
    done
}

fn ask(row: &'static OperationRow, words: &ArgMatches, printer: &mut Printer) -> Result<(), Failure> {
    let arguments = arguments(row, words)?;
    let mut answerer = Answerer::new(row, words)?;
    if is_list(row) && words.get_flag("all") {
        return ask_all(row, arguments, &mut answerer, printer);
    }
    printer.answer(&answerer.call(row, &arguments)?)
}

/// Follows a list, page by page.
fn ask_all(
    row: &OperationRow,
    mut arguments: Json,
    answerer: &mut Answerer,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if arguments["limit"].is_null() {
        arguments["limit"] = json!(ALL_PAGE_ITEMS_MAX);
    }
    loop {
        let page = answerer.call(row, &arguments)?;
        printer.items(&page)?;
        match page["next"].as_str() {
            // A hub that repeats itself must not keep us for ever.
            Some(next) if arguments["after"] != next => arguments["after"] = json!(next),
            Some(next) => return Err(failed(format!("the hub answered the place `{next}` twice"))),
            None => return Ok(()),
        }
    }
}

/// The arguments that were given, as JSON by the operation's schema.
fn arguments(row: &OperationRow, words: &ArgMatches) -> Result<Json, Failure> {
    let schema = row.arguments_schema();
    let mut given = Vec::new();
    for field in row.fields() {
        let by_name =
            || words.try_get_one::<String>(WHY_OPTION).ok().flatten().filter(|_| field.name == "why");
        if let Some(text) = words.get_one::<String>(&field.name).or_else(by_name) {
            let lines = is_lines(&schema["properties"][&field.name]);
            let text = match text.strip_prefix('@') {
                Some(file) if lines => read_text(Path::new(file))?,
                _ => text.clone(),
            };
            if field.required && text.is_empty() {
                let name = field.name.replace('_', "-");
                return Err(usage(format!("{name} is empty, and it has to be given: {}", field.about)));
            }
            given.push((field.name, text));
        }
    }
    Ok(row.coerce(given))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = io::files::read_limited(path, ARGUMENT_FILE_BYTES_MAX).map_err(usage)?;
    String::from_utf8(bytes).map_err(|why| usage(format!("{}: {why}", path.display())))
}

impl Answerer {
    fn new(row: &OperationRow, words: &ArgMatches) -> Result<Self, Failure> {
        if let (Kind::Read, Some(data)) = (row.kind, words.try_get_one::<PathBuf>("data").ok().flatten()) {
            let postgres = words.try_get_one::<String>("postgres").ok().flatten();
            return Ok(Answerer::Folder(Local::open(data, postgres)?));
        }
        let target = TargetWords::from_arg_matches(words).map_err(usage)?.find()?;
        let chosen = words.try_get_one::<String>("idempotency-key").ok().flatten().cloned();
        Ok(Answerer::Hub {
            remote: Box::new(Remote::new(&target)?),
            runtime: Builder::new_current_thread().enable_all().build().map_err(failed)?,
            key: chosen.unwrap_or_else(random_key),
        })
    }

    fn call(&mut self, row: &OperationRow, arguments: &Json) -> Result<Json, Failure> {
        match self {
            Answerer::Hub { remote, runtime, key } => runtime.block_on(remote.call(row, arguments, key)),
            Answerer::Folder(local) => local.call(row, arguments),
        }
    }
}

/// A key that nobody else takes.
pub fn random_key() -> String {
    fleet::audit::view::hex(&io::random::fill::<16>())
}
