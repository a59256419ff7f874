//! The words of the command line: fixed ones, and one `noun verb` per operation of the table.
use crate::agent::AgentWords;
use crate::backup::BackupWords;
use crate::blob::BlobWords;
use crate::demo::DemoWords;
use crate::failure::{Failure, usage};
use crate::serve::ServeWords;
use crate::simulate::SimulateWords;
use crate::target::TargetWords;
use crate::{agent, backup, blob, call, demo, serve, simulate};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand, value_parser};
use clap_complete::Shell;
use fleet::OPERATIONS;
use fleet::operation::{Field, Kind, OperationRow};
use serde_json::Value as Json;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Help texts are no wider.
const HELP_CHARS: usize = 100;

const EXAMPLES: &str = "\
Examples:
  steward demo                     two hubs and a fleet on this machine, to look at
  steward serve --data ./hub       a hub; its ready-file is ./hub/ready.json
  steward device list --hub ./hub/ready.json
  steward audit verify --data ./hub
  steward backup create hub.backup --data ./hub

Exit codes: 0 done, 1 refused, 2 wrong words, 3 no hub could be reached.";

/// What stands below the words of `steward serve` in the help text.
const SERVE_EXAMPLE: &str = "\
Example:
  steward serve --data ./hub

Needs no permission: whoever may write its folder runs a hub.";

/// What stands below the words of `steward demo` in the help text.
const DEMO_EXAMPLE: &str = "\
Examples:
  steward demo
  steward demo --devices 8 --data ./demo
  steward demo --headless --json

Needs no permission: its hubs are its own.";

/// What stands below the words of `steward completion` in the help text.
const COMPLETION_EXAMPLE: &str = "\
Example:
  steward completion bash > /etc/bash_completion.d/steward

Needs no permission.";

/// What each noun of the table means, in one line.
const NOUNS: [(&str, &str); NOUN_COUNT] = [
    ("device", "Devices, and where each is in its life"),
    ("description", "What a device may reach, by its maker's MUD file"),
    ("onboarding", "Who may join: admission, LDevIDs and their end"),
    ("anchor", "Trusted makers: the authorities of IDevIDs"),
    ("restoration", "When this hub was restored from a backup"),
    ("access", "The plan of what a device may reach, and judging packets by it"),
    ("controller", "Hosts that stand for a class in descriptions"),
    ("gate", "A site's network side, which enforces plans"),
    ("configuration", "What a device is set to: versions, drift, orders"),
    ("operation", "What was asked of a device, until it answers"),
    ("quarantine", "Holding a device back from its network"),
    ("finding", "What was seen of a device that should not be"),
    ("remediation", "Playbooks that mend a device"),
    ("retirement", "Decommission: wiping, the last report, the archive"),
    ("support", "Until when makers look after their products"),
    ("attention", "Everything that waits for a person"),
    ("posture", "What is required of a fleet, and which devices fall short"),
    ("product", "A manufacturer's products, descriptions and releases"),
    ("release", "Firmware: what a maker publishes, what an operator fetches"),
    ("birth", "Devices that were born here with an IDevID"),
    ("voucher", "Vouchers that this maker issued for a device"),
    ("rollout", "Offering a release to devices, in waves"),
    ("firmware", "The rollouts that a device is or was in"),
    ("audit", "The journal: what happened, who did it, whether it is whole"),
    ("clock", "The hub's clock, when the journal is ahead of it"),
    ("account", "People and programs, and what they may"),
    ("token", "Secrets of programs"),
    ("link", "One-time links by which people sign in"),
    ("credential", "Ending a token, a link or a session"),
    ("session", "Who you are signed in as"),
];
const NOUN_COUNT: usize = 30;

/// The option that may say what the argument `why` says by its place.
pub const WHY_OPTION: &str = "why-option";

/// The noun whose verb `run` is a process of its own.
const GATE: &str = "gate";

