//! Firmware as real processes: taken up, tried, taken back; and power that goes at every step on the disk.
use crate::support::TestKey;
use agent::limits::BUSY_SECONDS_MAX;
use agent::machine::{Moment, Timers};
use agent::shell::{Disk, LocalDisk};
use agent::upgrade::message::{InstallInput, InstallOutput, KeeperInput, KeeperOutput};
use agent::upgrade::{
    AtHub, ByRange, Content, Device, Image, Install, Keeper, Missed, Patience, Record, Settings, Slot,
    Source, Trial, UpgradeError, keep, lay,
};
use io::FileKey;
use io::files::FileError;
use io::http::client::Dialer;
use io::key::KeyError;
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use wire::control::BLOBS_PATH;
use wire::control::{FirmwareNotKept, FirmwareReport};
use wire::digest::sha256;
use wire::suit::{ComponentId, Release, Uuid};

/// Answers and runs on.
pub const GOOD: &str = "#!/bin/sh\nread line\necho starting\necho healthy\nread line\n";
/// Runs and never answers.
pub const SILENT: &str = "#!/bin/sh\nread line\nread line\n";
/// Ends at once.
const ENDING: &str = "#!/bin/sh\nexit 3\n";

/// A maker and its devices.
pub struct Maker {
    pub key: TestKey,
    pub device: Device,
}

impl Maker {
    pub fn new() -> Self {
        let (key, vendor_id) = (TestKey::new(), Uuid::of_vendor("maker.example"));
        let device = Device {
            authors: vec![key.public()],
            component: ComponentId(vec![b"firmware".to_vec()]),
            vendor_id,
            class_id: vendor_id.of_class("lamp"),
            device_id: None,
        };
        Self { key, device }
    }

    fn release(&self, sequence_number: u64, image: &[u8]) -> Release {
        Release {
            sequence_number,
            component: self.device.component.clone(),
            vendor_id: self.device.vendor_id,
            class_id: self.device.class_id,
            image_digest: sha256(image),
            image_size: image.len() as u64,
            uri: format!("https://maker.example/{sequence_number}"),
            reference_uri: None,
            text: None,
        }
    }

    pub fn envelope(&self, sequence_number: u64, image: &[u8]) -> Vec<u8> {
        self.release(sequence_number, image).envelope(&self.key).unwrap()
    }

    /// A folder with firmware 1.
    pub fn folder(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        lay(folder.path(), &self.device, &self.envelope(1, GOOD.as_bytes()), GOOD.as_bytes()).unwrap();
        folder
    }

    pub fn settings(&self) -> Settings {
        let timers = Timers { backoff_min: 1, backoff_max: 20, ..Timers::default() };
        let patience = Patience { health: 20_000, timers };
        Settings { patience, ..Settings::new(self.device.clone()) }
    }
}

/// An image of more than one piece that behaves as `script` does.
pub fn large(script: &str) -> Vec<u8> {
    [script.as_bytes(), b"exit\n", &vec![b'#'; 300 * 1024]].concat()
}

/// Serves one payload, loses a request now and then, and remembers what was asked for.
#[derive(Clone)]
pub struct Payload {
    bytes: Vec<u8>,
    asked: Arc<Mutex<Vec<(u64, u64)>>>,
    /// Which requests, counted from 1, are lost.
    loses: fn(usize) -> bool,
}

impl Payload {
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), asked: Arc::default(), loses: |_| false }
    }

    pub fn asked(&self) -> Vec<(u64, u64)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Source for Payload {
    async fn piece(&self, image: &Image, offset: u64, length: u64) -> Result<Vec<u8>, Missed> {
        assert!(image.uri.starts_with("https://maker.example/"), "{image:?}");
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((offset, length));
            asked.len()
        };
        if (self.loses)(count) {
            return Err("the line was cut".to_owned().into());
        }
        let rest = &self.bytes[usize::try_from(offset).unwrap()..];
        Ok(rest[..rest.len().min(usize::try_from(length).unwrap())].to_vec())
    }
}

/// Keeps the firmware of a device until its report is as wanted.
pub async fn run(
    folder: &Path,
    settings: Settings,
    offer: Option<Vec<u8>>,
    source: Payload,
    enough: impl Fn(&FirmwareReport) -> bool,
) -> Result<FirmwareReport, UpgradeError> {
    run_or_die(folder, settings, offer, source, enough, std::future::pending()).await
}

