//! The log: to standard error, as text or as one JSON object a line.
use crate::failure::{Failure, usage};
use std::io::{IsTerminal, stderr};
use tracing::level_filters::LevelFilter;

/// How much is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`.
const VARIABLE: &str = "STEWARD_LOG";

/// In which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Starts logging, for the process's life.
///
/// # Errors
/// [`Failure::Usage`] when the variable says something else.
pub fn start(form: Form) -> Result<(), Failure> {
    let level = match std::env::var(VARIABLE) {
        Ok(text) => text.parse::<LevelFilter>().map_err(|_| {
            usage(format!("{VARIABLE} is `{text}`; write error, warn, info, debug, trace or off"))
        })?,
        Err(_) => LevelFilter::INFO,
    };
    // Where nobody can read the log, nobody can read that either.
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(stderr).log_internal_errors(false);
    match form {
        Form::Text => log.with_ansi(stderr().is_terminal()).init(),
        Form::Json => log.json().init(),
    }
    Ok(())
}
