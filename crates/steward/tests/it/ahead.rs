//! A fleet goes on after its hub was lost and restored from a backup: devices that are ahead of the restored
//! state are findings, nobody touches a device, and nothing floods the journal.
use crate::support::{Hub, PATIENCE, body, program, run};
use agent::machine::Timers;
use agent::shell::FirmwareLink;
use io::FileKey;
use io::files::write_atomic;
use io::http::client::{Client, Dialer, Request};
use io::http::url::Url;
use io::tls::Identity;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use wire::certificate::{Name, NameAttribute};
use wire::control::{FirmwareReport, Running as Runs};
use wire::digest::sha256;
use wire::{Certificate, csr, est};

const FIRST: &str = "{\"interval\":60}";
const SECOND: &str = "{\"interval\":5}";

/// A maker's hub, an operator's, and the folders of both and of their devices.
struct Scene {
    maker: Hub,
    operator: Option<Hub>,
    folder: TempDir,
    addresses: [String; 2],
}

impl Scene {
    fn new() -> Self {
        let (maker, folder) = (Hub::start(), tempfile::tempdir().unwrap());
        let any = || "127.0.0.1:0".to_owned();
        let mut scene = Scene { maker, operator: None, folder, addresses: [any(), any()] };
        scene.serve("hub");
        for (place, name) in ["people", "devices"].into_iter().enumerate() {
            let url = scene.hub().ready[name].as_str().unwrap();
            scene.addresses[place] = url.trim_start_matches("https://").into();
        }
        let certificate = format!("@{}", scene.maker.data().join("factory.pem").display());
        let servers = format!("@{}", scene.maker.data().join("ca.pem").display());
        let anchor = ["anchor", "add", "lumen", "--certificate", &certificate, "--servers", &servers];
        scene.hub().run(&[&anchor[..], &["--admission", "automatic"]].concat()).exits(0);
        let product = ["product", "add", "lamp-7", "--hardware-type", "1.3.6.1.4.1.32473.7"];
        scene.maker.run(&product).exits(0);
        scene
    }

    /// Starts the operator's hub on a folder, where it was before.
    fn serve(&mut self, data: &str) {
        let at = tempfile::tempdir_in(self.folder.path()).unwrap();
        // The support looks for the folder `hub`.
        std::os::unix::fs::symlink(self.folder.path().join(data), at.path().join("hub")).unwrap();
        let mut command = program();
        command.args(["serve", "--fetch-loopback", "--listen", &self.addresses[0]]);
        command.args(["--listen-devices", &self.addresses[1], "--data"]);
        command.arg(self.folder.path().join(data)).env("STEWARD_LOG", "off");
        self.operator = Some(Hub::with(command, at));
    }

