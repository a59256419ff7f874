//! `cargo xtask fuzz`: bytes of strangers and stored shapes, by the minute (docs/decisions/0011-fuzzing.md).
//!
//! One program holds all targets (`fuzz/`, a workspace of its own). It is built once, with the flags by which
//! libFuzzer sees what an input reaches; the stable compiler takes them. Targets run one after the other.

mod samples;

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use crate::folder::Folder;
use crate::limits::{
    FUZZ_INPUT_BYTES_MAX, FUZZ_INPUT_SECONDS_MAX, FUZZ_LOG_LINES_MAX, FUZZ_MEMORY_MEGABYTES_MAX,
};
use crate::tally::Tally;
use crate::{licences, programs, usage_error};

/// For how long all targets run together, when nobody says.
pub const MINUTES: u32 = 20;

/// Where the targets stand, a file each.
const TARGETS_FOLDER: &str = "fuzz/src/targets";

/// Where inputs are kept on which a target failed.
const CRASHES_FOLDER: &str = "fuzz/target/crashes";

/// What libFuzzer needs of the compiler: counters at every edge, the table of places, and comparisons. The
/// same as `cargo fuzz` sets, without the address sanitizer, which the stable compiler does not have: none of
/// our code is unsafe.
const RUST_FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// The names that `fuzz/src/main.rs` and `fuzz/src/last_input.rs` read.
const TARGET_VARIABLE: &str = "STEWARD_FUZZ_TARGET";
const SEEDS_VARIABLE: &str = "STEWARD_FUZZ_SEEDS";
const LAST_INPUT_VARIABLE: &str = "STEWARD_FUZZ_LAST_INPUT";

/// The command line.
#[derive(Debug, PartialEq, Eq)]
enum Options {
    /// Name the targets.
    List,
    /// Run these for so long together; all if none is named.
    Run { targets: Vec<String>, minutes: u32 },
    /// Run a target with this input, once.
    Again { target: String, input: PathBuf },
}

/// A target, and what it reads.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    reads: String,
}

/// The word `fuzz`.
pub fn main(arguments: &[String]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(error) => return usage_error(&error),
    };
    let mut tally = Tally::default();
    if let Err(error) = carry_out(options, &mut tally) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let (lines, good) = tally.conclude(false);
    lines.iter().for_each(|line| println!("{line}"));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let (mut targets, mut minutes, mut input, mut list) = (Vec::new(), None, None, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => list = true,
            "--minutes" => {
                let number =
                    arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                minutes = Some(number.ok_or("--minutes needs a number from 1")?);
            }
            "--input" => input = Some(PathBuf::from(arguments.next().ok_or("--input needs a file")?)),
            word if word.starts_with('-') => return Err(format!("fuzz does not know `{word}`")),
            name => targets.push(name.to_owned()),
        }
    }
    match (list, input) {
        (true, None) if targets.is_empty() && minutes.is_none() => Ok(Options::List),
        (true, _) => Err("--list stands alone".to_owned()),
        (false, None) => Ok(Options::Run { targets, minutes: minutes.unwrap_or(MINUTES) }),
        (false, Some(input)) => match (<[String; 1]>::try_from(targets), minutes) {
            (Ok([target]), None) => Ok(Options::Again { target, input }),
            _ => Err("--input needs one target, and no --minutes".to_owned()),
        },
    }
}

/// Does what was asked for, and counts each target.
fn carry_out(options: Options, tally: &mut Tally) -> Result<(), String> {
    // A file is named from where we were started.
    let here = std::env::current_dir().map_err(|error| format!("there is no current folder: {error}"))?;
    let root = programs::workspace_root()?;
    std::env::set_current_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let all = all_targets()?;
    match options {
        Options::List => {
            all.iter().for_each(|target| println!("{:24}{}", target.name, target.reads));
            Ok(())
        }
        Options::Run { targets, minutes } => run(&chosen(all, &targets)?, minutes, tally),
        Options::Again { target, input } => {
            let target = chosen(all, &[target])?.remove(0);
            again(&build()?, &target, &here.join(input), tally)
        }
    }
}

