//! A gate's life: it enforces the plans that its disk holds, asks its hub for the set of its site's plans,
//! fetches those that it lacks, and enforces that set, whole.
//!
//! A plan reaches the disk before the kernel, and the kernel before the word that it is enforced. A hub that
//! is away changes nothing: what was enforced stays so, also over a restart.
mod hub;
mod kept;

use crate::limits::{RETRY_SECONDS_MAX, RETRY_SECONDS_MIN};
use crate::nft::{Nft, NftFailed, RulesetRefused, ruleset};
use hub::AtHub;
use io::files::FileError;
use io::http::client::Dialer;
use io::http::url::{Url, UrlError};
use kept::{Kept, Last};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use wire::plan::{Plan, PlanSet};

/// How a gate is run.
pub struct Settings {
    /// Its hub's address for devices: `https://` with a name or an address, and a port.
    pub hub: String,
    /// How the hub is reached: with the gate's identity in the domain; nothing before it has joined.
    pub way: watch::Receiver<Option<Dialer>>,
    /// Whose packets are filtered.
    pub nft: Nft,
}

/// Why a gate does not run any more.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Its folder cannot be used. The operator, or the environment.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hub's address is none. The operator.
    #[error("the hub `{hub}`: {why}")]
    Hub {
        /// What was configured.
        hub: String,
        /// What is wrong with it.
        why: UrlError,
    },
    /// What is kept cannot be enforced any more, so that the site is not guarded. The environment.
    #[error("the plans on the disk are not enforced: {0}")]
    Unguarded(NotEnforced),
}

/// Why a set of plans is not enforced.
#[derive(Debug, thiserror::Error)]
pub enum NotEnforced {
    /// Whoever made the plans is to blame.
    #[error(transparent)]
    Ruleset(#[from] RulesetRefused),
    /// The environment.
    #[error(transparent)]
    Nft(#[from] NftFailed),
}

/// Runs the gate whose plans are kept in `folder` until `shutdown` resolves. The rules that are loaded then
/// stay.
///
/// # Errors
/// [`SiteError`].
pub async fn run(
    folder: &Path,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SiteError> {
    let hub = Url::parse(&settings.hub).map_err(|why| SiteError::Hub { hub: settings.hub.clone(), why })?;
    let kept = Kept::open(folder.join("plans"))?;
    let mut site = Site { kept, nft: settings.nft, enforced: None };
    site.resume().await?;
    let mut hub = AtHub::new(hub, settings.way);
    let mut shutdown = pin!(shutdown);
    let mut wait = RETRY_SECONDS_MIN;
    loop {
        let asked = tokio::select! {
            () = &mut shutdown => return Ok(()),
            asked = hub.set(site.enforced.as_ref()) => asked,
        };
        // The disk and the kernel are not left alone in the middle.
        let done = match asked {
            Ok(None) => Ok(()),
            Ok(Some(set)) => site.take(&mut hub, set).await,
            Err(why) => Err(why),
        };
        match done {
            Ok(()) => wait = RETRY_SECONDS_MIN,
            Err(why) => {
                tracing::warn!(why, seconds = wait, "the plans are as they were; trying again");
                tokio::select! {
                    () = &mut shutdown => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(wait)) => {}
                }
                wait = (wait * 2).min(RETRY_SECONDS_MAX);
            }
        }
    }
}

/// What is on the disk, and what is in the kernel.
struct Site {
    kept: Kept,
    nft: Nft,
    enforced: Option<PlanSet>,
}

impl Site {
    /// Enforces what was enforced before the start; nothing, which has the kernel track connections, if there
    /// was nothing. What is damaged is fetched anew, and the kernel is left as it is meanwhile.
    async fn resume(&mut self) -> Result<(), SiteError> {
        let set = match self.kept.set()? {
            Last::Nothing => return self.enforce(Vec::new()).await.map_err(SiteError::Unguarded),
            Last::Damaged => return Ok(()),
            Last::Set(set) => set,
        };
        let plans =
            set.0.iter().map(|digest| self.kept.plan(digest)).collect::<Result<Option<Vec<_>>, _>>()?;
        let Some(plans) = plans else { return Ok(()) };
        self.enforce(plans).await.map_err(SiteError::Unguarded)?;
        tracing::info!(plans = set.0.len(), "the plans of the last time are enforced");
        self.enforced = Some(set);
        Ok(())
    }

    /// Fetches what is missing of `set`, and enforces it.
    async fn take(&mut self, hub: &mut AtHub, set: PlanSet) -> Result<(), String> {
        let mut plans = Vec::new();
        for digest in &set.0 {
            let known = self.kept.plan(digest).map_err(|why| why.to_string())?;
            plans.push(match known {
                Some(plan) => plan,
                None => {
                    let fetched = hub.plan(digest).await?;
                    self.kept.add(digest, &fetched).map_err(|why| why.to_string())?
                }
            });
        }
        self.enforce(plans).await.map_err(|why| why.to_string())?;
        self.kept.put_set(&set).map_err(|why| why.to_string())?;
        tracing::info!(plans = set.0.len(), set = set.digest(), "enforced");
        self.enforced = Some(set);
        Ok(())
    }

    async fn enforce(&self, plans: Vec<Plan>) -> Result<(), NotEnforced> {
        let text = ruleset(&plans)?;
        let nft = self.nft.clone();
        match tokio::task::spawn_blocking(move || nft.load(&text)).await {
            Ok(loaded) => Ok(loaded?),
            Err(why) => Err(NftFailed::NotRun(why.to_string()).into()),
        }
    }
}

/// The file of a plan.
fn plan_path(folder: &Path, digest: &[u8; 32]) -> PathBuf {
    folder.join(format!("{}.json", wire::digest::hex(digest)))
}