    fn hub(&self) -> &Hub {
        self.operator.as_ref().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A device as it comes from the factory, with the domain's certificate laid into its folder.
    fn bear(&self, serial_number: &str) -> Device {
        let folder = self.path(serial_number);
        io::files::create_private_dir(&folder).unwrap();
        let key = FileKey::open_or_create(&folder.join("idevid.key")).unwrap();
        let subject = Name::new(&[(NameAttribute::SerialNumber, serial_number)]).unwrap();
        let csr = est::encode_body(&csr::make(&subject, None, &key).unwrap());
        let request = self.maker.post("/.well-known/est/lamp-7/simpleenroll", est::PKCS10, csr);
        let idevid = one(&self.maker.http().send(&request).body);
        write_atomic(&folder.join("idevid.pem"), idevid.to_pem().as_bytes(), 0o600).unwrap();
        std::fs::copy(self.path("hub/ca.pem"), folder.join("anchor.pem")).unwrap();
        std::fs::write(folder.join("configuration.json"), FIRST).unwrap();
        let (firmware, _) = watch::channel(firmware(1));
        let name = format!("lumen-{serial_number}");
        Device { folder, name, registrar: format!("https://{}", self.addresses[1]), firmware, power: None }
    }

    /// Asks the operator's hub until `good` takes the answer.
    fn until(&self, query: &str, good: impl Fn(&Json) -> bool) -> Json {
        let (mut http, end) = (self.hub().http(), Instant::now() + PATIENCE);
        let request = self.hub().get(&format!("/api/v1/{query}"));
        loop {
            let answer = http.send(&request);
            let said = body(&answer);
            if answer.status == 200 && good(&said) {
                return said;
            }
            assert!(Instant::now() < end, "{query}: {said}");
            std::thread::yield_now();
        }
    }

    /// The device is at work, and its configuration is this version.
    fn settled(&self, device: &Device, version: u32) {
        let name = &device.name;
        let good = |shown: &Json| shown["applied"] == version && shown["ordered"] == 0;
        self.until(&format!("configuration/show?device={name}"), good);
    }

    /// The operator's hub has the maker's release, and knows its number.
    fn release(&self) {
        let image = self.path("image");
        std::fs::write(&image, "firmware").unwrap();
        let put = self.maker.json(&["blob", "put", image.to_str().unwrap()]);
        let image = put["digest"].as_str().unwrap();
        let release = ["release", "publish", "lamp-7", "--version", "1.0", "--image", image];
        self.maker.run(&[&release[..], &["--vendor", "lumen.example.com"]].concat()).exits(0);
        let (mut http, end) = (self.maker.http(), Instant::now() + PATIENCE);
        let releases = self.maker.get("/api/v1/product/releases?product=lamp-7");
        while body(&http.send(&releases))["items"][0]["envelope"] == "" {
            assert!(Instant::now() < end, "the release is not published");
        }
        let url = format!("{}/firmware/lamp-7/1.suit", self.maker.people());
        self.hub().run(&["release", "fetch", &url, "--maker", "lumen", "--name", "first"]).exits(0);
        self.until("release/show?release=first", |shown| shown["kept"] == true);
    }

    /// How often devices asked.
    fn check_ins(&self) -> u64 {
        let answer = self.hub().http().send(&self.hub().get("/metrics"));
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let line = text.lines().find(|line| line.starts_with("steward_check_ins_total")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn findings(&self) -> BTreeSet<(String, String)> {
        let list = self.hub().json(&["finding", "list"]);
        let items = list["items"].as_array().unwrap().iter();
        let word = |json: &Json| json.as_str().unwrap().to_owned();
        items.map(|it| (word(&it["name"]), word(&it["by"]))).collect()
    }
}

fn one(body: &[u8]) -> Certificate {
    let der = est::decode_body(body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(body)));
    est::read_certs_only(&der).unwrap().remove(0)
}

fn firmware(sequence_number: u64) -> FirmwareReport {
    let manifest = sha256(&sequence_number.to_be_bytes());
    FirmwareReport { running: Some(Runs { sequence_number, manifest }), ..FirmwareReport::default() }
}

/// A device: its folder, and the agent in it while it has power.
struct Device {
    folder: PathBuf,
    name: String,
    registrar: String,
    firmware: watch::Sender<FirmwareReport>,
    power: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Device {
    fn start(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (report, (offers, _), (orders, _)) =
            (self.firmware.subscribe(), watch::channel(None), watch::channel(None));
        let firmware = FirmwareLink { report, offers: Arc::new(offers), orders: Arc::new(orders) };
        let timers = Timers { backoff_min: 20, backoff_max: 200, put_off: 500, start_spread: 0 };
        let (look_every, firmware) = (Duration::from_millis(100), Some(firmware));
        let settings =
            agent::Settings { timers, look_every, firmware, ..agent::Settings::new(&self.registrar) };
        let folder = self.folder.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(agent::run(&folder, settings, async { drop(stopped.await) })).unwrap();
        });
        self.power = Some((stop, thread));
    }

    fn stop(&mut self) {
        if let Some((stop, thread)) = self.power.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    fn ldevid(&self) -> Certificate {
        let pem = std::fs::read_to_string(self.folder.join("ldevid/certificate.pem")).unwrap();
        Certificate::from_pem(&pem).unwrap()
    }

    /// It renews its LDevID (RFC 7030 section 4.2.2), as it would when two thirds of its life are over.
    fn renew(&mut self) {
        self.stop();
        let held = self.ldevid();
        let keys = std::fs::read_dir(self.folder.join("ldevid")).unwrap();
        let mut keys = keys.map(|entry| entry.unwrap().path());
        let old = keys.find(|path| path.extension().is_some_and(|it| it == "key")).unwrap();
        let signer = Arc::new(FileKey::open(&old).unwrap());
        let identity = Identity { chain: vec![held.der().to_vec()], signer };
        let domain = std::fs::read_to_string(self.folder.join("anchor.pem")).unwrap();
        let domain = Certificate::from_pem(&domain).unwrap().der().to_vec();
        let tls = io::tls::client::anchored(&[domain], Some(&identity)).unwrap();
        let key = FileKey::open_or_create(&self.folder.join("ldevid/9.key")).unwrap();
        let csr = est::encode_body(&csr::make(held.subject(), None, &key).unwrap());
        let url = Url::parse(&format!("{}/.well-known/est/simplereenroll", self.registrar)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut client = Client::new(Dialer::new(tls));
        let answer = runtime.block_on(client.send(&Request::post(url, est::PKCS10, csr))).unwrap();
        let path = self.folder.join("ldevid/certificate.pem");
        write_atomic(&path, one(&answer.body).to_pem().as_bytes(), 0o600).unwrap();
        std::fs::remove_file(old).unwrap();
        self.start();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.power.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn second() -> i64 {
    io::clock::now_millis().div_euclid(1000)
}

#[test]
fn a_restored_hub_goes_on_with_devices_that_are_ahead_of_it() {
    let mut scene = Scene::new();
    scene.release();
    let [mut same, mut renewed, mut told, mut upgraded, mut retired, mut new] =
        ["same", "renewed", "told", "upgraded", "retired", "new"].map(|name| scene.bear(name));
    for device in [&mut same, &mut renewed, &mut told, &mut upgraded, &mut retired] {
        device.start();
    }
    for device in [&same, &renewed, &told, &upgraded, &retired] {
        scene.settled(device, 1);
    }

    let (file, data) = (scene.path("hub.backup"), scene.path("hub"));
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    run(&["backup", "create", file, "--data", data]).exits(0);
    let backed_up = second();
    // Certificates tell seconds; in life two are further apart.
    while second() == backed_up {
        std::thread::yield_now();
    }
    new.start();
    scene.settled(&new, 1);
    let known = scene.until("device/show?device=lumen-new", |shown| shown["stage"] == "operational");
    renewed.renew();
    let renewed_to = renewed.ldevid();
    scene.until("onboarding/show?device=lumen-renewed", |shown| {
        shown["ldevids"].as_array().is_some_and(|all| all.len() == 2)
    });
    scene.hub().run(&["configuration", "set", &told.name, "--document", SECOND]).exits(0);
    scene.settled(&told, 2);
    upgraded.firmware.send_replace(firmware(2));
    scene.hub().run(&["device", "retire", &retired.name, "--why", "sold"]).exits(0);

    // The hub is lost, and everything in its folder.
    scene.operator = None;
    std::fs::remove_dir_all(data).unwrap();
    let restored = run(&["backup", "restore", file, "--data", data, "--json"]).exits(0).json();
    assert!(restored["forgotten"].as_str().unwrap().contains("retire it again"), "{restored}");
    scene.serve("hub");
    let gaps = scene.hub().json(&["restoration", "list"]);
    assert_eq!(gaps["items"].as_array().map(Vec::len), Some(1), "{gaps}");
    assert!(!scene.path("hub/restored").exists());

    // Nobody touches a device.
    let of = |device: &Device, by: &str| (device.name.clone(), format!("ahead-of-state/{by}"));
    let expect = BTreeSet::from([
        ("lumen-renewed".into(), "ahead-of-state/certificate".into()),
        of(&told, "configuration"),
        of(&upgraded, "firmware"),
        // It is known by its serial number until a person calls it something else.
        ("new".into(), "ahead-of-state/certificate".into()),
    ]);
    let end = Instant::now() + PATIENCE;
    while scene.findings() != expect {
        assert!(Instant::now() < end, "{:?}", scene.findings());
    }
    new.name = "new".into();
    scene.settled(&new, 1);
    let shown = scene.until("device/show?device=new", |shown| shown["stage"] == "operational");
    assert_eq!((&shown["device"], &shown["maker"]), (&known["device"], &json!("lumen")));
    let adopted = scene.until("onboarding/show?device=lumen-renewed", |shown| shown["ahead"].is_null());
    let serials: Vec<&str> =
        adopted["ldevids"].as_array().unwrap().iter().map(|it| it["serial"].as_str().unwrap()).collect();
    let hex = fleet::audit::view::hex(renewed_to.serial());
    assert!(serials.contains(&hex.as_str()) && renewed.ldevid() == renewed_to, "{adopted}");
    // What it has stays; the hub shows it as a difference, and the next order has a number of its own.
    let drifted = scene.until("configuration/show?device=lumen-told", |shown| shown["difference"] != "");
    assert_eq!((&drifted["applied"], &drifted["drifted"]), (&json!(1), &json!(true)));
    assert_eq!(std::fs::read_to_string(told.folder.join("configuration.json")).unwrap(), SECOND);
    scene.hub().run(&["configuration", "backup", &told.name]).exits(0);
    scene.settled(&told, 2);
    scene.hub().run(&["configuration", "set", &told.name, "--document", FIRST]).exits(0);
    scene.settled(&told, 3);
    // What was retired since is good again, as the restoration said, and is retired again.
    scene.until("device/show?device=lumen-retired", |shown| shown["stage"] == "operational");
    scene.hub().run(&["device", "retire", &retired.name, "--why", "sold"]).exits(0);

    // However often devices check in, nothing is said twice.
    let count = || scene.hub().json(&["audit", "verify"])["entries"].as_u64().unwrap();
    for device in [&mut same, &mut renewed, &mut told, &mut upgraded, &mut new] {
        device.stop();
    }
    let before = (scene.findings(), count());
    for device in [&mut same, &mut renewed, &mut told, &mut upgraded, &mut new] {
        let check_ins = scene.check_ins();
        device.start();
        let end = Instant::now() + PATIENCE;
        while scene.check_ins() < check_ins + 1 {
            assert!(Instant::now() < end, "{} does not check in", device.name);
        }
    }
    assert_eq!((scene.findings(), count()), before);
    let settle = ["finding", "settle", "lumen-renewed", "--finding", "1", "--why", "seen"];
    scene.hub().run(&settle).exits(0);
    assert!(!scene.findings().iter().any(|(name, _)| name == "lumen-renewed"));
    let done = scene.hub().json(&["audit", "check"]);
    for device in [same, renewed, told, upgraded, retired, new] {
        drop(device);
    }
    scene.operator = None;
    run(&["audit", "verify", "--data", data]).exits(0);
    run(&["check", "--data", data]).exits(0);
    assert!(done["subjects"].as_u64().is_some_and(|subjects| subjects > 10), "{done}");
    assert!(Path::new(file).exists());
}
