//! What the tests share: a hub as a child process, the program's words, plain requests.

use io::http::client::{Answer, Client, ClientError, Dialer, Request};
use io::http::header::{HeaderName, HeaderValue};
use io::http::url::Url;
use io::http::{Method, header};
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Long enough for a busy machine; nothing waits so long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Says that a test could not run, and why; a run that allows no skips reads the file.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    let Some(path) = std::env::var_os("STEWARD_SKIPS") else { return };
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the file of skips opens");
    writeln!(file, "SKIP {name}: {why}").expect("the file of skips is written");
}

/// The program, with nothing of the surroundings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steward"));
    command.env_remove("STEWARD_HUB").env_remove("STEWARD_LOG").env("COLUMNS", "100").stdin(Stdio::null());
    command
}

/// What a run of the program came to.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The one JSON line of its output.
    pub fn json(&self) -> Json {
        assert_eq!(self.out.lines().count(), 1, "one line: {} {}", self.out, self.err);
        serde_json::from_str(&self.out).expect("JSON")
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }
}

/// Runs the program without a hub.
pub fn run(words: &[&str]) -> Done {
    Done::of(program().args(words).output().expect("the program runs"))
}

/// A process that is ended when the test is, by its handle.
pub struct Process {
    pub child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("its output");
        Process { child, lines: read_lines(output) }
    }

    /// Its next line that `is` it; none when its output ends before.
    pub fn line(&self, is: impl Fn(&str) -> bool) -> Option<String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if is(&line) => return Some(line),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing was written for {PATIENCE:?}"),
            }
        }
    }

    /// Sends a signal, as `kill -NAME PID` does.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }

    /// Kills it after this time, whatever it is doing then; says whether it had ended before.
    pub fn kill_after(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while let Ok(_line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {}
        let ended = self.child.try_wait().expect("a child").is_some();
        self.child.kill().expect("killed");
        self.ended();
        ended
    }

    /// Waits for its end, and says what it exited with; none for a signal.
    pub fn ended(&mut self) -> Option<i32> {
        // Its output ends with it.
        while self.line(|_| true).is_some() {}
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

/// A hub in a child process, in a temporary folder.
pub struct Hub {
    pub process: Process,
    pub folder: TempDir,
    pub ready: Json,
}

impl Hub {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("hub");
        let mut command = program();
        command.args(["serve", "--data"]).arg(data).env("STEWARD_LOG", "off");
        Hub::with(command, folder)
    }

    /// A hub whose process `command` starts, on the folder `hub` of `folder`.
    pub fn with(mut command: Command, folder: TempDir) -> Self {
        let process = Process::start(&mut command);
        assert!(process.line(|line| line.starts_with("Steward's hub is at ")).is_some(), "it did not start");
        let ready = std::fs::read(folder.path().join("hub/ready.json")).expect("a ready-file");
        Hub { process, folder, ready: serde_json::from_slice(&ready).expect("JSON") }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    pub fn ready_file(&self) -> PathBuf {
        self.data().join("ready.json")
    }

    pub fn people(&self) -> &str {
        self.ready["people"].as_str().expect("an address")
    }

    pub fn token(&self) -> &str {
        self.ready["token"].as_str().expect("a token")
    }

    /// Runs the program with this hub as the one to ask.
    pub fn run(&self, words: &[&str]) -> Done {
        Done::of(program().args(words).env("STEWARD_HUB", self.ready_file()).output().expect("it runs"))
    }

    /// The same, done, as JSON.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Json {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        self.run(&words).exits(0).json()
    }

    /// A token of a new account with `permission`.
    pub fn token_of(&self, account: &str, permission: &str) -> String {
        self.run(&["account", "add", account, "--permission", permission]).exits(0);
        let issued = self.json(&["token", "issue", account, "--label", "test"]);
        issued["secret"].as_str().expect("a secret").to_owned()
    }

    /// The secret of a new one-time link.
    pub fn link_of(&self, account: &str) -> String {
        let issued = self.json(&["link", "issue", account]);
        issued["secret"].as_str().expect("a secret").to_owned()
    }

    /// A client that believes this hub.
    pub fn http(&self) -> Http {
        Http::believing(Path::new(self.ready["ca"].as_str().expect("a path")))
    }

    pub fn url(&self, target: &str) -> Url {
        Url::parse(self.people()).and_then(|url| url.with_target(target)).expect("a URL")
    }

    /// A GET with this hub's administrator's token.
    pub fn get(&self, target: &str) -> Request {
        bearing(Request::get(self.url(target)), self.token())
    }

    /// A POST with this hub's administrator's token.
    pub fn post(&self, target: &str, content_type: &'static str, body: impl Into<Vec<u8>>) -> Request {
        bearing(Request::post(self.url(target), content_type, body.into()), self.token())
    }

    pub fn request(&self, method: Method, target: &str) -> Request {
        bearing(Request::new(method, self.url(target)), self.token())
    }
}

pub fn bearing(request: Request, token: &str) -> Request {
    with(request, header::AUTHORIZATION, &format!("Bearer {token}"))
}

pub fn with(request: Request, name: HeaderName, value: &str) -> Request {
    request.header(name, HeaderValue::from_str(value).expect("a header"))
}

/// A client for tests that wait.
pub struct Http {
    runtime: Runtime,
    client: Client,
}

impl Http {
    pub fn plain() -> Self {
        Self::dialing(Dialer::plain())
    }

    pub fn believing(ca: &Path) -> Self {
        let pem = std::fs::read_to_string(ca).expect("a certificate");
        let der = wire::certificate::Certificate::from_pem(&pem).expect("a certificate").der().to_vec();
        Self::dialing(Dialer::new(io::tls::client::anchored(&[der], None).expect("an anchor")))
    }

    fn dialing(dialer: Dialer) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Http { runtime, client: Client::new(dialer) }
    }

    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Answer {
        self.try_send(request).expect("an answer")
    }

    pub fn try_send(&mut self, request: &Request) -> Result<Answer, ClientError> {
        self.runtime.block_on(self.client.send(request))
    }
}

/// The body of an answer as JSON.
#[track_caller]
pub fn body(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&answer.body)))
}
