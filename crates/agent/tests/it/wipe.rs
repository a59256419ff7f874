//! A device that is told to wipe itself: what is left of its folder, what it says last, and power that goes
//! at every step on the way.
use crate::crashes::Dying;
use crate::served::Served;
use crate::upgrade::{GOOD, Maker, Payload};
use agent::machine::{Answer, Stage};
use agent::shell::FirmwareLink;
use agent::upgrade::{UpgradeError, keep, lay};
use agent::{AgentError, Settings};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wire::Certificate;
use wire::control::{Desired, FirmwareReport};
use wire::digest::sha256;
use wire::retirement::{LastReport, Wipe};

const AT: &str = "2026-11-22T20:00:00.250Z";

/// A device that has joined and has a configuration, and a hub that wants it wiped.
async fn ordered(served: &Served) -> tempfile::TempDir {
    let folder = served.folder();
    served.registrar().desired = None;
    served.enrol(folder.path()).await;
    for name in ["configuration.json", "configuration.before.json"] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    let maker = Maker::new();
    let image = GOOD.as_bytes();
    lay(folder.path(), &maker.device, &maker.envelope(1, image), image).unwrap();
    let wipe = Some(Wipe { at: AT.into() });
    served.registrar().desired = Some(Desired { wipe, ..Desired::default() }.to_json());
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    list(folder.to_owned()).chain(list(folder.join("ldevid"))).filter(|path| path.is_file()).collect()
}

/// No key, no configuration; and the registrar heard what the LDevID's key signed.
fn check_wiped(served: &Served, folder: &Path) {
    let left = files(folder);
    let is_gone = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !name.ends_with(".key") && !name.starts_with("configuration") && !name.ends_with(".partial")
    };
    assert!(left.iter().all(is_gone), "{left:?}");
    assert!(!folder.join("slots").exists());
    let secret = b"PRIVATE KEY";
    let has_secret =
        |path: &PathBuf| std::fs::read(path).unwrap().windows(secret.len()).any(|it| it == secret);
    assert!(!left.iter().any(has_secret), "{left:?}");
    let pem = std::fs::read_to_string(folder.join("ldevid/certificate.pem")).unwrap();
    let ldevid = Certificate::from_pem(&pem).unwrap();
    let heard = served.registrar().last_reports.pop().expect("a last report");
    assert_eq!(heard, std::fs::read(folder.join("last-report.cms")).unwrap());
    let (report, signer) = LastReport::verify(&heard).unwrap();
    assert_eq!((report.at.as_str(), &signer), (AT, &ldevid));
    assert_eq!(report.certificate, sha256(ldevid.der()));
    assert_eq!(report.wiped, ["configuration", "firmware", "keys"]);
    assert!(!report.serial_number.is_empty());
}

async fn run(served: &Served, folder: &Path, settings: Settings) -> (Option<Stage>, AgentError) {
    let mut last = None;
    let never = |stage, _: &_| {
        last = Some(stage);
        false
    };
    let ended = served.run_until(folder, settings, never).await.unwrap_err();
    (last, ended)
}

#[tokio::test]
async fn a_device_that_is_told_to_wipe_itself_does() {
    let served = Served::new().await;
    let folder = ordered(&served).await;
    let refusal = Answer { retry_after_seconds: Some(1), ..crate::registrar::text(503, "busy") };
    served.registrar().instead.push_back((wire::retirement::LAST_REPORT_PATH, refusal));
    let begun = Instant::now();
    let (_, ended) = run(&served, folder.path(), served.settings()).await;
    assert!(matches!(ended, AgentError::Wiped), "{ended}");
    assert!(begun.elapsed() >= Duration::from_secs(1), "a busy hub is asked again when it said");
    check_wiped(&served, folder.path());
    // Whoever starts it again hears the same, and nobody is told twice.
    let (_, ended) = run(&served, folder.path(), served.settings()).await;
    assert!(matches!(ended, AgentError::Wiped), "{ended}");
    assert!(served.registrar().last_reports.is_empty());
}

