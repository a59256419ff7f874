//! A hub as a child process: started, waited for, asked, ended by its handle.
use crate::failure::{Failure, failed, usage};
use crate::limits::{
    ALL_PAGE_ITEMS_MAX, DEMO_END_SECONDS_MAX, DEMO_FILE_BYTES_MAX, DEMO_LOG_BYTES_MAX,
    DEMO_START_SECONDS_MAX, DEMO_START_TRIES_MAX,
};
use crate::remote::Remote;
use crate::serve::ANNOUNCEMENT;
use crate::settings::READY_FILE;
use crate::target::{Target, read_ready};
use fleet::operation::OperationRow;
use hub::start::Ready;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// What a hub says when another has its folder.
const IN_USE: &str = "is in use by";
/// Between two tries while the hub of a killed demo notices that it is alone.
const TRY_AGAIN_MILLIS: u64 = 250;

/// What keeps a hub's addresses, so that what was made with them stays true when it is started again.
#[derive(Serialize, Deserialize)]
struct Addresses {
    people: SocketAddr,
    devices: SocketAddr,
}

impl Addresses {
    fn path(folder: &Path) -> PathBuf {
        folder.with_extension("addresses.json")
    }

    fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        match io::files::read_limited(&Self::path(folder), DEMO_FILE_BYTES_MAX) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(usage),
            Err(why) if why.is_missing() => Ok(None),
            Err(why) => Err(failed(why)),
        }
    }

    /// Those of a hub that has just started.
    fn keep(folder: &Path, ready: &Ready) -> Result<(), Failure> {
        let address = |url: &str| url.trim_start_matches("https://").parse().map_err(failed);
        let addresses = Addresses { people: address(&ready.people)?, devices: address(&ready.devices)? };
        let json = serde_json::to_vec(&addresses).map_err(failed)?;
        io::files::write_atomic(&Self::path(folder), &json, 0o600).map_err(failed)
    }
}

/// How a hub is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its folder.
    pub folder: PathBuf,
    /// Words for `steward serve`.
    pub words: Vec<String>,
}

/// Between two looks at something that takes its time.
const LOOK_MILLIS: u64 = 50;

/// A running hub.
pub struct HubProcess {
    /// Its folder.
    pub folder: PathBuf,
    /// What its ready-file says.
    pub ready: Ready,
    start: Start,
    remote: Remote,
    child: Child,
    /// Kept open, so that the hub may write to it.
    _output: Lines<BufReader<ChildStdout>>,
}

impl HubProcess {
    /// Starts a hub and waits until it answers.
    ///
    /// # Errors
    /// [`Failure::Failed`], with the end of its log.
    pub async fn start(start: Start) -> Result<Self, Failure> {
        for _ in 1..DEMO_START_TRIES_MAX {
            match Self::try_start(&start).await {
                Err(Failure::Failed(why)) if why.contains(IN_USE) => {
                    sleep(Duration::from_millis(TRY_AGAIN_MILLIS)).await;
                }
                started => return started,
            }
        }
        Self::try_start(&start).await
    }

    async fn try_start(start: &Start) -> Result<Self, Failure> {
        let folder = &start.folder;
        let log = folder.with_extension("log");
        let known = Addresses::read(folder)?;
        let mut child = spawn(start, known.as_ref(), &log)?;
        let output = child.stdout.take().ok_or_else(|| failed("the hub has no output"))?;
        let mut output = BufReader::new(output).lines();
        let within = Duration::from_secs(DEMO_START_SECONDS_MAX);
        if !timeout(within, announced(&mut output)).await.unwrap_or(false) {
            // It may have ended already.
            let _ = child.kill().await;
            return Err(failed(format!("the hub on {} did not start: {}", folder.display(), end_of(&log))));
        }
        let ready = read_ready(&folder.join(READY_FILE))?;
        if known.is_none() {
            Addresses::keep(folder, &ready)?;
        }
        let remote = Remote::new(&Target::of(&ready)?)?;
        Ok(HubProcess { folder: folder.clone(), ready, start: start.clone(), remote, child, _output: output })
    }

