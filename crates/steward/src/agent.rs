//! `steward agent`: one device's half of the protocols, from its folder, until it is told to stop.
use crate::failure::{Failure, failed, usage};
use crate::log::{self, Form};
use crate::print::line;
use crate::stop::Told;
use agent::AgentError;
use std::path::PathBuf;
use tokio::runtime::Builder;

/// What stands below the words in the help text.
pub const EXAMPLE: &str = "\
The folder holds what the device brought from its factory: `idevid.pem` and `idevid.key`, and either
`masa.pem` (the authority of those who sign vouchers for it) or `anchor.pem` (the certificate of the
domain that it shall join). Whatever the device learns is kept there; it may be stopped at any moment.

Example:
  steward agent --data /var/lib/lamp --registrar https://hub.example:8443";

/// The words of `steward agent`.
#[derive(Debug, clap::Args)]
pub struct AgentWords {
    /// The device's folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Where the domain's registrar is: the address of its hub for devices
    #[arg(long, value_name = "URL")]
    registrar: String,
    /// Ask at once after the start; otherwise up to a minute passes, so that power that comes back brings not
    /// all devices of a site at the same moment
    #[arg(long)]
    at_once: bool,
    /// The form of the log on standard error; how much of it says STEWARD_LOG
    #[arg(long, value_enum, default_value = "text")]
    log: Form,
}

/// Runs the device until it is told to stop, is wiped by its hub, or needs a person.
///
/// # Errors
/// [`Failure::Usage`] for a registrar's address that is none, else [`Failure::Failed`] as the agent says it.
pub fn run(words: &AgentWords) -> Result<(), Failure> {
    log::start(words.log)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(live(words))
}

async fn live(words: &AgentWords) -> Result<(), Failure> {
    let told = Told::new(false)?;
    let shutdown = async {
        let _ = told.stopped().await;
    };
    let mut settings = agent::Settings::new(&words.registrar);
    if words.at_once {
        settings.timers.start_spread = 0;
    }
    match agent::run(&words.data, settings, shutdown).await {
        Ok(()) => Ok(()),
        Err(over @ AgentError::Wiped) => line(&over.to_string()),
        Err(wrong @ AgentError::Registrar { .. }) => Err(usage(wrong)),
        Err(why) => Err(failed(why)),
    }
}
