//! `steward agent`: one device's half of the protocols, from its folder, until it is told to stop.
//! `steward gate` is such a device that enforces its site's plans.
use crate::failure::{Failure, failed, usage};
use crate::log::{self, Form};
use crate::print::line;
use crate::stop::Told;
use agent::AgentError;
use gate::nft::Nft;
use io::http::client::Dialer;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

/// What stands below the words in the help text.
pub const EXAMPLE: &str = "\
The folder holds what the device brought from its factory: `idevid.pem` and `idevid.key`, and either \
`masa.pem` (the authority of those who sign vouchers for it) or `anchor.pem` (the certificate of the \
domain that it shall join). Whatever the device learns is kept there; it may be stopped at any moment.

Example:
  steward agent --data /var/lib/lamp --registrar https://hub.example:8443

Needs no permission: a hub asks for the device's certificate.";

/// What stands below the words of `steward gate` in the help text.
pub const GATE_EXAMPLE: &str = "\
A gate is a device of its site, with a folder as `steward agent` has one, that forwards what other devices \
send and receive. Once it has joined, an administrator appoints it:

  steward gate appoint gate-0001 --hub ./hub/ready.json

It keeps its plans in the folder and enforces them while its hub is away. What it has loaded stays when it \
stops; `nft delete table inet steward` takes it away. A device that no plan names is let through.

Example:
  steward gate run --data /var/lib/gate --registrar https://hub.example:8443

Needs no permission, since a hub asks for the gate's certificate; and CAP_NET_ADMIN, to load packet filters.";

/// The words of `steward agent`, and of `steward gate run`.
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
    start(words, live(words, None))
}

/// Runs a device that enforces its site's plans, as [`run`] does.
///
/// # Errors
/// As [`run`]; and [`Failure::Failed`] when the kernel does not take the plans that are kept.
pub fn run_gate(words: &AgentWords) -> Result<(), Failure> {
    start(words, guard(words))
}

fn start(words: &AgentWords, life: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    log::start(words.log)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(life)
}

type Way = watch::Sender<Option<Dialer>>;

async fn live(words: &AgentWords, way: Option<Arc<Way>>) -> Result<(), Failure> {
    let told = Told::new(false)?;
    let shutdown = async {
        let _ = told.stopped().await;
    };
    let mut settings = agent::Settings { way, ..agent::Settings::new(&words.registrar) };
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

async fn guard(words: &AgentWords) -> Result<(), Failure> {
    let (way, ways) = watch::channel(None);
    let settings = gate::site::Settings { hub: words.registrar.clone(), way: ways, nft: Nft::here() };
    let (over, is_over) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = is_over.await;
    };
    let mut guarding = pin!(gate::site::run(&words.data, settings, shutdown));
    let mut living = pin!(live(words, Some(Arc::new(way))));
    tokio::select! {
        ended = &mut living => {
            drop(over);
            let guarded = guarding.await.map_err(failed);
            ended.and(guarded)
        }
        guarded = &mut guarding => Err(guarded.map_or_else(failed, |()| failed("the gate ended by itself"))),
    }
}
