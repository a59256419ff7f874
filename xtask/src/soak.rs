//! `cargo xtask soak`: what takes too long for every run. Kills, seeds, a large fleet, fuzzing.

use std::process::ExitCode;

use crate::tally::Tally;
use crate::{demo, fuzz, kills, postgres, programs, test, usage_error};

/// Stories that are killed once each, when nobody says how many.
const KILLS: usize = 50;

/// How many of them keep the operator's state in PostgreSQL: every fifth.
const KILLS_PER_POSTGRES: usize = 5;

/// Seeds that the story is played from, when nobody says how many.
const SEEDS: u32 = 20;

/// Devices of each of these.
const DEVICES: u32 = 20;

/// Devices of the large fleet.
const MANY_DEVICES: u32 = 200;

/// The command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    kills: usize,
    seeds: u32,
    fuzz_minutes: u32,
}

/// The word `soak`.
pub fn main(arguments: &[String]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(error) => return usage_error(&error),
    };
    let mut tally = Tally::default();
    if let Err(error) = soak(&options, &mut tally) {
        tally.fail(error);
    }
    let (lines, good) = tally.conclude(false);
    lines.iter().for_each(|line| println!("{line}"));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { kills: KILLS, seeds: SEEDS, fuzz_minutes: fuzz::MINUTES };
    for pair in arguments.chunks(2) {
        let number = pair.get(1).and_then(|number| number.parse::<u32>().ok());
        let number = number.ok_or_else(|| format!("{} needs a number", pair[0]))?;
        match pair[0].as_str() {
            "--kills" => options.kills = number as usize,
            "--seeds" => options.seeds = number,
            "--fuzz-minutes" => options.fuzz_minutes = number,
            other => return Err(format!("soak does not know `{other}`")),
        }
    }
    Ok(options)
}

fn soak(options: &Options, tally: &mut Tally) -> Result<(), String> {
    let root = programs::workspace_root()?;
    std::env::set_current_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let steward = test::build_steward()?;
    let server = match programs::find("initdb") {
        Some(_) => Some(postgres::Server::start()?),
        None => {
            tally.skip("postgresql: initdb is missing, kills on SQLite alone");
            None
        }
    };
    let on_postgres = options.kills / KILLS_PER_POSTGRES;
    kills::run(&steward, options.kills, on_postgres, server.as_ref(), |name, outcome| match outcome {
        Ok(()) => tally.pass(1),
        Err(why) => tally.fail(format!("{name}: {why}")),
    })?;
    let stories = (1..=options.seeds).map(|seed| (DEVICES, seed)).chain([(MANY_DEVICES, 1)]);
    for (devices, seed) in stories {
        let (number, from) = (devices.to_string(), seed.to_string());
        let mut command = demo::command(&steward, &["--devices", &number, "--seed", &from]);
        match demo::play(command.stderr(std::process::Stdio::null()), devices) {
            Ok(_) => tally.pass(1),
            Err(why) => tally.fail(format!("{devices} devices from seed {seed}: {why}")),
        }
    }
    match fuzz::missing() {
        _ if options.fuzz_minutes == 0 => {}
        Some(missing) => tally.skip(format!("fuzz: {missing}")),
        None => fuzz::all(options.fuzz_minutes, tally)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{KILLS, Options, SEEDS, fuzz, parse};

    #[test]
    fn the_command_line_is_read() {
        let read = |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read(""), Ok(Options { kills: KILLS, seeds: SEEDS, fuzz_minutes: fuzz::MINUTES }));
        assert_eq!(
            read("--kills 3 --seeds 0 --fuzz-minutes 1"),
            Ok(Options { kills: 3, seeds: 0, fuzz_minutes: 1 })
        );
        assert!(read("--kills").unwrap_err().contains("needs a number"));
        assert!(read("--devices 3").unwrap_err().contains("--devices"));
    }
}