/// Does what the command line says.
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("serve", words)) => serve::run(ServeWords::from_arg_matches(words).map_err(usage)?),
        Some(("agent", words)) => agent::run(&AgentWords::from_arg_matches(words).map_err(usage)?),
        Some(("demo", words)) => demo::run(&DemoWords::from_arg_matches(words).map_err(usage)?),
        Some(("simulate", words)) => simulate::run(&SimulateWords::from_arg_matches(words).map_err(usage)?),
        Some(("backup", words)) => backup::run(BackupWords::from_arg_matches(words).map_err(usage)?),
        Some(("blob", words)) => blob::run(BlobWords::from_arg_matches(words).map_err(usage)?),
        Some(("completion", words)) => completion(words),
        Some(("check", words)) => call::run(operation("audit", "check")?, words),
        Some((noun, matches)) => match matches.subcommand() {
            Some(("run", words)) if noun == GATE => {
                agent::run_gate(&AgentWords::from_arg_matches(words).map_err(usage)?)
            }
            Some((verb, words)) => call::run(operation(noun, verb)?, words),
            None => Err(usage(format!("`{noun}` needs a verb"))),
        },
        None => Err(usage("a word is missing")),
    }
}

fn operation(noun: &str, verb: &str) -> Result<&'static OperationRow, Failure> {
    fleet::operation(noun, verb).ok_or_else(|| usage(format!("there is no operation `{noun} {verb}`")))
}

fn completion(words: &ArgMatches) -> Result<(), Failure> {
    let Some(shell) = words.get_one::<Shell>("shell") else { return Err(usage("which shell?")) };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command(), "steward", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// The whole command line.
pub fn command() -> Command {
    let fixed = Command::new("steward")
        .about("Runs a fleet of IoT devices from factory to end of life.")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXAMPLES)
        .max_term_width(HELP_CHARS)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            ServeWords::augment_args(Command::new("serve"))
                .about("Run a hub until SIGTERM or Ctrl-C")
                .after_help(SERVE_EXAMPLE),
        )
        .subcommand(
            AgentWords::augment_args(Command::new("agent"))
                .about("Run a device's half of the protocols until SIGTERM or Ctrl-C")
                .after_help(agent::EXAMPLE),
        )
        .subcommand(
            DemoWords::augment_args(Command::new("demo"))
                .about("Play the story of a fleet on this machine")
                .after_help(DEMO_EXAMPLE),
        )
        .subcommand(
            SimulateWords::augment_args(Command::new("simulate"))
                .about("Live worlds in virtual time, with faults, and look what holds")
                .after_help(simulate::EXAMPLE),
        )
        .subcommand(
            BackupWords::augment_subcommands(Command::new("backup"))
                .about("Write a hub's folder into one file, and back")
                .after_help(backup::EXAMPLE)
                .arg_required_else_help(true)
                .disable_help_subcommand(true),
        )
        .subcommand(
            BlobWords::augment_subcommands(Command::new("blob"))
                .about("Bring files to a hub, and fetch them, by their SHA-256")
                .after_help(blob::EXAMPLE)
                .arg_required_else_help(true)
                .disable_help_subcommand(true),
        )
        .subcommand(completion_command())
        .subcommands(OPERATIONS.iter().find(|row| row.name == "audit check").map(|row| verb(row, "check")));
    let run_gate = || {
        AgentWords::augment_args(Command::new("run"))
            .about("Run a gate until SIGTERM or Ctrl-C: a device that enforces its site's plans")
            .after_help(agent::GATE_EXAMPLE)
    };
    nouns().into_iter().fold(fixed, |command, (noun, verbs)| {
        let own = (noun == GATE).then(run_gate);
        let names = verbs.iter().map(|(verb, _)| *verb).chain(own.iter().map(|_| "run"));
        let names = names.collect::<Vec<_>>().join(", ");
        let example = verbs.first().map(|(_, row)| example(row, &row.fields(), &row.arguments_schema()));
        let noun = Command::new(noun)
            .about(format!("{} ({names})", meaning(noun)))
            .after_help(format!(
                "Example:\n  {}\n\nWhich permission a verb needs says its own help.",
                example.unwrap_or_default()
            ))
            .subcommand_required(true)
            .arg_required_else_help(true)
            .disable_help_subcommand(true);
        let noun = noun.subcommands(verbs.into_iter().map(|(name, row)| verb(row, name)));
        command.subcommand(noun.subcommands(own))
    })
}

/// What a noun means.
fn meaning(noun: &str) -> &'static str {
    NOUNS.iter().find(|(known, _)| *known == noun).map_or("", |(_, meaning)| meaning)
}

/// A text of doc comments, whose lines end where they do in the source, for a terminal of another width.
fn flowing(text: &str) -> String {
    text.replace('\n', " ")
}

type Verbs = Vec<(&'static str, &'static OperationRow)>;

