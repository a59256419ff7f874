//! A running hub, and the programs that judge it.
use axum::Router;
use fleet::door::Outgoing;
use fleet::operation::Operation;
use fleet::permission::Session;
use fleet::refusal::Refusal;
use fleet::text::Slug;
use hub::blobs::Blobs;
use hub::desk::Desk;
use hub::fetch::Fetcher;
use hub::{Hub, Settings};
use io::FileKey;
use io::http::client::{Connection, Dialer, Request};
use io::http::server::{ServerLimits, serve};
use io::http::url::Url;
use io::tls::Identity;
use io::tls::client::anchored;
use io::tls::server::people_config;
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity, issue};
use wire::{Certificate, PublicKey, cms, oid};

/// A hub that runs until it is dropped.
pub struct Running {
    pub runtime: Runtime,
    pub folder: TempDir,
    pub devices: SocketAddr,
    pub people: SocketAddr,
    pub blobs: Blobs,
    desk: Desk,
    stop: Option<oneshot::Sender<()>>,
}

impl Running {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    pub fn start_in(folder: TempDir) -> Self {
        Self::start_with(folder, |_| {})
    }

    pub fn start_with(folder: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(folder.path().join("hub"));
        change(&mut settings);
        let hub = Hub::open(settings).expect("the hub opens");
        let runtime = Runtime::new().expect("a runtime");
        let bound = runtime.block_on(hub.bind()).expect("ports");
        let (desk, devices, people) = (bound.desk().clone(), bound.devices(), bound.people());
        let blobs = bound.blobs().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(async move {
            let ended = bound.serve(async { drop(stopped.await) }).await;
            ended.expect("the hub serves");
        });
        let running = Running { runtime, folder, devices, people, blobs, desk, stop: Some(stop) };
        running.wait();
        running
    }

    /// Its first answer: its folder is whole.
    fn wait(&self) {
        let pem = std::fs::read_to_string(self.authority()).expect("a certificate");
        let healthz = Outgoing {
            url: format!("https://{}/healthz", self.people),
            servers: vec![Certificate::from_pem(&pem).expect("a certificate")],
            accept: "application/json",
            content: None,
            reply_bytes_max: 1_000,
        };
        let reply = self.runtime.block_on(Fetcher::new(true, Vec::new()).ask(&healthz));
        assert_eq!(reply.map(|reply| reply.status), Ok(200));
    }

    /// Asks as an administrator.
    pub fn ask(&self, operation: &str, arguments: Json) -> Result<Json, Refusal> {
        self.ask_as(&Session::of_hub("test", Slug::main()), operation, arguments)
    }

    /// Asks as somebody else.
    pub fn ask_as(&self, session: &Session, operation: &str, arguments: Json) -> Result<Json, Refusal> {
        let (noun, verb) = operation.split_once(' ').expect("noun verb");
        let row = fleet::operation(noun, verb).expect("an operation");
        self.runtime.block_on(self.desk.run(session, row, arguments, None))
    }

    /// Who holds a secret.
    pub fn session(&self, secret: &str) -> Result<Session, Refusal> {
        self.runtime.block_on(self.desk.session(secret.into()))
    }

    /// Asks something that is in no table.
    pub fn own(&self, call: impl Operation) -> Result<Json, Refusal> {
        let session = Session::of_hub("test", Slug::main());
        self.runtime.block_on(self.desk.own(&session, call))
    }

    /// Asks until `good` takes the answer.
    pub fn ask_until(&self, operation: &str, arguments: &Json, good: impl Fn(&Json) -> bool) -> Json {
        let mut answer = self.ask(operation, arguments.clone());
        self.until(operation, || {
            answer = self.ask(operation, arguments.clone());
            answer.as_ref().is_ok_and(&good)
        });
        answer.expect("it is good")
    }

    /// Waits until `done`, for as long as a busy machine may need.
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..600 {
            if done() {
                return;
            }
            self.runtime.block_on(async {
                let never = std::future::pending::<()>();
                let _ = tokio::time::timeout(std::time::Duration::from_millis(50), never).await;
            });
        }
        panic!("{what}: it does not come");
    }

    /// The bytes as a blob of this hub.
    pub fn put(&self, bytes: &[u8]) -> String {
        let session = Session::of_hub("test", Slug::main());
        let digest = self.runtime.block_on(self.blobs.put(&session, bytes.to_vec()));
        digest.expect("the blob is kept").to_string()
    }

    /// Tells it to stop; it goes on with what it has begun.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The domain authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.path("hub/ca.pem")
    }
}

