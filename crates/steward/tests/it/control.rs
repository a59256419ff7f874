//! A device's configuration from the command line to its file and back: a hub as a process, the agent in its
//! folder, real TLS between them.
use crate::support::{Hub, PATIENCE, body};
use agent::machine::Timers;
use io::FileKey;
use io::files::write_atomic;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;
use wire::certificate::{Name, NameAttribute};
use wire::{csr, est};

pub const DEVICE: &str = "lumen-lamp-0001";
const FIRST: &str = "{\"interval\":60}";

/// A hub, and a device that was born there and may join.
pub struct Scene {
    pub hub: Hub,
    pub device: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self::at(Hub::start())
    }

    /// A device for a hub that runs.
    pub fn at(hub: Hub) -> Self {
        let scene = Scene { hub, device: tempfile::tempdir().unwrap() };
        scene.bear();
        let certificate = format!("@{}", scene.hub.data().join("factory.pem").display());
        let anchor = ["anchor", "add", "lumen", "--certificate", &certificate, "--admission", "automatic"];
        scene.hub.run(&anchor).exits(0);
        scene
    }

    /// A folder as it comes from the factory, with the domain's certificate laid into it.
    fn bear(&self) {
        self.hub.run(&["product", "add", "lamp-7", "--hardware-type", "1.3.6.1.4.1.32473.7"]).exits(0);
        self.bear_into(self.device.path(), "lamp-0001");
        std::fs::write(self.file(), FIRST).unwrap();
    }

    /// One more of the same product.
    pub fn bear_into(&self, folder: &Path, serial_number: &str) {
        let key = FileKey::open_or_create(&folder.join("idevid.key")).unwrap();
        let subject = Name::new(&[(NameAttribute::SerialNumber, serial_number)]).unwrap();
        let csr = csr::make(&subject, None, &key).unwrap();
        let request =
            self.hub.post("/.well-known/est/lamp-7/simpleenroll", est::PKCS10, est::encode_body(&csr));
        let answer = self.hub.http().send(&request);
        let idevid = est::read_certs_only(&est::decode_body(&answer.body).unwrap()).unwrap();
        write_atomic(&folder.join("idevid.pem"), idevid[0].to_pem().as_bytes(), 0o600).unwrap();
        std::fs::copy(self.hub.data().join("ca.pem"), folder.join("anchor.pem")).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.device.path().join("configuration.json")
    }

    pub fn holds(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// Power comes.
    fn start(&self) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let folder = self.device.path().to_owned();
        let registrar = self.hub.ready["devices"].as_str().unwrap().to_owned();
        Running {
            stop: Some(stop),
            thread: Some(std::thread::spawn(move || run(&folder, &registrar, stopped))),
        }
    }

    /// Asks until `good` takes the answer.
    pub fn until(&self, operation: &str, good: impl Fn(&Json) -> bool) -> Json {
        let (mut http, end) = (self.hub.http(), Instant::now() + PATIENCE);
        let request = self.hub.get(&format!("/api/v1/{operation}?device={DEVICE}"));
        loop {
            let answer = http.send(&request);
            let said = body(&answer);
            if answer.status == 200 && good(&said) {
                return said;
            }
            assert!(Instant::now() < end, "{operation}: {said}");
        }
    }

    /// Gives the device a configuration.
    pub fn set(&self, document: &str, confirm_seconds: &str) {
        let words = ["configuration", "set", DEVICE, "--document", document];
        self.hub.run(&[&words[..], &["--confirm-seconds", confirm_seconds]].concat()).exits(0);
    }
}