/// The table by nouns, in its order.
fn nouns() -> Vec<(&'static str, Verbs)> {
    let mut nouns: Vec<(&str, Verbs)> = Vec::new();
    for row in OPERATIONS {
        let (noun, verb) = row.noun_verb();
        match nouns.iter_mut().find(|(known, _)| *known == noun) {
            Some((_, verbs)) => verbs.push((verb, row)),
            None => nouns.push((noun, vec![(verb, row)])),
        }
    }
    nouns
}

fn completion_command() -> Command {
    let shells = PossibleValuesParser::new(["bash", "zsh", "fish"]);
    let shells = clap::builder::TypedValueParser::try_map(shells, |shell| shell.parse::<Shell>());
    let shell = Arg::new("shell").required(true).value_parser(shells).help("The shell");
    Command::new("completion")
        .about("Print a completion script for a shell")
        .arg(shell)
        .after_help(COMPLETION_EXAMPLE)
}

/// The command of one operation.
fn verb(row: &OperationRow, name: &'static str) -> Command {
    let schema = row.arguments_schema();
    let fields = row.fields();
    let arguments = fields.iter().enumerate().flat_map(|(place, field)| {
        let by_place = place == 0 && field.required;
        let argument = argument(field, &schema["properties"][&field.name], by_place);
        match by_place && field.name == "why" {
            true => why(argument).to_vec(),
            false => vec![argument],
        }
    });
    // First, since they bring an `about` and a heading of their own.
    TargetWords::augment_args(Command::new(name))
        .next_help_heading(None)
        .about(flowing(&row.about()))
        .args(arguments)
        .args(face_arguments(row))
        .after_help(format!("Example:\n  {}\n\n{}", example(row, &fields, &schema), needs(row)))
}

fn needs(row: &OperationRow) -> String {
    match row.by_link {
        true => "Needs a one-time sign-in link's secret as the token.".into(),
        false => format!("Needs the permission `{}`.", row.needs),
    }
}

/// A reason that is asked for by its place may be named too, as every other one is.
fn why(by_place: Arg) -> [Arg; 2] {
    let option = Arg::new(WHY_OPTION).long("why").value_name("WHY").conflicts_with("why");
    [by_place.required(false).required_unless_present(WHY_OPTION), option.help("The same, by its name")]
}

/// The argument of a field: the first required one by its place, the others by name.
fn argument(field: &Field, property: &Json, by_place: bool) -> Arg {
    let long = field.name.replace('_', "-");
    let mut about = flowing(&field.about);
    if let Some(default) = &field.default {
        about.push_str(&format!(" [default: {default}]"));
    }
    let lines = is_lines(property);
    if lines {
        about.push_str(" [`@FILE`: the text of that file]");
    }
    let mut arg = Arg::new(field.name.clone()).help(about).required(field.required);
    arg = arg.value_name(if lines { "@FILE".into() } else { long.to_uppercase() }).allow_hyphen_values(lines);
    if !by_place {
        arg = arg.long(long);
    }
    if field.kind == "boolean" {
        arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
        arg = arg.value_parser(PossibleValuesParser::new(["true", "false"]));
    }
    match choices(property) {
        choices if choices.is_empty() => arg,
        choices => arg.value_parser(PossibleValuesParser::new(choices)),
    }
}

/// Whether an argument is a text of several lines, as its example is: such a one may stand in a file.
pub fn is_lines(property: &Json) -> bool {
    property["examples"][0].as_str().is_some_and(|example| example.contains('\n'))
}

/// The words that a property may be, with what they mean.
fn choices(property: &Json) -> Vec<PossibleValue> {
    let inner = property["anyOf"].get(0).unwrap_or(property);
    let words = inner["oneOf"].as_array().into_iter().flatten();
    let choice = |choice: &Json| {
        let word = PossibleValue::new(choice["const"].as_str()?.to_owned());
        Some(match choice["description"].as_str() {
            Some(about) => word.help(about.to_owned()),
            None => word,
        })
    };
    words.filter_map(choice).collect()
}