/// The targets by their files: the first line of each says what it reads.
fn all_targets() -> Result<Vec<Target>, String> {
    let entries = fs::read_dir(TARGETS_FOLDER).map_err(|error| format!("{TARGETS_FOLDER}: {error}"))?;
    let mut targets = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{TARGETS_FOLDER}: {error}"))?.path();
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let reads = text.lines().next().and_then(|line| line.strip_prefix("//! "));
        let reads = reads.ok_or_else(|| format!("{}: its first line says nothing", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        targets.push(Target { name, reads: reads.to_owned() });
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(targets)
}

/// Those that are named, or all.
fn chosen(all: Vec<Target>, names: &[String]) -> Result<Vec<Target>, String> {
    let known = |name: &&String| all.iter().any(|target| target.name == **name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        return Err(format!("there is no target `{name}`; `cargo xtask fuzz --list` names them"));
    }
    Ok(all.into_iter().filter(|target| names.is_empty() || names.contains(&target.name)).collect())
}

/// What is missing to build, if anything.
pub fn missing() -> Option<String> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let found = programs::find(&compiler).is_some() || Path::new(&compiler).is_file();
    (!found).then(|| {
        format!("`{compiler}` is missing: libFuzzer is C++; install a C++ compiler (Debian: g++), or set CXX")
    })
}

/// Builds the program of all targets and returns its file.
fn build() -> Result<PathBuf, String> {
    if let Some(missing) = missing() {
        return Err(missing);
    }
    // With a target named, flags are for what runs there alone, and not for build scripts.
    let host = licences::host()?;
    println!("building fuzz/; the first time takes some minutes");
    let words =
        ["build", "--release", "--manifest-path=fuzz/Cargo.toml", "--target-dir=fuzz/target", "--target"];
    let mut command = programs::cargo();
    command.args(words).arg(&host).env("CARGO_ENCODED_RUSTFLAGS", RUST_FLAGS.join("\x1f"));
    // As one asks for incremental builds and another does not, it would be built anew each time.
    command.env("CARGO_INCREMENTAL", "0");
    programs::run(&mut command)?;
    let program = Path::new("fuzz/target").join(host).join("release/fuzz");
    program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))
}

/// Fuzzes all targets for so many minutes together and counts each.
///
/// # Errors
/// It could not be begun.
pub fn all(minutes: u32, tally: &mut Tally) -> Result<(), String> {
    run(&all_targets()?, minutes, tally)
}

fn run(targets: &[Target], minutes: u32, tally: &mut Tally) -> Result<(), String> {
    let program = build()?;
    let folder = Folder::new("fuzz")?;
    let shared = folder.0.join("samples");
    fs::create_dir(&shared).map_err(|error| format!("{}: {error}", shared.display()))?;
    println!("{}", samples::gather(&shared)?);
    let seconds = (u64::from(minutes) * 60 / targets.len().max(1) as u64).max(1);
    println!("{} targets, {seconds} s each", targets.len());
    for target in targets {
        match fuzz(&program, target, seconds, &folder.0, &shared) {
            Ok(line) => {
                println!("{:24}{line}", target.name);
                tally.pass(1);
            }
            Err(why) => {
                println!("{:24}FAILED", target.name);
                tally.fail(format!("fuzz {}: {why}", target.name));
            }
        }
    }
    Ok(())
}

/// One target: what it went through, or what it failed on.
fn fuzz(
    program: &Path,
    target: &Target,
    seconds: u64,
    folder: &Path,
    shared: &Path,
) -> Result<String, String> {
    let own = folder.join(&target.name);
    let found = own.join("found");
    let seeds = own.join("seeds");
    for path in [&found, &seeds, &PathBuf::from(CRASHES_FOLDER)] {
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    programs::output(command(program, target).env(SEEDS_VARIABLE, &seeds))?;
    let last_input = own.join("last-input");
    let mut command = command(program, target);
    command.env(LAST_INPUT_VARIABLE, &last_input);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={CRASHES_FOLDER}/{}-", target.name));
    command.args([&found, &seeds, shared]);
    let said = Said::listen(&mut command)?;
    if said.status.success() {
        let _ = fs::remove_dir_all(own);
        return Ok(format!("{} inputs, {} places reached", said.inputs, said.places));
    }
    let input = match &said.input {
        Some(input) => input.clone(),
        // It died before it could say on what: its stack ran over, or it was killed.
        None => {
            let kept = Path::new(CRASHES_FOLDER).join(format!("{}-last-{}", target.name, std::process::id()));
            let written = kept_input(&last_input).and_then(|input| fs::write(&kept, input));
            written.map_err(|error| {
                format!("{}, and its last input is lost ({error})\n{}", said.status, said.last_words())
            })?;
            kept
        }
    };
    let again = format!("cargo xtask fuzz {} --input {}", target.name, input.display());
    Err(format!("{}\n  kept:  {}\n  again: {again}", said.why(), input.display()))
}

/// What `fuzz/src/last_input.rs` wrote: a length in four octets, the input, and what is left of earlier ones.
fn kept_input(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    let cut =
        bytes.split_first_chunk().and_then(|(length, rest)| rest.get(..u32::from_be_bytes(*length) as usize));
    Ok(cut.unwrap_or(&bytes).to_vec())
}

/// One input, once, with all that the target says of it.
fn again(program: &Path, target: &Target, input: &Path, tally: &mut Tally) -> Result<(), String> {
    if !input.is_file() {
        return Err(format!("{} is no file", input.display()));
    }
    match programs::run(command(program, target).env("RUST_BACKTRACE", "1").arg(input)) {
        Ok(()) => tally.pass(1),
        Err(why) => tally.fail(format!("fuzz {}: {why}", target.name)),
    }
    Ok(())
}

/// The program for a target, bounded.
fn command(program: &Path, target: &Target) -> Command {
    let mut command = Command::new(program);
    command.env(TARGET_VARIABLE, &target.name).env_remove(SEEDS_VARIABLE).env_remove(LAST_INPUT_VARIABLE);
    command.arg(format!("-rss_limit_mb={FUZZ_MEMORY_MEGABYTES_MAX}"));
    command.arg(format!("-timeout={FUZZ_INPUT_SECONDS_MAX}")).arg(format!("-max_len={FUZZ_INPUT_BYTES_MAX}"));
    command
}

/// What libFuzzer said on its way.
struct Said {
    status: ExitStatus,
    inputs: String,
    places: String,
    /// The file of the input that it failed on.
    input: Option<PathBuf>,
    panic: Option<String>,
    lines: VecDeque<String>,
}

impl Said {
    /// Starts the command and listens until it ends.
    fn listen(command: &mut Command) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(not_begun)?;
        let mut said = Self {
            status: ExitStatus::default(),
            inputs: String::new(),
            places: String::new(),
            input: None,
            panic: None,
            lines: VecDeque::new(),
        };
        if let Some(errors) = child.stderr.take() {
            for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
                said.hear(&String::from_utf8_lossy(&line));
            }
        }
        said.status = end(&mut child)?;
        Ok(said)
    }

    fn hear(&mut self, line: &str) {
        // `#4711 DONE   cov: 877 ft: 2819 corp: ...`
        if let Some((inputs, rest)) =
            line.strip_prefix('#').and_then(|rest| rest.split_once(char::is_whitespace))
            && let Some((_, places)) = rest.split_once("cov: ")
        {
            self.inputs = inputs.to_owned();
            self.places = places.split(' ').next().unwrap_or_default().to_owned();
            return;
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.input = Some(PathBuf::from(path.trim()));
        }
        // The first is the one that counts.
        if self.panic.is_none() && (line.contains("panicked at ") || line.contains("ERROR: libFuzzer: ")) {
            self.panic = Some(line.to_owned());
        } else if let Some(panic) = self.panic.as_mut().filter(|panic| panic.ends_with(':')) {
            panic.extend([" ", line]);
        }
        if self.lines.len() == FUZZ_LOG_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    fn last_words(&self) -> String {
        self.lines.iter().map(|line| format!("  {line}\n")).collect()
    }

    fn why(&self) -> String {
        self.panic.clone().unwrap_or_else(|| format!("{}: its stack ran over, or it was killed", self.status))
    }
}