fn run(folder: &Path, registrar: &str, stopped: oneshot::Receiver<()>) {
    let timers = Timers { backoff_min: 20, backoff_max: 200, put_off: 1000, start_spread: 0 };
    let look_every = Duration::from_millis(100);
    let settings = agent::Settings { timers, look_every, ..agent::Settings::new(registrar) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(agent::run(folder, settings, async { drop(stopped.await) })).unwrap();
}

/// A device with power.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_configuration_goes_to_its_device_drifts_and_is_restored() {
    let scene = Scene::new();
    let running = scene.start();
    let first = scene.until("configuration/show", |shown| shown["applied"] == 1);
    assert_eq!(first["document"], FIRST, "the first backup");

    let new = "{\"interval\":5}";
    let set = ["configuration", "set", DEVICE, "--document", new];
    let would = scene.hub.json(&[&set[..], &["--dry-run"]].concat());
    assert_eq!(would["difference"], "  {\n-   \"interval\": 60\n+   \"interval\": 5\n  }\n");
    assert_eq!(scene.holds(), FIRST);
    let arguments = json!({"device": DEVICE, "document": new}).to_string();
    let begin = Instant::now();
    let answer =
        scene.hub.http().send(&scene.hub.post("/api/v1/configuration/set", "application/json", arguments));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    scene.until("configuration/show", |shown| shown["applied"] == 2);
    println!("from `configuration set` to applied and confirmed: {:?}", begin.elapsed());
    assert_eq!(scene.holds(), new);
    let before = std::fs::read_to_string(scene.device.path().join("configuration.before.json"));
    assert_eq!(before.unwrap(), FIRST);

    let begin = Instant::now();
    std::fs::write(scene.file(), "{\"interval\":5,\"by\":\"hand\"}").unwrap();
    scene.until("device/show", |shown| shown["conditions"] == json!(["config-drift"]));
    println!("from a change of the file to drift: {:?}", begin.elapsed());
    let drifted = scene.until("configuration/show", |shown| shown["difference"] != "");
    assert_eq!(drifted["difference"], "  {\n+   \"by\": \"hand\",\n    \"interval\": 5\n  }\n");
    scene.hub.run(&["configuration", "restore", DEVICE]).exits(0);
    scene.until("configuration/show", |shown| shown["ordered"] == 0 && shown["drifted"] == false);
    assert_eq!(scene.holds(), new);

    // Nobody listens there: the device comes back by itself with the old one.
    scene.set("{\"hub\":\"https://127.0.0.1:1\"}", "1");
    let back = scene.until("configuration/show", |shown| shown["trouble"] != "");
    assert_eq!(back["trouble"], "no check-in by it was confirmed within 1 seconds");
    assert_eq!((&back["applied"], scene.holds().as_str()), (&json!(2), new));
    let operations = scene.hub.json(&["operation", "list", DEVICE]);
    let phases: Vec<&Json> = operations["items"].as_array().unwrap().iter().map(|o| &o["phase"]).collect();
    assert_eq!(phases, ["failed", "succeeded", "succeeded"]);
    drop(running);
    scene.hub.json(&["audit", "check"]);
}

/// An agent with nothing to do asks fewer than once in 20 s, with the hold and the timers as they are shipped.
#[test]
fn an_idle_agent_asks_seldom() {
    let scene = Scene::new();
    let _running = scene.start();
    scene.until("configuration/show", |shown| shown["applied"] == 1);
    let (mut http, figures) = (scene.hub.http(), scene.hub.get("/metrics"));
    let mut figure = |name: &str| {
        let text = String::from_utf8(http.send(&figures).body.to_vec()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("steward_{name} ")));
        line.and_then(|value| value.parse::<u64>().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    let end = Instant::now() + PATIENCE;
    while figure("check_ins_held") == 0 {
        assert!(Instant::now() < end, "it does not wait");
    }
    let (before, begin) = (figure("check_ins_total"), Instant::now());
    let (_nobody_speaks, pause) = std::sync::mpsc::channel::<()>();
    while figure("check_ins_total") == before {
        assert!(begin.elapsed() < PATIENCE, "its request is held for ever");
        let _ = pause.recv_timeout(Duration::from_millis(500));
    }
    assert!(begin.elapsed() > Duration::from_secs(20), "it asked again after {:?}", begin.elapsed());
}

/// The power goes while an unreachable hub is tried; the device starts again, and comes back all the same.
#[test]
fn a_trial_survives_a_power_cut_and_is_taken_back() {
    let scene = Scene::new();
    let running = scene.start();
    scene.until("configuration/show", |shown| shown["applied"] == 1);
    let lost = "{\"hub\":\"https://127.0.0.1:1\"}";
    scene.set(lost, "2");
    let end = Instant::now() + PATIENCE;
    while scene.holds() != lost {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    drop(running);
    assert_eq!(scene.holds(), lost);
    let running = scene.start();
    let back = scene.until("configuration/show", |shown| shown["trouble"] != "");
    assert_eq!((&back["applied"], scene.holds().as_str()), (&json!(1), FIRST));
    drop(running);
}

/// A retired device is not told anything any more, and does not wear itself out.
#[test]
fn a_retired_device_gets_nothing_and_backs_off() {
    let scene = Scene::new();
    let running = scene.start();
    scene.until("configuration/show", |shown| shown["applied"] == 1);
    scene.hub.run(&["device", "retire", DEVICE, "--why", "support has ended"]).exits(0);
    let said = scene.hub.run(&["configuration", "set", DEVICE, "--document", "{}", "--json"]).exits(1).json();
    assert_eq!(said["code"], "not-at-work");
    drop(running);
    assert_eq!(scene.holds(), FIRST);
}

/// What somebody made of the device's memory is said, and the device does not run on.
#[test]
fn a_damaged_memory_is_named() {
    let scene = Scene::new();
    std::fs::write(scene.device.path().join("configuration.memory.json"), "{}").unwrap();
    let registrar = scene.hub.ready["devices"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let settings = agent::Settings::new(registrar);
    let ended = runtime.block_on(agent::run(scene.device.path(), settings, std::future::pending()));
    let why = ended.unwrap_err().to_string();
    assert!(why.contains("configuration.memory.json") && why.contains("remove the file"), "{why}");
}