/// As [`run`], or until `death`.
pub async fn run_or_die(
    folder: &Path,
    settings: Settings,
    offer: Option<Vec<u8>>,
    source: Payload,
    enough: impl Fn(&FirmwareReport) -> bool,
    death: impl Future<Output = ()>,
) -> Result<FirmwareReport, UpgradeError> {
    let (offers, offered) = watch::channel(None);
    let (report, mut shown) = watch::channel(FirmwareReport::default());
    offers.send_replace(offer);
    let settings = Settings { report: Some(Arc::new(report)), ..settings };
    let done = async {
        tokio::select! {
            _ = shown.wait_for(|report| enough(report)) => {}
            () = death => {}
        }
    };
    keep(folder, settings, offered, source, done).await?;
    let last = shown.borrow().clone();
    Ok(last)
}

pub fn running(report: &FirmwareReport) -> Option<u64> {
    report.running.map(|it| it.sequence_number)
}

pub fn state(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("slots/state")).unwrap()
}

#[tokio::test]
async fn a_firmware_takes_the_place_of_another() {
    let (maker, image) = (Maker::new(), large(GOOD));
    let folder = maker.folder();
    let source = Payload::of(&image);
    let offer = Some(maker.envelope(2, &image));
    let report =
        run(folder.path(), maker.settings(), offer.clone(), source.clone(), |it| running(it) == Some(2));
    assert_eq!(report.await.unwrap().not_kept, None);
    let pieces = [(0, 256 * 1024), (256 * 1024, image.len() as u64 - 256 * 1024)];
    assert_eq!(source.asked(), pieces);
    assert_eq!(state(folder.path()), "confirmed b 2\n");
    // The next one goes to the first slot, and what runs is not taken again.
    let third = large("#!/bin/sh\nread line\necho healthy\nread line\n");
    let source = Payload::of(&third);
    let offer = Some(maker.envelope(3, &third));
    run(folder.path(), maker.settings(), offer.clone(), source, |it| running(it) == Some(3)).await.unwrap();
    assert_eq!(state(folder.path()), "confirmed a 3\n");
    let nothing = Payload::of(b"");
    run(folder.path(), maker.settings(), offer, nothing.clone(), |it| running(it) == Some(3)).await.unwrap();
    assert!(nothing.asked().is_empty());
}