fn end(child: &mut Child) -> Result<ExitStatus, String> {
    child.wait().map_err(not_begun)
}

fn not_begun(error: std::io::Error) -> String {
    format!("the program of the fuzz targets could not be run: {error}")
}

#[cfg(test)]
mod tests {
    use super::{MINUTES, Options, Said, Target, chosen, parse};
    use std::collections::VecDeque;
    use std::path::PathBuf;
    use std::process::ExitStatus;

    #[test]
    fn the_command_line_is_read() {
        let read = |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let run = |targets: &[&str], minutes| {
            Ok(Options::Run { targets: targets.iter().map(|name| (*name).to_owned()).collect(), minutes })
        };
        assert_eq!(read(""), run(&[], MINUTES));
        assert_eq!(read("cms --minutes 3 csr"), run(&["cms", "csr"], 3));
        assert_eq!(read("--list"), Ok(Options::List));
        let (target, input) = ("cms".to_owned(), PathBuf::from("x"));
        assert_eq!(read("cms --input x"), Ok(Options::Again { target, input }));
        for (line, why) in [
            ("--minutes", "needs a number"),
            ("--minutes 0", "from 1"),
            ("--input", "needs a file"),
            ("--input x", "one target"),
            ("cms csr --input x", "one target"),
            ("cms --input x --minutes 1", "no --minutes"),
            ("--list cms", "stands alone"),
            ("--seconds 1", "--seconds"),
        ] {
            assert!(read(line).unwrap_err().contains(why), "{line}");
        }
    }

    #[test]
    fn only_targets_that_exist_are_chosen() {
        let target = |name: &str| Target { name: name.to_owned(), reads: String::new() };
        let all = || vec![target("cms"), target("csr")];
        assert_eq!(chosen(all(), &[]), Ok(all()));
        assert_eq!(chosen(all(), &["csr".to_owned()]), Ok(vec![target("csr")]));
        assert!(chosen(all(), &["crs".to_owned()]).unwrap_err().contains("--list"));
    }

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        let mut said = Said {
            status: ExitStatus::default(),
            inputs: String::new(),
            places: String::new(),
            input: None,
            panic: None,
            lines: VecDeque::new(),
        };
        let lines = [
            "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#4711\tREDUCE cov: 877 ft: 2819 corp: 633/984Kb lim: 32768 exec/s: 17754 rss: 39Mb",
            "thread '<unnamed>' (7) panicked at crates/wire/src/csr.rs:31:9:",
            "out of octets",
            "==7== ERROR: libFuzzer: deadly signal",
            "artifact_prefix='x/csr-'; Test unit written to x/csr-crash-00ff",
        ];
        lines.iter().for_each(|line| said.hear(line));
        assert_eq!((said.inputs.as_str(), said.places.as_str()), ("4711", "877"));
        assert_eq!(
            said.why(),
            "thread '<unnamed>' (7) panicked at crates/wire/src/csr.rs:31:9: out of octets"
        );
        assert_eq!(said.input, Some(PathBuf::from("x/csr-crash-00ff")));
    }
}
