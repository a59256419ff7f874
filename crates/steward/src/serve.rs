//! `steward serve`: a hub's process, from its start to its clean end.
use crate::failure::{Failure, failed};
use crate::kill::KillAt;
use crate::limits::FIRST_ANSWER_SECONDS_MAX;
use crate::log;
use crate::print::line_if_read;
use crate::remote::Remote;
use crate::settings::{Settings, Words};
use crate::stop::Told;
use crate::target::Target;
use fleet::text::Label;
use hub::start::Ready;
use hub::{Bound, Hub};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// What leads the line that says where the hub is; the demo waits for it.
pub const ANNOUNCEMENT: &str = "Steward's hub is at ";

/// The words of `steward serve`.
#[derive(Debug, clap::Args)]
pub struct ServeWords {
    #[command(flatten)]
    words: Words,
    /// A file with settings, `steward.toml`; words given here beat it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say why the hub's clock is right although its journal has entries of a time to come
    #[arg(long, value_name = "WHY")]
    accept_clock: Option<Label>,
    /// Stop when standard input ends: for a program that starts the hub and may be killed
    #[arg(long)]
    until_input_ends: bool,
    /// For tests: kill this process at an entry of its journal
    #[arg(long, hide = true, value_name = "ENTRY[:MILLISECONDS]")]
    kill_at: Option<KillAt>,
}

/// Runs a hub until it is told to stop.
///
/// # Errors
/// [`Failure::Usage`] for a wrong setting, [`Failure::Failed`] when the hub cannot start.
pub fn run(words: ServeWords) -> Result<(), Failure> {
    let settings = words.words.settle(words.config.as_deref())?;
    log::start(settings.log)?;
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    {
        let _entered = runtime.enter();
        io::files::survive_file_size_limit().map_err(failed)?;
    }
    let Settings { mut hub, ready_files, .. } = settings;
    hub.accept_clock = words.accept_clock;
    hub.committed = words.kill_at.map(KillAt::committed);
    let hub = Hub::open(hub).map_err(failed)?;
    // From here on the folder is ours: what an earlier hub left there is no longer true.
    for file in &ready_files {
        remove_stale(file)?;
    }
    runtime.block_on(Box::pin(serve(hub, &ready_files, words.until_input_ends)))
}

async fn serve(hub: Hub, ready_files: &[PathBuf], until_input_ends: bool) -> Result<(), Failure> {
    let told = Told::new(until_input_ends)?;
    let bound = hub.bind().await.map_err(failed)?;
    let mut ready = bound.ready().await.map_err(failed)?;
    ready.people = reachable(ready.people, bound.people());
    ready.devices = reachable(ready.devices, bound.devices());
    let (stop, stopped) = oneshot::channel();
    let mut serving = pin!(served(bound, stopped));
    tokio::select! {
        ended = &mut serving => return ended,
        answered = answers(&ready) => answered?,
    }
    announce(&ready, ready_files)?;
    tokio::select! {
        ended = &mut serving => return ended,
        why = told.stopped() => tracing::info!(why, "stopping"),
    }
    // The hub is the receiver; it is still there.
    let _ = stop.send(());
    serving.await
}

async fn served(bound: Bound, stopped: oneshot::Receiver<()>) -> Result<(), Failure> {
    let shutdown = async {
        let _ = stopped.await;
    };
    bound.serve(shutdown).await.map_err(failed)
}

/// A listener on every address is reached on this machine by loopback, which its certificate names.
fn reachable(url: String, listener: SocketAddr) -> String {
    if !listener.ip().is_unspecified() {
        return url;
    }
    let loopback = if listener.is_ipv4() { "127.0.0.1" } else { "[::1]" };
    format!("https://{loopback}:{}", listener.port())
}

/// The port has been taken, so the first request waits there until the hub answers.
async fn answers(ready: &Ready) -> Result<(), Failure> {
    Remote::new(&Target::of(ready)?)?.answers(Duration::from_secs(FIRST_ANSWER_SECONDS_MAX)).await
}

fn announce(ready: &Ready, ready_files: &[PathBuf]) -> Result<(), Failure> {
    let json = serde_json::to_vec(ready).map_err(failed)?;
    for file in ready_files {
        io::files::write_atomic(file, &json, 0o600).map_err(failed)?;
    }
    let file = ready_files.last().map(|file| file.display().to_string()).unwrap_or_default();
    tracing::info!(people = ready.people, "ready");
    line_if_read(&format!(
        "{ANNOUNCEMENT}{}, for devices at {}\nIts ready-file is {file}; next, for example:\n  \
         steward device list --hub {file}\n  steward link issue admin --hub {file}   \
         (a browser signs in at {}/sign-in/SECRET)",
        ready.people, ready.devices, ready.people
    ))
}

fn remove_stale(file: &std::path::Path) -> Result<(), Failure> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(format!("the old ready-file {} could not be removed: {error}", file.display())))
        }
        _ => Ok(()),
    }
}
