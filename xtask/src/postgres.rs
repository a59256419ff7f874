//! A PostgreSQL of the tests' own: fresh data, a Unix socket, no TCP port, gone at the end.
//!
//! The server is our child and is told (`setpriv --pdeathsig`) to end when we do, so that it does not
//! outlive a run that was interrupted or killed; the folder of such a run is removed by the next one.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::limits::{POSTGRES_END_SECONDS_MAX, POSTGRES_LOG_LINES_MAX, POSTGRES_START_SECONDS_MAX};
use crate::programs;

/// The folder's name in the temporary folder, followed by our process id.
const FOLDER_PREFIX: &str = "steward-postgres-";

/// What the server writes (in the C locale) when it takes connections.
const READY: &str = "database system is ready to accept connections";

const SETTINGS: [&str; 2] = ["listen_addresses=", "max_connections=200"];

/// Speed before durability, for data that lives as long as the run.
const CARELESS: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A running server. Dropping it ends the server and removes its folder.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Receiver<String>,
    folder: Folder,
}

/// The server's folder, removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("could not remove {}: {error}", self.0.display());
        }
    }
}

/// Debian's user for the server: PostgreSQL refuses to run as root.
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    /// Makes a fresh cluster, starts a server on it and waits until it takes connections.
    ///
    /// # Errors
    /// A program or Debian's `postgres` user is missing, or the server did not become ready in time (its
    /// log is in the message).
    pub fn start() -> Result<Self, String> {
        Self::start_with(&CARELESS)
    }

    /// As [`Server::start`], and commits wait for the disk: for figures.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_durable() -> Result<Self, String> {
        Self::start_with(&[])
    }

    fn start_with(more: &[&str]) -> Result<Self, String> {
        remove_left_folders();
        let user = if programs::is_root() { Some(postgres_user()?) } else { None };
        let folder = make_folder(user.as_ref())?;
        let data = folder.0.join("data");
        programs::output(
            server_program("initdb", user.as_ref(), &folder.0)?
                .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
                .arg("--pgdata")
                .arg(&data),
        )?;
        let mut command = server_program("postgres", user.as_ref(), &folder.0)?;
        command.arg("-D").arg(&data).arg("-k").arg(&folder.0);
        command.args(SETTINGS.iter().chain(more).flat_map(|setting| ["-c", setting]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("PostgreSQL could not be started: {error}"))?;
        let log = follow(&mut child);
        let server = Self { child, log, folder };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// How a client of this server connects, in the words of libpq.
    pub fn connection(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.0.display())
    }

    /// Makes an empty database and returns how a client connects to it.
    ///
    /// # Errors
    /// `createdb` is missing, or says why not.
    pub fn database(&self, name: &str) -> Result<String, String> {
        let createdb = programs::find("createdb").ok_or("createdb is missing")?;
        let host = self.folder.0.display().to_string();
        programs::output(Command::new(createdb).args(["-h", &host, "-U", "postgres", name]))?;
        Ok(format!("host={host} user=postgres dbname={name}"))
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(POSTGRES_START_SECONDS_MAX);
        let mut last = VecDeque::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let what = match self.log.recv_timeout(left) {
                Ok(line) if line.contains(READY) => return Ok(()),
                Ok(line) => {
                    if last.len() == POSTGRES_LOG_LINES_MAX {
                        last.pop_front();
                    }
                    last.push_back(line);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => "did not become ready in time",
                Err(RecvTimeoutError::Disconnected) => "ended while it started",
            };
            return Err(format!("PostgreSQL {what}:\n{}", last.make_contiguous().join("\n")));
        }
    }

    /// Waits until the server and its children have closed the log.
    fn wait_until_ended(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(POSTGRES_END_SECONDS_MAX);
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT asks PostgreSQL for a fast shutdown: it ends its sessions and then itself.
        let pid = self.child.id();
        let ask = format!("kill -INT {pid}");
        if programs::run(Command::new("sh").args(["-c", &ask])).is_err() || !self.wait_until_ended() {
            eprintln!("PostgreSQL (process {pid}) did not end when asked: killing it");
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Reads the server's log to its end in a thread, so that the server never waits for us.
fn follow(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(POSTGRES_LOG_LINES_MAX);
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Once the server is ready nobody listens any more: what does not fit is dropped.
                let _ = sender.try_send(line);
            }
        });
    }
    receiver
}

/// A program of PostgreSQL, started in `folder` as `user` (or as we are), bound to our own life.
fn server_program(name: &str, user: Option<&User>, folder: &Path) -> Result<Command, String> {
    let file = programs::find(name).ok_or_else(|| format!("{name} is missing"))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some(user) = user {
        command.arg("--init-groups");
        command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
    }
    command.arg(file).current_dir(folder).env("LC_ALL", "C");
    Ok(command)
}

fn postgres_user() -> Result<User, String> {
    let id = |flag| -> Result<u32, String> {
        let text = programs::output(Command::new("id").args([flag, "postgres"]))?;
        text.trim().parse().map_err(|_| format!("`id {flag} postgres` wrote `{}`", text.trim()))
    };
    Ok(User { uid: id("-u")?, gid: id("-g")? })
}

/// A new folder of the server's user below the temporary folder, which every user can reach.
fn make_folder(user: Option<&User>) -> Result<Folder, String> {
    let path = std::env::temp_dir().join(format!("{FOLDER_PREFIX}{}", std::process::id()));
    let error = |error| format!("could not make {}: {error}", path.display());
    fs::create_dir(&path).map_err(error)?;
    let folder = Folder(path.clone());
    if let Some(user) = user {
        chown(&path, Some(user.uid), Some(user.gid)).map_err(error)?;
    }
    Ok(folder)
}

/// Removes the folders of runs whose process is gone.
fn remove_left_folders() {
    let Ok(entries) = std::env::temp_dir().read_dir() else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER_PREFIX)?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            drop(Folder(entry.path()));
        }
    }
}
