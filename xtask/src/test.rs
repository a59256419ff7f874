//! `cargo xtask test`: every check of the workspace, one row of [`STEPS`] each.
//!
//! To add a check, add a row. Its function adds to the tally what passed, failed or was skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::Value;

use crate::tally::Tally;
use crate::{cargo_test, demo, kills, licences, packages, postgres, programs, usage_error};

/// Tests append a line `SKIP name: why` to the file that this names.
const SKIPS_VARIABLE: &str = "STEWARD_SKIPS";

/// How tests reach PostgreSQL; unset, they skip it.
const POSTGRES_VARIABLE: &str = "STEWARD_TEST_POSTGRES";

/// Set, page tests start no browser.
const NO_BROWSER_VARIABLE: &str = "STEWARD_NO_BROWSER";

/// How many tests of a binary run at once; who calls may say another number.
const THREADS_VARIABLE: &str = "RUST_TEST_THREADS";

/// Tests for each processor: the long ones mostly wait for processes and timers.
const TESTS_PER_PROCESSOR: usize = 2;

/// How many devices the demo has, and with which seed it plays.
const DEMO_DEVICES: u32 = 5;
const DEMO_SEED: u32 = 1;

/// How many stories are killed; the last one's operator keeps its state in PostgreSQL, if there is one.
const KILLS: usize = 3;

/// In which runs a step takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// In every run.
    Always,
    /// Not with `--quick`.
    Full,
    /// Not with `-p CRATE`.
    Whole,
}

/// A step of the run.
struct Step {
    name: &'static str,
    what: &'static str,
    when: When,
    run: fn(&mut Run),
}

/// The steps in their order: what the tests need, the cheap checks, the tests, the long stories.
const STEPS: &[Step] = &[
    Step { name: "install", what: "the programs that the tests need", when: When::Full, run: install },
    Step { name: "format", what: "cargo fmt --check", when: When::Always, run: format },
    Step { name: "clippy", what: "cargo clippy, warnings are errors", when: When::Always, run: clippy },
    Step {
        name: "fuzz targets",
        what: "they are formed and compile, unlinked",
        when: When::Whole,
        run: fuzz_targets,
    },
    Step {
        name: "licences",
        what: "licences, number and duplicates of packages",
        when: When::Whole,
        run: licences,
    },
    Step {
        name: "postgresql",
        what: "a PostgreSQL of the tests' own",
        when: When::Full,
        run: start_postgres,
    },
    Step { name: "tests", what: "cargo test", when: When::Always, run: tests },
    Step {
        name: "stories",
        what: "the headless demo, 5 devices, and beside it three stories, each killed once",
        when: When::Whole,
        run: stories,
    },
];

/// The command line of the run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    quick: bool,
    crate_name: Option<String>,
}

/// One run: what was asked for, what came out so far, and what later steps use of earlier ones.
struct Run {
    options: Options,
    tally: Tally,
    postgres: Option<postgres::Server>,
}

/// The word `test`.
pub fn main(arguments: &[String]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(error) => return usage_error(&error),
    };
    if let Err(error) = go_to_root() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let mut run = Run { options, tally: Tally::default(), postgres: None };
    let begin = Instant::now();
    for step in STEPS {
        run.step(step);
    }
    drop(run.postgres.take());
    println!("== all steps: {:.1} s", begin.elapsed().as_secs_f64());
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let (lines, good) = run.tally.conclude(ci);
    lines.iter().for_each(|line| println!("{line}"));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "-p" => options.crate_name = Some(arguments.next().ok_or("-p needs a crate's name")?.clone()),
            other => return Err(format!("test does not know `{other}`")),
        }
    }
    Ok(options)
}

/// Goes to the root of the checkout, so that every path below is the same from wherever we were started.
fn go_to_root() -> Result<(), String> {
    let root = programs::workspace_root()?;
    std::env::set_current_dir(&root).map_err(|error| format!("could not go to {}: {error}", root.display()))
}

impl Options {
    fn includes(&self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Full => !self.quick,
            When::Whole => self.crate_name.is_none(),
        }
    }

    /// `-p CRATE` or what stands for the whole workspace.
    fn selection(&self, whole: &'static str) -> Vec<&str> {
        self.crate_name.as_deref().map_or_else(|| vec![whole], |name| vec!["-p", name])
    }
}

impl Run {
    fn step(&mut self, step: &Step) {
        if !self.options.includes(step.when) {
            let flag = if step.when == When::Full { "--quick" } else { "-p" };
            println!("== {}: left out by {flag} ({})", step.name, step.what);
            return;
        }
        println!("== {}: {}", step.name, step.what);
        let begin = Instant::now();
        (step.run)(self);
        println!("== {}: {:.1} s", step.name, begin.elapsed().as_secs_f64());
    }

    /// Counts one check.
    fn check(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.tally.pass(1),
            Err(error) => {
                println!("{error}");
                self.tally.fail(format!("{name}: {error}"));
            }
        }
    }
}

fn install(run: &mut Run) {
    packages::install(&mut run.tally);
}