#[tokio::test]
async fn a_hub_that_wants_no_report_does_not_keep_the_device() {
    let served = Served::new().await;
    let folder = ordered(&served).await;
    for _ in 0..5 {
        let refusal = crate::registrar::text(409, "it is over");
        served.registrar().instead.push_back((wire::retirement::LAST_REPORT_PATH, refusal));
    }
    let (_, ended) = run(&served, folder.path(), served.settings()).await;
    assert!(matches!(ended, AgentError::Wiped), "{ended}");
    assert!(served.registrar().last_reports.is_empty());
    assert!(!folder.path().join("idevid.key").exists());
}

/// The order, three files of the configuration, the slots, the report, two keys, the last note.
#[tokio::test]
async fn a_crash_at_any_step_of_wiping_does_no_harm() {
    let served = Served::new().await;
    for done_last in [false, true] {
        for steps in 0.. {
            let folder = ordered(&served).await;
            let disk = Dying::after(steps, done_last);
            let settings = Settings { disk: disk.clone(), ..served.settings() };
            let ended = served.run_until(folder.path(), settings, |_, _| disk.is_dead()).await;
            if !disk.is_dead() {
                assert!(matches!(ended, Err(AgentError::Wiped)), "{ended:?}");
                check_wiped(&served, folder.path());
                assert_eq!(steps, 9);
                break;
            }
            let (_, ended) = run(&served, folder.path(), served.settings()).await;
            assert!(matches!(ended, AgentError::Wiped), "step {steps}: {ended}");
            check_wiped(&served, folder.path());
            served.registrar().last_reports.clear();
        }
    }
}

/// A device whose firmware runs: it is ended by its id, and then there is nothing of it. Whoever keeps it again
/// hears so, also after a crash in the middle.
#[tokio::test]
async fn the_firmware_ends_with_the_wipe() {
    const NOTED: &str = "#!/bin/sh\necho $$ > ../../process\nread line\necho healthy\nexec sleep 3600\n";
    let served = Served::new().await;
    for steps in [0, 4, 5, usize::MAX] {
        let folder = ordered(&served).await;
        let maker = Maker::new();
        lay(folder.path(), &maker.device, &maker.envelope(2, NOTED.as_bytes()), NOTED.as_bytes()).unwrap();
        let (report, reported) = watch::channel(FirmwareReport::default());
        let (offers, offered) = watch::channel(None);
        let (orders, ordered) = watch::channel(None);
        let link = FirmwareLink { report: reported, offers: offers.into(), orders: orders.into() };
        let kept =
            agent::upgrade::Settings { report: Some(report.into()), orders: ordered, ..maker.settings() };
        let never = std::future::pending::<()>();
        let keeping = keep(folder.path(), kept, offered, Payload::of(b""), never);
        let disk = Dying::after(steps, false);
        let settings = Settings { disk: disk.clone(), firmware: Some(link.clone()), ..served.settings() };
        let leaving = async {
            let mut report = link.report.clone();
            report.wait_for(|report| report.running.is_some()).await.unwrap();
            let process = std::fs::read_to_string(folder.path().join("process")).unwrap();
            let ended = served.run_until(folder.path(), settings, |_, _| disk.is_dead()).await;
            assert_eq!(disk.is_dead(), !matches!(ended, Err(AgentError::Wiped)), "{ended:?}");
            if disk.is_dead() {
                let settings = Settings { firmware: Some(link), ..served.settings() };
                let (_, ended) = run(&served, folder.path(), settings).await;
                assert!(matches!(ended, AgentError::Wiped), "step {steps}: {ended}");
            }
            process
        };
        let (kept, process) = tokio::join!(keeping, leaving);
        assert!(matches!(kept, Err(UpgradeError::Wiped)), "{kept:?}");
        assert!(!Path::new("/proc").join(process.trim()).exists(), "step {steps}");
        check_wiped(&served, folder.path());
        served.registrar().last_reports.clear();
        let (_, nothing) = watch::channel(None);
        let again = keep(folder.path(), maker.settings(), nothing, Payload::of(b""), async {}).await;
        assert!(matches!(again, Err(UpgradeError::Wiped)), "{again:?}");
        assert!(!folder.path().join("slots").exists());
    }
}
