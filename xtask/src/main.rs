//! The chores of the workspace: `cargo xtask help` lists them.
//!
//! One word, one row of [`WORDS`]. A word answers 0 when all went well, 1 when something failed or was
//! refused, and 2 when the command line itself was wrong.

mod bench;
mod cargo_test;
mod demo;
mod folder;
mod fuzz;
mod kills;
mod licences;
mod limits;
mod new_room;
mod packages;
mod postgres;
mod programs;
mod soak;
mod tally;
mod test;

use std::process::ExitCode;

/// A word of the command line.
struct Word {
    name: &'static str,
    usage: &'static str,
    help: &'static str,
    run: fn(&[String]) -> ExitCode,
}

/// Every word, in the order of the help text.
const WORDS: &[Word] = &[
    Word {
        name: "test",
        usage: "test [--quick] [-p CRATE]",
        help: "all checks, as .ci/run calls them; --quick installs and starts nothing",
        run: test::main,
    },
    Word {
        name: "soak",
        usage: "soak [--kills N] [--seeds N] [--fuzz-minutes N]",
        help: "the long things: 50 kills, 20 seeds, 200 devices, 20 minutes of fuzzing",
        run: soak::main,
    },
    Word {
        name: "bench",
        usage: "bench NAME",
        help: "figures, not tests; `house` is the whole of it",
        run: bench::main,
    },
    Word {
        name: "fuzz",
        usage: "fuzz [TARGET...] [--minutes N]",
        help: "bytes of strangers and stored shapes, by the minute; --list names the targets",
        run: fuzz::main,
    },
    Word {
        name: "new-room",
        usage: "new-room NAME",
        help: "a room of the fleet that works, to be filled",
        run: new_room::main,
    },
    Word { name: "help", usage: "help", help: "this text", run: |_| help() },
];

const EXAMPLES: &str = "\
examples:
  cargo xtask test                 everything, as the CI does it
  cargo xtask test --quick         without installing, PostgreSQL and browser
  cargo xtask test --quick -p wire one crate
  cargo xtask fuzz --minutes 20    every target, a minute's part each
  cargo xtask fuzz cms --input FILE
                                   one input again, as a crash names it
  cargo xtask new-room access      crates/fleet/src/access/, and what to add where";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        return usage_error("a word is missing");
    };
    if matches!(name.as_str(), "--help" | "-h") {
        return help();
    }
    match WORDS.iter().find(|word| word.name == name) {
        Some(word) => (word.run)(rest),
        None => usage_error(&format!("unknown word `{name}`")),
    }
}

fn help() -> ExitCode {
    println!("{}", help_text());
    ExitCode::SUCCESS
}

fn help_text() -> String {
    let mut text = String::from("cargo xtask WORD: the chores of the workspace\n\n");
    for word in WORDS {
        text.push_str(&format!("  {:50}{}\n", word.usage, word.help));
    }
    text.push('\n');
    text.push_str(EXAMPLES);
    text
}

/// Says what is wrong with the command line and how it would be right.
fn usage_error(what: &str) -> ExitCode {
    eprintln!("error: {what}\n\n{}", help_text());
    ExitCode::from(2)
}