    /// Asks for the operation called `name`, under a random idempotency key.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn call(&mut self, name: &str, arguments: Json) -> Result<Json, Failure> {
        let key = crate::call::random_key();
        self.call_once(name, arguments, &key).await
    }

    /// Asks for the operation called `name`; asked again with the same `key`, it is done once.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn call_once(&mut self, name: &str, arguments: Json, key: &str) -> Result<Json, Failure> {
        self.remote.call(row(name)?, &arguments, key).await
    }

    /// Puts a blob, and answers its SHA-256.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn put_blob(&mut self, bytes: &[u8]) -> Result<String, Failure> {
        self.remote.put_blob(bytes).await
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn blob(&mut self, digest: &str) -> Result<Vec<u8>, Failure> {
        self.remote.blob(digest).await
    }

    /// Asks for what looks at something until `good` takes the answer.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it, or when that takes longer than `within`.
    pub async fn until(
        &mut self,
        name: &str,
        arguments: Json,
        within: Duration,
        good: impl Fn(&Json) -> bool,
    ) -> Result<Json, Failure> {
        let end = Instant::now() + within;
        loop {
            let shown = self.call(name, arguments.clone()).await?;
            if good(&shown) {
                return Ok(shown);
            }
            if Instant::now() > end {
                return Err(failed(format!("`{name}` did not come so far within {within:?}: {shown}")));
            }
            sleep(Duration::from_millis(LOOK_MILLIS)).await;
        }
    }

    /// Asks for the operation called `name`; that it is refused with the code `done` says that it was
    /// done before.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn call_unless(&mut self, name: &str, arguments: Json, done: &str) -> Result<(), Failure> {
        match self.call(name, arguments).await {
            Err(Failure::Refused(problem)) if problem.code() == done => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// The whole list of `operation`, page by page.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn all(&mut self, operation: &str) -> Result<Vec<Json>, Failure> {
        let (mut items, mut arguments) = (Vec::new(), json!({"limit": ALL_PAGE_ITEMS_MAX}));
        loop {
            let mut page = self.call(operation, arguments.clone()).await?;
            if let Json::Array(more) = page["items"].take() {
                items.extend(more);
            }
            match page["next"].take() {
                Json::Null => return Ok(items),
                next if next == arguments["after"] => return Err(failed("a page that leads to itself")),
                next => arguments["after"] = next,
            }
        }
    }

    /// How it is asked over its API.
    ///
    /// # Errors
    /// [`Failure::Usage`] when its ready-file is wrong.
    pub fn target(&self) -> Result<Target, Failure> {
        Target::of(&self.ready)
    }

    /// The same hub, asked with another token.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the token cannot be sent.
    pub fn asked_with(&self, token: &str) -> Result<Remote, Failure> {
        Remote::new(&Target { token: token.into(), ..Target::of(&self.ready)? })
    }

    /// The number of the newest entry of its journal; 0 when there is none.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn journal_head(&mut self) -> Result<i64, Failure> {
        let newest = self.call("audit list", json!({"limit": 1})).await?;
        Ok(newest["items"][0]["seq"].as_i64().unwrap_or_default())
    }

    /// Says whether it has ended by itself.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it has.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait().map_err(failed)? {
            None => Ok(()),
            Some(status) => Err(failed(format!("the hub on {} ended with {status}", self.folder.display()))),
        }
    }

    /// How much memory it has in use, as the kernel says.
    pub fn rss_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Ends it by ending its input; if that takes too long, by force.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it did not end well.
    pub async fn end(&mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let within = Duration::from_secs(DEMO_END_SECONDS_MAX);
        match timeout(within, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                Err(failed(format!("the hub on {} ended with {status}", self.folder.display())))
            }
            Ok(Err(why)) => Err(failed(why)),
            Err(_) => {
                self.child.kill().await.map_err(failed)?;
                Err(failed(format!("the hub on {} had to be killed", self.folder.display())))
            }
        }
    }

    /// Starts it again after [`HubProcess::end`].
    ///
    /// # Errors
    /// As [`HubProcess::start`].
    pub async fn start_again(&mut self) -> Result<(), Failure> {
        *self = Self::start(self.start.clone()).await?;
        Ok(())
    }
}

/// The operation called `noun verb`.
///
/// # Errors
/// [`Failure::Failed`] when the table has none.
pub fn row(name: &str) -> Result<&'static OperationRow, Failure> {
    let (noun, verb) = name.split_once(' ').unwrap_or((name, ""));
    fleet::operation(noun, verb).ok_or_else(|| failed(format!("there is no operation `{name}`")))
}

fn spawn(start: &Start, known: Option<&Addresses>, log: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(failed)?;
    // The hub of a killed demo may still write to it: each writes at its end.
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(log);
    let emptied = opened.and_then(|log| log.set_len(0).map(|()| log));
    let log = emptied.map_err(|why| failed(format!("{}: {why}", log.display())))?;
    let mut command = Command::new(&program);
    command.args(["serve", "--until-input-ends", "--data"]).arg(&start.folder).args(&start.words);
    if let Some(Addresses { people, devices }) = known {
        command.args(["--listen", &people.to_string(), "--listen-devices", &devices.to_string()]);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| failed(format!("{} could not be started: {why}", program.display())))
}

/// Whether the hub says where it is before its output ends.
async fn announced(output: &mut Lines<BufReader<ChildStdout>>) -> bool {
    while let Ok(Some(line)) = output.next_line().await {
        if line.starts_with(ANNOUNCEMENT) {
            return true;
        }
    }
    false
}

/// Why a hub ended, as it said itself; else the end of its log.
fn end_of(log: &Path) -> String {
    let bytes = io::files::read_limited(log, DEMO_LOG_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let own = text.lines().rev().find(|line| line.starts_with("error: "));
    own.or_else(|| text.lines().last()).map_or_else(|| format!("see {}", log.display()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn a_hub_tells_its_end_whoever_else_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("hub.log");
        let check = |text: &str, expect: &str| {
            std::fs::write(&log, text).expect("written");
            assert_eq!(end_of(&log), expect, "{text}");
        };
        check("INFO ready\nerror: it is in use by 7\nINFO stopping\n", "error: it is in use by 7");
        check("INFO ready\nINFO stopping\n", "INFO stopping");
        check("", &format!("see {}", log.display()));
    }
}