/// What belongs to this face and not to the operation.
fn face_arguments(row: &OperationRow) -> Vec<Arg> {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON, one line");
    let mut arguments = vec![json];
    match row.kind {
        Kind::Read => arguments.extend([
            Arg::new("data")
                .long("data")
                .value_name("FOLDER")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with_all(["hub", "url"])
                .help("Look into a hub's folder, without a hub"),
            Arg::new("postgres")
                .long("postgres")
                .value_name("CONFIG")
                .requires("data")
                .help("With --data: the PostgreSQL that holds this hub's state"),
        ]),
        Kind::Write => arguments.push(
            Arg::new("idempotency-key")
                .long("idempotency-key")
                .value_name("KEY")
                .help("Do it once, however often it is asked with this key [default: a random one]"),
        ),
    }
    if is_list(row) {
        let help = "Follow the list to its end; with --json print one item a line";
        arguments.push(Arg::new("all").long("all").action(ArgAction::SetTrue).help(help));
    }
    arguments
}

/// Whether the answer is one page of a list.
pub fn is_list(row: &OperationRow) -> bool {
    row.answer_schema()["properties"]["items"]["type"] == "array"
        && row.fields().iter().any(|f| f.name == "after")
}

/// A line that works, made from the examples of the arguments.
fn example(row: &OperationRow, fields: &[Field], schema: &Json) -> String {
    let mut line = format!("steward {}", row.name);
    for (place, field) in fields.iter().enumerate().filter(|(_, field)| field.required) {
        let property = &schema["properties"][&field.name];
        let value = property["examples"][0].as_str().or(property["oneOf"][0]["const"].as_str());
        let value = match (value, &property["examples"][0]) {
            (Some(_), _) if is_lines(property) => format!("@{}.txt", field.name),
            (None, Json::Number(number)) => number.to_string(),
            (value, _) => value.map_or_else(|| field.name.to_uppercase(), quoted),
        };
        if place > 0 {
            line.push_str(&format!(" --{}", field.name.replace('_', "-")));
        }
        line.push_str(&format!(" {value}"));
    }
    line
}

/// As a shell takes it.
fn quoted(value: &str) -> String {
    match value.contains([' ', '\'', '"', '$', '\\', '*']) {
        true => format!("'{}'", value.replace('\'', "'\\''")),
        false => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{NOUNS, command, example, meaning, nouns};
    use clap::Command;
    use fleet::OPERATIONS;

    #[test]
    fn the_words_fit_together() {
        // Also that no argument of an operation is called like one of this face.
        command().debug_assert();
    }

    #[test]
    fn every_noun_means_something() {
        for (noun, _) in nouns() {
            assert_ne!(meaning(noun), "", "{noun}");
        }
        for (noun, _) in NOUNS {
            assert!(nouns().iter().any(|(known, _)| *known == noun), "{noun} is no noun of the table");
        }
    }

    /// Each has an example, and says what permission it needs; no line is broken in mid-sentence.
    fn check_help(command: &Command, words: &str) {
        let words = format!("{words} {}", command.get_name());
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(below.contains("Example"), "{words}: {below}");
        assert!(below.contains("Needs ") || below.contains("permission a verb needs"), "{words}: {below}");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.contains('\n'), "{words}: {about}");
        for line in below.lines() {
            assert!(
                line.starts_with("  ") || !line.ends_with(|last: char| last.is_alphabetic()),
                "{words}: {line}"
            );
        }
        command.get_subcommands().for_each(|command| check_help(command, &words));
    }

    #[test]
    fn every_help_has_an_example_and_the_permission() {
        command().get_subcommands().for_each(|command| check_help(command, "steward"));
    }

    #[test]
    fn a_reason_by_its_place_may_be_named() {
        for words in [["clock", "accept", "it was ahead"].as_slice(), &["clock", "accept", "--why", "x"]] {
            let words = ["steward"].iter().chain(words);
            assert!(command().try_get_matches_from(words).is_ok());
        }
        for words in
            [["steward", "clock", "accept"].as_slice(), &["steward", "clock", "accept", "x", "--why", "x"]]
        {
            assert!(command().try_get_matches_from(words).is_err());
        }
    }

    #[test]
    fn every_example_is_understood() {
        for row in OPERATIONS {
            let line = example(row, &row.fields(), &row.arguments_schema());
            let words: Vec<&str> =
                line.split('\'').enumerate().fold(Vec::new(), |mut words, (place, part)| {
                    match place % 2 {
                        0 => words.extend(part.split_whitespace()),
                        _ => words.push(part),
                    }
                    words
                });
            let understood = command().try_get_matches_from(words);
            assert!(understood.is_ok(), "{line}: {}", understood.unwrap_err());
        }
    }
}