fn format(run: &mut Run) {
    let outcome =
        programs::run(programs::cargo().arg("fmt").args(run.options.selection("--all")).arg("--check"));
    run.check("format", outcome);
}

fn clippy(run: &mut Run) {
    let mut command = programs::cargo();
    command.arg("clippy").args(run.options.selection("--workspace")).args([
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    run.check("clippy", programs::run(&mut command));
}

/// Nothing is run, and libFuzzer is not built: that needs a C++ compiler.
fn fuzz_targets(run: &mut Run) {
    let manifest = "--manifest-path=fuzz/Cargo.toml";
    run.check("fuzz targets, format", programs::run(programs::cargo().args(["fmt", manifest, "--check"])));
    let words = ["clippy", manifest, "--no-default-features", "--target-dir"];
    let mut command = programs::cargo();
    command.args(words).arg(target_folder()).args(["--", "-D", "warnings"]);
    run.check("fuzz targets, clippy", programs::run(&mut command));
}

fn licences(run: &mut Run) {
    run.check("licences", licences::check());
}

fn start_postgres(run: &mut Run) {
    if programs::find("initdb").is_none() {
        return run.tally.skip("postgresql: initdb is missing, tests run on SQLite alone");
    }
    match postgres::Server::start() {
        Ok(server) => {
            println!("it answers at {}", server.connection());
            run.postgres = Some(server);
        }
        Err(error) => run.check("postgresql", Err(error)),
    }
}

fn tests(run: &mut Run) {
    let skips = std::env::temp_dir().join(format!("steward-skips-{}", std::process::id()));
    if let Err(error) = fs::write(&skips, "") {
        return run.check("tests", Err(format!("could not write {}: {error}", skips.display())));
    }
    let mut command = programs::cargo();
    command.arg("test").args(run.options.selection("--workspace")).arg("--no-fail-fast");
    command.env(SKIPS_VARIABLE, &skips);
    if std::env::var_os(THREADS_VARIABLE).is_none() {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        command.env(THREADS_VARIABLE, (processors * TESTS_PER_PROCESSOR).to_string());
    }
    match &run.postgres {
        Some(server) => command.env(POSTGRES_VARIABLE, server.connection()),
        None => command.env_remove(POSTGRES_VARIABLE),
    };
    if run.options.quick {
        println!("left out by --quick: tests on PostgreSQL, page tests in a browser");
        command.env(NO_BROWSER_VARIABLE, "1");
    }
    cargo_test::run(&mut command, &mut run.tally);
    run.tally.skip_tests(&fs::read_to_string(&skips).unwrap_or_default());
    let _ = fs::remove_file(&skips);
}

fn stories(run: &mut Run) {
    let steward = match build_steward() {
        Ok(steward) => steward,
        Err(error) => return run.check("stories", Err(error)),
    };
    std::thread::scope(|scope| {
        let demo = scope.spawn(|| play_demo(&steward));
        kill(run, &steward);
        let outcome = demo.join().unwrap_or_else(|_| Err("its thread died".to_owned()));
        run.check("demo", outcome.map(|summary| println!("{summary}")));
    });
}

fn play_demo(steward: &Path) -> Result<Value, String> {
    let (devices, seed) = (DEMO_DEVICES.to_string(), DEMO_SEED.to_string());
    demo::play(&mut demo::command(steward, &["--devices", &devices, "--seed", &seed]), DEMO_DEVICES)
}

fn kill(run: &mut Run, steward: &Path) {
    let server = run.postgres.take();
    let on_postgres = usize::from(server.is_some());
    let outcome =
        kills::run(steward, KILLS, on_postgres, server.as_ref(), |name, outcome| run.check(name, outcome));
    run.postgres = server;
    if outcome.is_err() {
        run.check("kills", outcome);
    }
}

/// Where cargo builds.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// Builds the program and returns its file.
pub fn build_steward() -> Result<PathBuf, String> {
    programs::run(programs::cargo().args(["build", "-p", "steward"]))?;
    let here = std::env::current_dir().map_err(|error| format!("there is no current folder: {error}"))?;
    Ok(here.join(target_folder()).join("debug").join("steward"))
}

#[cfg(test)]
mod tests {
    use super::{Options, STEPS, When, parse};

    fn options(line: &str) -> Result<Options, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_is_read() {
        assert_eq!(options(""), Ok(Options::default()));
        let both = Options { quick: true, crate_name: Some("wire".to_owned()) };
        assert_eq!(options("-p wire --quick"), Ok(both));
        assert!(options("-p").unwrap_err().contains("needs a crate"));
        assert!(options("--fast").unwrap_err().contains("--fast"));
    }

    #[test]
    fn quick_neither_installs_nor_starts_anything() {
        let quick = options("--quick").unwrap();
        let left_out: Vec<&str> =
            STEPS.iter().filter(|step| !quick.includes(step.when)).map(|step| step.name).collect();
        assert_eq!(left_out, ["install", "postgresql"]);
        assert!(!options("-p wire").unwrap().includes(When::Whole));
    }
}