#[tokio::test]
async fn one_that_is_not_healthy_is_taken_back() {
    let maker = Maker::new();
    for (script, health, why) in
        [(SILENT, 4000, "it did not answer within 4000 ms"), (ENDING, 20_000, "it ended: exit status: 3")]
    {
        let folder = maker.folder();
        let settings = || {
            let mut settings = maker.settings();
            settings.patience.health = health;
            settings
        };
        let source = Payload::of(script.as_bytes());
        let offer = maker.envelope(2, script.as_bytes());
        let back = |it: &FirmwareReport| running(it) == Some(1) && it.not_kept.is_some();
        let report = run(folder.path(), settings(), Some(offer.clone()), source, back).await.unwrap();
        let not_kept = report.not_kept.unwrap();
        assert_eq!((not_kept.sequence_number, not_kept.tried), (Some(2), true));
        assert_eq!(
            (not_kept.why.as_str(), not_kept.reason.as_str()),
            (why, "suit-report-reason-operation-failed")
        );
        // It is remembered, and not tried again.
        let source = Payload::of(b"");
        let report = run(folder.path(), settings(), Some(offer.clone()), source.clone(), back).await.unwrap();
        assert_eq!(report.not_kept.as_ref(), Some(&not_kept));
        // Also when something else was refused meanwhile: whoever offers it hears why nothing comes of it.
        let other = |it: &FirmwareReport| it.not_kept.as_ref().is_some_and(|it| it.manifest.is_none());
        run(folder.path(), settings(), Some(b"x".to_vec()), source.clone(), other).await.unwrap();
        let again = |it: &FirmwareReport| it.not_kept.as_ref().is_some_and(|it| it.manifest.is_some());
        let report = run(folder.path(), settings(), Some(offer), source.clone(), again).await.unwrap();
        let why = "it was tried before and was not healthy".to_string();
        assert_eq!(report.not_kept, Some(FirmwareNotKept { why, ..not_kept }));
        assert!(source.asked().is_empty());
        // A way forward: a new release with a higher number.
        let third = Payload::of(GOOD.as_bytes());
        let offer = Some(maker.envelope(3, GOOD.as_bytes()));
        run(folder.path(), settings(), offer, third, |it| running(it) == Some(3)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_for_the_device_is_refused() {
    let maker = Maker::new();
    let other = Uuid::of_vendor("other.example");
    let good = maker.release(2, GOOD.as_bytes());
    let stranger = good.envelope(&TestKey::new()).unwrap();
    let mut damaged = maker.envelope(2, GOOD.as_bytes());
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let by_maker = |release: Release| release.envelope(&maker.key).unwrap();
    let check = |name: &'static str, offer: Vec<u8>, reason: &'static str, why: &'static str| {
        (name, offer, reason, why)
    };
    let offers = [
        check(
            "lower",
            by_maker(Release { sequence_number: 0, ..good.clone() }),
            "condition-failed",
            "lower than 1, the highest that this device has confirmed",
        ),
        check("signature", stranger, "unauthorised", "the signature does not verify"),
        check("a byte", damaged, "unauthorised", "changed after signing"),
        check("no envelope", b"firmware".to_vec(), "cbor-parse", "malformed"),
        check(
            "vendor",
            by_maker(Release { vendor_id: other, ..good.clone() }),
            "condition-failed",
            "suit-condition-vendor-identifier failed",
        ),
        check(
            "class",
            by_maker(Release { class_id: other, ..good.clone() }),
            "condition-failed",
            "suit-condition-class-identifier failed",
        ),
        check(
            "component",
            by_maker(Release { component: ComponentId(vec![vec![1]]), ..good.clone() }),
            "component-unsupported",
            "no component",
        ),
        check(
            "size",
            by_maker(Release { image_size: 1 << 40, ..good.clone() }),
            "operation-failed",
            "1099511627776 bytes",
        ),
        check(
            "digest",
            by_maker(Release { image_digest: [7; 32], ..good.clone() }),
            "condition-failed",
            "suit-condition-image-match failed",
        ),
        check(
            "a server's bytes",
            by_maker(Release { image_size: GOOD.len() as u64 + 1, ..good.clone() }),
            "operation-failed",
            "0 bytes came where 1 to 1 were asked for",
        ),
    ];
    for (name, offer, reason, why) in offers {
        let folder = maker.folder();
        let refused = |it: &FirmwareReport| running(it) == Some(1) && it.not_kept.is_some();
        let source = Payload::of(GOOD.as_bytes());
        let report =
            run(folder.path(), maker.settings(), Some(offer), source.clone(), refused).await.unwrap();
        let not_kept = report.not_kept.unwrap();
        assert_eq!(not_kept.reason, format!("suit-report-reason-{reason}"), "{name}");
        assert!(not_kept.why.contains(why), "{name}: {}", not_kept.why);
        assert!(!not_kept.tried);
        assert_eq!(not_kept.sequence_number.is_some(), not_kept.manifest.is_some(), "{name}");
        let fetched = matches!(name, "digest" | "a server's bytes");
        assert_eq!(source.asked().is_empty(), !fetched, "{name}");
        assert!(!folder.path().join("slots/b/image").exists() || name == "a server's bytes");
    }
}

#[tokio::test]
async fn a_changed_image_is_not_started() {
    let maker = Maker::new();
    let folder = maker.folder();
    let image = folder.path().join("slots/a/image");
    let changed = GOOD.replace("starting", "startinG");
    std::fs::write(&image, &changed).unwrap();
    let told = |it: &FirmwareReport| it.not_kept.is_some();
    let report = run(folder.path(), maker.settings(), None, Payload::of(b""), told).await.unwrap();
    assert_eq!(running(&report), None);
    let not_kept = report.not_kept.unwrap();
    assert!(
        not_kept.why.starts_with("suit-condition-image-match failed in suit-validate"),
        "{}",
        not_kept.why
    );
    assert_eq!((not_kept.sequence_number, not_kept.tried), (Some(1), false));
    // The same release, offered again, mends it.
    let source = Payload::of(GOOD.as_bytes());
    let offer = Some(maker.envelope(1, GOOD.as_bytes()));
    run(folder.path(), maker.settings(), offer, source, |it| running(it) == Some(1)).await.unwrap();
    assert_eq!(state(folder.path()).lines().next(), Some("confirmed b 1"));
    // With a good one in the other slot, the device helps itself.
    let newer = large(GOOD);
    let offer = Some(maker.envelope(2, &newer));
    run(folder.path(), maker.settings(), offer, Payload::of(&newer), |it| running(it) == Some(2))
        .await
        .unwrap();
    std::fs::write(&image, b"#!/bin/sh\n").unwrap();
    let report = run(folder.path(), maker.settings(), None, Payload::of(b""), |it| running(it) == Some(1));
    assert_eq!(report.await.unwrap().not_kept.unwrap().sequence_number, Some(2));
}

/// The way back to an older slot opens no way to an older manifest: what is compared with is the highest number
/// that was ever confirmed, not that of what runs.
#[tokio::test]
async fn the_way_back_lowers_no_floor() {
    let maker = Maker::new();
    let folder = maker.folder();
    let (third, settings) = (large(GOOD), || maker.settings());
    let newest = maker.envelope(3, &third);
    let runs = |number| move |it: &FirmwareReport| running(it) == Some(number);
    let is_refused = |it: &FirmwareReport, number| {
        it.not_kept.as_ref().is_some_and(|it| it.sequence_number == Some(number))
    };
    run(folder.path(), settings(), Some(newest.clone()), Payload::of(&third), runs(3)).await.unwrap();
    std::fs::write(folder.path().join("slots/b/image"), b"#!/bin/sh\n").unwrap();
    // The older slot runs, although its number is lower.
    run(folder.path(), settings(), None, Payload::of(b""), runs(1)).await.unwrap();
    for number in [1, 2] {
        let other = large(GOOD);
        let (offer, source) = (Some(maker.envelope(number, &other)), Payload::of(&other));
        let over = |it: &FirmwareReport| is_refused(it, number) || !source.asked().is_empty();
        let report = run(folder.path(), settings(), offer, source.clone(), over).await.unwrap();
        assert_eq!((source.asked().len(), running(&report)), (0, Some(1)), "{number} is fetched");
        let why = report.not_kept.unwrap().why;
        assert!(why.ends_with("is lower than 3, the highest that this device has confirmed"), "{why}");
    }
    assert_eq!(state(folder.path()).lines().take(2).collect::<Vec<_>>(), ["confirmed a 1", "highest 3"]);
    // The same again, and then a newer one, are taken.
    run(folder.path(), settings(), Some(newest), Payload::of(&third), runs(3)).await.unwrap();
    assert!(state(folder.path()).starts_with("confirmed b 3\nnot-kept "), "{}", state(folder.path()));
    let offer = Some(maker.envelope(4, GOOD.as_bytes()));
    run(folder.path(), settings(), offer, Payload::of(GOOD.as_bytes()), runs(4)).await.unwrap();
}

/// A manifest of the same form with other bytes in it, signed anew.
fn rewritten(maker: &Maker, envelope: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let signed = 2 + 1 + 1 + 2 + 115;
    let mut manifest = envelope[signed + 1..].to_vec();
    let at = manifest.windows(from.len()).position(|window| window == from).unwrap();
    manifest[at..at + to.len()].copy_from_slice(to);
    let digest = [&[0x82, 0x2f, 0x58, 32][..], &sha256(&manifest)].concat();
    let signature = wire::cose::sign_detached(&digest, &maker.key).unwrap();
    let authentication = [&[0x82, 0x58, 36][..], &digest, &[0x58, 74], &signature].concat();
    [&envelope[..6], &authentication, &[3], &manifest].concat()
}

#[tokio::test]
async fn what_is_not_validated_is_not_started() {
    let maker = Maker::new();
    let folder = maker.folder();
    // suit-validate: image-match becomes another check of the vendor.
    let envelope = maker.envelope(1, GOOD.as_bytes());
    let same = rewritten(&maker, &envelope, &[7, 0x43, 0x82, 3, 15], &[7, 0x43, 0x82, 3, 15]);
    assert_eq!(same.len(), envelope.len());
    let lax = rewritten(&maker, &envelope, &[7, 0x43, 0x82, 3, 15], &[7, 0x43, 0x82, 1, 15]);
    for (envelope, expect) in [(same, None), (lax, Some("the manifest does not validate the image before"))] {
        std::fs::write(folder.path().join("slots/a/manifest.suit"), envelope).unwrap();
        let told = |it: &FirmwareReport| it.running.is_some() || it.not_kept.is_some();
        let report = run(folder.path(), maker.settings(), None, Payload::of(b""), told).await.unwrap();
        let why = report.not_kept.map(|it| it.why);
        assert_eq!(why.as_deref().and_then(|why| why.rsplit(": ").next()), expect);
    }
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_broken_off() {
    let (maker, image) = (Maker::new(), large(GOOD));
    let folder = maker.folder();
    let offer = Some(maker.envelope(2, &image));
    // The second request and all that follow are lost: given up after eight.
    let source = Payload { loses: |count| count > 1, ..Payload::of(&image) };
    let report =
        run(folder.path(), maker.settings(), offer.clone(), source.clone(), |it| it.not_kept.is_some());
    assert_eq!(report.await.unwrap().not_kept.unwrap().why, "the line was cut");
    assert_eq!(source.asked().len(), 9);
    // The first request is lost once more; then only the rest is asked for.
    let source = Payload { loses: |count| count == 1, ..Payload::of(&image) };
    run(folder.path(), maker.settings(), offer, source.clone(), |it| running(it) == Some(2)).await.unwrap();
    let rest = (256 * 1024, image.len() as u64 - 256 * 1024);
    assert_eq!(source.asked(), [rest, rest]);
}

/// A disk that does so many steps, and then nothing any more.
pub struct Dying {
    left: AtomicUsize,
    /// Whether the last step is still done, and only its success is not heard of.
    done_last: bool,
    dead: AtomicBool,
    died: watch::Sender<bool>,
}

impl Dying {
    /// The disk, and when it is dead.
    pub fn after(steps: usize, done_last: bool) -> (Arc<Self>, impl Future<Output = ()>) {
        let (died, mut dead) = watch::channel(false);
        let (left, gone) = (AtomicUsize::new(steps), AtomicBool::new(false));
        let disk = Arc::new(Self { left, done_last, dead: gone, died });
        (disk, async move { drop(dead.wait_for(|dead| *dead).await) })
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn step(&self, path: &Path, work: impl FnOnce() -> Result<(), FileError>) -> Result<(), FileError> {
        let lives = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lives).is_ok() {
            return work();
        }
        if !self.dead.swap(true, Ordering::SeqCst) && self.done_last {
            work()?;
        }
        self.died.send_replace(true);
        let source = std::io::Error::other("the power is gone");
        Err(FileError::Failed { doing: "write", path: path.to_owned(), source })
    }
}

impl Disk for Dying {
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.step(path, || LocalDisk.write(path, bytes, mode))
    }

    fn make_key(&self, path: &Path) -> Result<FileKey, KeyError> {
        LocalDisk.make_key(path)
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        self.step(path, || LocalDisk.remove(path))
    }

    fn append(&self, path: &Path, offset: u64, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        // Half of a piece may be there.
        if self.left.load(Ordering::SeqCst) == 0 && !self.dead.load(Ordering::SeqCst) && !self.done_last {
            LocalDisk.append(path, offset, &bytes[..bytes.len() / 2], mode)?;
        }
        self.step(path, || LocalDisk.append(path, offset, bytes, mode))
    }
}

#[tokio::test]
async fn power_may_go_at_every_step() {
    let maker = Maker::new();
    let image = large(GOOD);
    for done_last in [false, true] {
        for steps in 0.. {
            let folder = maker.folder();
            let offer = Some(maker.envelope(2, &image));
            let (disk, death) = Dying::after(steps, done_last);
            let settings = Settings { disk: disk.clone(), ..maker.settings() };
            let done = |it: &FirmwareReport| running(it) == Some(2);
            let payload = Payload::of(&image);
            run_or_die(folder.path(), settings, offer.clone(), payload, done, death).await.unwrap();
            let crashed = disk.is_dead();
            // At once, whatever stands there, some good firmware runs, without a network.
            let some = |it: &FirmwareReport| it.running.is_some();
            let alone = run(folder.path(), maker.settings(), None, Payload::of(b""), some).await.unwrap();
            assert!(alone.not_kept.is_none(), "step {steps}: {alone:?}");
            // And with one, the upgrade is finished.
            let payload = Payload::of(&image);
            run(folder.path(), maker.settings(), offer, payload, |it| running(it) == Some(2)).await.unwrap();
            assert_eq!(std::fs::read(folder.path().join("slots/b/image")).unwrap(), image);
            assert_eq!(state(folder.path()), "confirmed b 2\n");
            if !crashed {
                // No old image, envelope, two pieces, on trial, started, confirmed.
                assert_eq!(steps, 7);
                break;
            }
        }
    }
}

/// A disk whose pieces wait until they are let go on.
struct Slow {
    begun: watch::Sender<bool>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Disk for Slow {
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        LocalDisk.write(path, bytes, mode)
    }

    fn make_key(&self, path: &Path) -> Result<FileKey, KeyError> {
        LocalDisk.make_key(path)
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        LocalDisk.remove(path)
    }

    fn append(&self, path: &Path, offset: u64, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.begun.send_replace(true);
        self.go_on.lock().unwrap().recv().unwrap();
        LocalDisk.append(path, offset, bytes, mode)
    }
}

#[tokio::test]
async fn who_stops_it_waits_for_its_disk() {
    let maker = Maker::new();
    let folder = maker.folder();
    let (go_on, waits) = mpsc::channel();
    let (begun, mut writing) = watch::channel(false);
    let settings = Settings { disk: Arc::new(Slow { begun, go_on: Mutex::new(waits) }), ..maker.settings() };
    let (path, offer) = (folder.path().to_owned(), Some(maker.envelope(2, GOOD.as_bytes())));
    let mut stop = writing.clone();
    let stopped = async move { drop(stop.wait_for(|begun| *begun).await) };
    let running = tokio::spawn(async move {
        let payload = Payload::of(GOOD.as_bytes());
        run_or_die(&path, settings, offer, payload, |_| false, stopped).await.map(|_| ())
    });
    writing.wait_for(|begun| *begun).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(std::fs::read(folder.path().join("slots/b/image")).unwrap(), GOOD.as_bytes());
    drop(io::files::FolderLock::take(&folder.path().join("slots")).unwrap());
}

#[test]
fn a_trial_is_not_begun_for_ever() {
    let (maker, now) = (Maker::new(), Moment { now: 0, random: 0 });
    let content = |number| Content {
        envelope: Some(maker.envelope(number, GOOD.as_bytes())),
        image: Some(sha256(GOOD.as_bytes())),
    };
    let trial = |starts| Some(Trial { slot: Slot::B, starts });
    for (starts, tried) in [(0, true), (2, true), (3, false)] {
        let record = Record { confirmed: Some((Slot::A, 1)), trial: trial(starts), ..Record::default() };
        let timers = Timers::default();
        let (mut keeper, output) = Keeper::begin(maker.device.clone(), timers, 1000, record.clone());
        assert_eq!(output, KeeperOutput::Load(Slot::B));
        let output = keeper.step(now, KeeperInput::Loaded(content(2))).unwrap();
        let KeeperOutput::Store(noted) = output else { panic!("{output:?}") };
        if tried {
            assert_eq!(noted, Record { trial: trial(starts + 1), ..record });
            // What cannot be noted is not started.
            let output = keeper.step(now, KeeperInput::Failed("no disk".into())).unwrap();
            assert!(matches!(output, KeeperOutput::Wait(_)));
            continue;
        }
        assert_eq!((noted.trial, noted.failed.len()), (None, 1));
        assert_eq!(keeper.step(now, KeeperInput::Stored), Ok(KeeperOutput::Load(Slot::A)));
        let output = keeper.step(now, KeeperInput::Loaded(content(1))).unwrap();
        assert_eq!(output, KeeperOutput::Start { slot: Slot::A, arguments: None });
    }
}

/// Whoever has the image says for how long it wants not to be asked for it.
#[test]
fn a_piece_is_waited_for_as_long_as_told() {
    let maker = Maker::new();
    let timers = Timers { backoff_min: 1000, backoff_max: 1000, ..Timers::default() };
    let check = |retry_after_seconds, least, most| {
        let (record, offer) = (Record::default(), maker.envelope(2, GOOD.as_bytes()));
        for random in [0, 7_654_321, u128::MAX] {
            let begun = Install::begin(&maker.device, timers, &record, None, &offer, false);
            let (mut install, _) = begun.unwrap();
            let moment = Moment { now: 5, random };
            let output = install.step(moment, InstallInput::Prepared(None)).unwrap();
            assert!(matches!(output, InstallOutput::Fetch { .. }), "{output:?}");
            let missed = Missed { why: "busy".into(), retry_after_seconds };
            let output = install.step(moment, InstallInput::Lost(missed)).unwrap();
            let InstallOutput::Wait(until) = output else { panic!("{output:?}") };
            assert!((least..=most).contains(&(until - moment.now)), "{retry_after_seconds:?}: {until}");
        }
    };
    check(None, 500, 1000);
    check(Some(0), 1000, 1250);
    check(Some(30), 30_000, 37_500);
    let longest = BUSY_SECONDS_MAX * 1000;
    check(Some(u64::MAX), longest, longest + longest / 4);
}

/// A server that gives one answer, and the head of what it was asked.
async fn answering(answer: String) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/image", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap().to_lowercase()
    });
    (uri, serving)
}