/// What a listener answers a program that shows `identity`: nothing when not a byte came.
pub fn asked(hub: &Running, identity: Option<&Identity>, request: &Request) -> Option<(u16, String)> {
    hub.runtime.block_on(async {
        let answer = connects(hub, identity, &request.url).await.send(request).await.ok()?;
        Some((answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned()))
    })
}

async fn connects(hub: &Running, identity: Option<&Identity>, url: &Url) -> Connection {
    let tls = anchored(&[certificate(hub, "hub/ca.pem").der().to_vec()], identity).expect("a config");
    Connection::open(&Dialer::new(tls), url).await.expect("a connection")
}

pub fn certificate(hub: &Running, file: &str) -> Certificate {
    let pem = std::fs::read_to_string(hub.path(file)).expect("a certificate");
    Certificate::from_pem(&pem).expect("a certificate")
}

/// A server with the TLS identity of a hub that answers what a test says, until the test ends.
pub fn serve_as(hub: &Running, router: Router) -> SocketAddr {
    let chain = vec![certificate(hub, "hub/server.pem").der().to_vec()];
    let signer = Arc::new(FileKey::open(&hub.path("hub/server.key")).expect("its key"));
    let tls = people_config(&Identity { chain, signer }).expect("TLS");
    let listener = hub.runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("its address");
    hub.runtime.spawn(serve(listener, tls, ServerLimits::default(), router, std::future::pending()));
    address
}

/// A device that was made by the maker whose hub this is, with its IDevID.
#[derive(Clone)]
pub struct Pledge {
    pub certificate: Certificate,
    pub key: Arc<FileKey>,
}

impl Pledge {
    pub fn made(maker: &Running, serial_number: &str, masa_url: Option<String>) -> Self {
        let key = FileKey::open_or_create(&maker.path(&format!("{serial_number}.idevid"))).expect("a key");
        let signer = FileKey::open(&maker.path("hub/factory.key")).expect("a key");
        let hardware = HardwareModuleName {
            kind: "1.3.6.1.4.1.32473.7".parse().expect("an OID"),
            serial: serial_number.into(),
        };
        let serial_number = serial_number.to_owned();
        let profile = Profile::IdevId { serial_number, hardware, mud_url: None, masa_url };
        let validity = Validity { not_before: io::clock::now_millis(), not_after: None };
        let (public, serial) = (PublicKey::of(&key).expect("a key"), io::random::fill());
        let authority = certificate(maker, "hub/factory.pem");
        let certificate = issue(&profile, &public, Some(&authority), serial, validity, &signer);
        Pledge { certificate: certificate.expect("issued"), key: Arc::new(key) }
    }

    pub fn identity(&self) -> Identity {
        Identity { chain: vec![self.certificate.der().to_vec()], signer: self.key.clone() }
    }

    /// Octets in the place of a voucher-request, signed.
    pub fn signs(&self, content: &[u8]) -> Vec<u8> {
        let (kind, key) = (oid::ANIMA_JSON_VOUCHER, self.key.as_ref());
        cms::sign(kind, content, &self.certificate, &[], key, None, false).expect("signed")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// Runs a program in `folder` and expects it to succeed.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = output(folder, program, arguments);
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let _ = write!(said, "{}", String::from_utf8_lossy(&output.stderr));
        panic!("{program} {arguments:?}: {said}");
    }
    said
}

/// Runs a program in `folder`.
pub fn output(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let run = Command::new(program).args(arguments).current_dir(folder).output();
    run.unwrap_or_else(|why| panic!("{program}: {why}"))
}

/// Whether a program is there; if not, the test says that it skips.
pub fn have(test: &str, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|p| Command::new(p).arg("--version").output().is_err());
    let Some(program) = missing else { return true };
    skip(test, &format!("{program} is not on this machine"));
    false
}

fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    let line = format!("SKIP {test}: {why}");
    eprintln!("{line}");
    if let Some(file) = std::env::var_os("STEWARD_SKIPS") {
        let appended = std::fs::OpenOptions::new().create(true).append(true).open(file);
        appended.and_then(|mut file| writeln!(file, "{line}")).expect("the list of skips takes a line");
    }
}