#[tokio::test]
async fn pieces_are_asked_for_by_ranges() {
    let answer = |status: &str, header: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{header}content-length: {}\r\n\r\n{body}", body.len())
    };
    let range =
        |range: &str| answer("206 Partial Content", &format!("content-range: bytes {range}\r\n"), "def");
    let ok = |body: &str| answer("200 OK", "", body);
    for (offset, answer, expect) in [
        (3, range("3-5/9"), Ok("def")),
        (3, range("0-2/9"), Err("another range")),
        (3, answer("206 Partial Content", "", "def"), Err("another range")),
        (0, ok("abc"), Ok("abc")),
        (0, ok("abcd"), Err("3 bytes")),
        (3, ok("abc"), Err("answered 200 OK to the bytes from 3 on")),
        (0, answer("404 Not Found", "", "no"), Err("answered 404 Not Found")),
    ] {
        let (uri, serving) = answering(answer).await;
        let image = Image { uri, digest: [0; 32] };
        let piece = ByRange::new(Dialer::plain()).piece(&image, offset, 3).await;
        match (&piece, expect) {
            (Ok(bytes), Ok(expect)) => assert_eq!(bytes, expect.as_bytes()),
            (Err(missed), Err(expect)) => assert!(missed.why.contains(expect), "{missed:?}"),
            _ => panic!("{piece:?}, not {expect:?}"),
        }
        let asked = serving.await.unwrap();
        assert!(asked.contains(&format!("\r\nrange: bytes={offset}-{}\r\n", offset + 2)), "{asked}");
    }
    let now = "date: Sun, 22 Nov 2026 17:18:07 GMT\r\n";
    for (status, header, expect) in [
        ("503 Service Unavailable", "retry-after: 7\r\n".to_owned(), Some(7)),
        ("429 Too Many Requests", format!("{now}retry-after: Sun, 22 Nov 2026 17:20:07 GMT\r\n"), Some(120)),
        ("503 Service Unavailable", "retry-after: later\r\n".to_owned(), None),
        ("503 Service Unavailable", String::new(), None),
    ] {
        let (uri, serving) = answering(answer(status, &header, "busy")).await;
        let image = Image { uri, digest: [0; 32] };
        let missed = ByRange::new(Dialer::plain()).piece(&image, 0, 3).await.unwrap_err();
        assert_eq!(missed.retry_after_seconds, expect, "{status} {header}");
        serving.await.unwrap();
    }
    let image = Image { uri: "coap://x".into(), digest: [0xab; 32] };
    assert!(ByRange::new(Dialer::plain()).piece(&image, 0, 3).await.is_err());
    // Wherever the author has it, the device's hub has it by its digest.
    let (uri, serving) = answering(range("3-5/9")).await;
    let hub = uri.trim_end_matches("/image");
    let piece = AtHub::new(hub, watch::channel(Some(Dialer::plain())).1).piece(&image, 3, 3).await;
    assert_eq!(piece, Ok(b"def".to_vec()));
    let asked = serving.await.unwrap();
    assert!(asked.starts_with(&format!("get {BLOBS_PATH}{} http", "ab".repeat(32))), "{asked}");
}

/// What a firmware does in [`a_keeper_finds_what_runs`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Answers,
    Ends,
    Nothing,
}

/// A keeper in a world of two slots and a disk that fails now and then.
struct World<'a> {
    keeper: Keeper,
    contents: &'a [Content; 2],
    does: [Does; 2],
    moment: Moment,
    started: Option<Slot>,
    starts: [usize; 2],
}

impl World<'_> {
    fn at(slot: Slot) -> usize {
        usize::from(slot == Slot::B)
    }

    fn answer(&mut self, output: KeeperOutput, disk_fails: bool) -> KeeperInput {
        match output {
            KeeperOutput::Load(slot) => KeeperInput::Loaded(self.contents[Self::at(slot)].clone()),
            KeeperOutput::Store(_) if disk_fails => KeeperInput::Failed("full".into()),
            KeeperOutput::Store(_) => KeeperInput::Stored,
            KeeperOutput::Start { slot, .. } => {
                assert_eq!(self.started.replace(slot), None, "two at once");
                assert!(self.contents[Self::at(slot)].image.is_some(), "an image that is not right");
                self.starts[Self::at(slot)] += 1;
                KeeperInput::Started
            }
            KeeperOutput::Discard(_) => panic!("nothing was ordered"),
            KeeperOutput::Stop => {
                self.started = None;
                KeeperInput::Stopped
            }
            KeeperOutput::Watch(until) => match self.started.map(|slot| self.does[Self::at(slot)]) {
                Some(Does::Answers) => KeeperInput::Healthy,
                Some(Does::Ends) => {
                    self.started = None;
                    KeeperInput::Ended("it ended".into())
                }
                Some(Does::Nothing) => {
                    self.moment.now = until.expect("a silent one is not watched for ever");
                    KeeperInput::Woken
                }
                None => panic!("nothing is watched"),
            },
            KeeperOutput::Wait(until) => {
                assert_eq!(self.started, None);
                self.moment.now = until;
                KeeperInput::Woken
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a trial does, and whenever the disk fails: of two firmwares of which one is healthy, that
    /// one runs in the end, and a bad one was not started more often than a trial allows.
    #[test]
    fn a_keeper_finds_what_runs(
        new in prop_oneof![Just(Does::Answers), Just(Does::Ends), Just(Does::Nothing)],
        right in any::<bool>(),
        starts in 0..4u32,
        failing in proptest::collection::vec(any::<bool>(), 0..12),
    ) {
        static MAKER: LazyLock<(Maker, [Vec<u8>; 2])> = LazyLock::new(|| {
            let maker = Maker::new();
            let envelopes = [1, 2].map(|number| maker.envelope(number, GOOD.as_bytes()));
            (maker, envelopes)
        });
        let (maker, envelopes) = &*MAKER;
        let image = Some(sha256(GOOD.as_bytes()));
        let contents = [
            Content { envelope: Some(envelopes[0].clone()), image },
            Content { envelope: Some(envelopes[1].clone()), image: image.filter(|_| right) },
        ];
        let trial = Some(Trial { slot: Slot::B, starts });
        let record = Record { confirmed: Some((Slot::A, 1)), trial, ..Record::default() };
        let (keeper, mut output) = Keeper::begin(maker.device.clone(), Timers::default(), 1000, record);
        let (does, moment) = ([Does::Answers, new], Moment { now: 0, random: 7 });
        let mut world = World { keeper, contents: &contents, does, moment, started: None, starts: [0, 0] };
        let mut failing = failing.into_iter();
        for _ in 0..100 {
            let fails = matches!(output, KeeperOutput::Store(_)) && failing.next().unwrap_or(false);
            let input = world.answer(output, fails);
            output = world.keeper.step(world.moment, input).unwrap();
        }
        let good = new == Does::Answers && right && starts < 3;
        prop_assert_eq!(world.keeper.runs().map(|it| it.slot), Some(if good { Slot::B } else { Slot::A }));
        prop_assert_eq!(world.keeper.record().not_kept.is_none(), good);
        prop_assert!(world.starts[1] <= 1, "{:?}", world.starts);
        prop_assert!(world.keeper.is_settled());
        prop_assert_eq!(world.keeper.record().floor(), Some(if good { 2 } else { 1 }));
    }
}
