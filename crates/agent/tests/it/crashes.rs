//! Power goes at every step on the disk, before it or after it; the device starts again and ends
//! enrolled, with one key, and the certificate for it.
use crate::registrar::Registrar;
use crate::served::Served;
use crate::support::LIFE;
use agent::Settings;
use agent::machine::Stage;
use agent::shell::{Disk, LocalDisk};
use io::FileKey;
use io::files::FileError;
use io::key::KeyError;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use tempfile::TempDir;
use tokio::sync::watch;
use wire::voucher::{Voucher, VoucherRequest};
use wire::{Certificate, PublicKey, cms};

/// A disk that does so many steps, and then nothing any more.
pub struct Dying {
    left: AtomicUsize,
    /// Whether the last step is still done, and only its success is not heard of.
    done_last: bool,
    dead: AtomicBool,
}

impl Dying {
    pub fn after(steps: usize, done_last: bool) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(steps), done_last, dead: AtomicBool::new(false) })
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn step<T, E: From<FileError>>(&self, path: &Path, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let lives = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lives).is_ok() {
            return work();
        }
        if !self.dead.swap(true, Ordering::SeqCst) {
            if self.done_last {
                work()?;
            } else {
                let partial = path.with_file_name(".half.0123456789abcdef.partial");
                std::fs::write(partial, "-----BEGIN").unwrap();
            }
        }
        let source = std::io::Error::other("the power is gone");
        Err(FileError::Failed { doing: "write", path: path.to_owned(), source }.into())
    }
}

impl Disk for Dying {
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.step(path, || LocalDisk.write(path, bytes, mode))
    }

    fn make_key(&self, path: &Path) -> Result<FileKey, KeyError> {
        self.step(path, || LocalDisk.make_key(path))
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        self.step(path, || LocalDisk.remove(path))
    }
}

/// What is in the folder belongs together.
fn check_whole(folder: &Path) -> Certificate {
    let ldevid = folder.join("ldevid");
    let pem = std::fs::read_to_string(ldevid.join("certificate.pem")).unwrap();
    let certificate = Certificate::from_pem(&pem).unwrap();
    let list = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_partial = |path: std::path::PathBuf| path.extension().is_some_and(|e| e == "partial");
    assert!(!list(folder).chain(list(&ldevid)).any(is_partial));
    let keys: Vec<_> = list(&ldevid).filter(|path| path.extension().is_some_and(|e| e == "key")).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let key = PublicKey::of(&FileKey::open(&keys[0]).unwrap()).unwrap();
    assert_eq!(&key, certificate.public_key());
    certificate
}

/// Runs a device whose power goes after so many steps on its disk, and says whether it went.
async fn crash(served: &Served, folder: &Path, steps: usize, done_last: bool, end: usize) -> bool {
    let disk = Dying::after(steps, done_last);
    let settings = Settings { disk: disk.clone(), ..served.settings() };
    let told = |domain: &Registrar| domain.told.iter().filter(|told| told.good).count();
    let enough = |stage: Stage, domain: &Registrar| {
        disk.is_dead() || stage == Stage::Enrolled && told(domain) >= end && is_settled(folder)
    };
    served.run_until(folder, settings, enough).await.unwrap();
    disk.is_dead()
}

/// Whether the registrar's knowledge of the certificate is noted.
fn is_settled(folder: &Path) -> bool {
    let read = |name: &str| std::fs::read(folder.join("ldevid").join(name)).unwrap_or_default();
    let Ok(certificate) = Certificate::from_pem(&String::from_utf8_lossy(&read("certificate.pem"))) else {
        return false;
    };
    let digest = wire::digest::sha256(certificate.der());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    read("told") == digits.as_bytes()
}

#[tokio::test]
async fn a_crash_at_any_step_of_joining_does_no_harm() {
    let served = Served::new().await;
    // Anchors, key, certificate, note.
    joins_over_crashes(&served, || served.folder(), 4).await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_joining_by_a_voucher_does_no_harm() {
    let served = Served::new().await;
    // The request, the voucher and what it pins before them.
    joins_over_crashes(&served, || served.untouched_folder(), 7).await;
    assert!(served.registrar().told_of_vouchers.iter().all(|told| told.good));
}

/// Lets a device crash at every step on its disk, of which there are `all`.
async fn joins_over_crashes(served: &Served, folder: impl Fn() -> TempDir, all: usize) {
    for done_last in [false, true] {
        for steps in 0.. {
            let folder = folder();
            let issued = served.registrar().issued.len();
            served.registrar().told_of_vouchers.clear();
            served.registrar().told.clear();
            let crashed = crash(served, folder.path(), steps, done_last, 1).await;
            served.enrol(folder.path()).await;
            check_whole(folder.path());
            assert_eq!(served.registrar().issued.len(), issued + 1, "step {steps}");
            if folder.path().join("masa.pem").exists() {
                check_imprint(served, folder.path());
            }
            if !crashed {
                assert_eq!(steps, all);
                break;
            }
        }
    }
}

/// The voucher that is kept is the one that pinned what is pinned, and it was told.
fn check_imprint(served: &Served, folder: &Path) {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let said = |name: &str| cms::verify(&read(name), None, &[]).unwrap().content;
    let voucher = Voucher::from_json(&said("voucher.vcj")).unwrap();
    let asks = VoucherRequest::from_json(&said("voucher-request.vcj")).unwrap();
    assert_eq!(voucher.nonce, asks.nonce);
    let pinned = voucher.pinned_domain_cert.unwrap();
    assert_eq!(pinned.to_pem().into_bytes(), read("pinned.pem"));
    assert_eq!(pinned, served.registrar().authority.certificate);
    assert!(!served.registrar().told_of_vouchers.is_empty());
}

#[tokio::test]
async fn a_crash_at_any_step_of_renewing_does_no_harm() {
    let served = Served::new().await;
    for done_last in [false, true] {
        for steps in 0.. {
            let folder = served.folder();
            let now = served.registrar().now;
            served.registrar().now = now - LIFE / 4 * 3;
            served.enrol(folder.path()).await;
            served.registrar().now = now;
            let old = check_whole(folder.path());
            let issued = served.registrar().issued.len();
            served.registrar().told.clear();
            let crashed = crash(&served, folder.path(), steps, done_last, 1).await;
            let enough = |_, _: &Registrar| is_settled(folder.path()) && held(folder.path()) != old;
            served.run_until(folder.path(), served.settings(), enough).await.unwrap();
            assert_ne!(check_whole(folder.path()), old);
            assert_eq!(served.registrar().issued.len(), issued + 1, "step {steps}");
            if !crashed {
                // Key, certificate, the old key away, note.
                assert_eq!(steps, 4);
                break;
            }
        }
    }
}

fn held(folder: &Path) -> Certificate {
    let pem = std::fs::read_to_string(folder.join("ldevid/certificate.pem")).unwrap();
    Certificate::from_pem(&pem).unwrap()
}

/// A disk whose first write waits until it is let go on.
struct Slow {
    begun: watch::Sender<bool>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Disk for Slow {
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.begun.send_replace(true);
        self.go_on.lock().unwrap().recv().unwrap();
        LocalDisk.write(path, bytes, mode)
    }

    fn make_key(&self, path: &Path) -> Result<FileKey, KeyError> {
        LocalDisk.make_key(path)
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        LocalDisk.remove(path)
    }
}

#[tokio::test]
async fn who_stops_a_device_waits_for_its_disk() {
    let served = Served::new().await;
    let folder = served.folder();
    let (go_on, waits) = mpsc::channel();
    let (begun, mut writing) = watch::channel(false);
    let disk = Arc::new(Slow { begun, go_on: Mutex::new(waits) });
    let settings = Settings { disk, ..served.settings() };
    let path = folder.path().to_owned();
    let mut stop = writing.clone();
    let shutdown = async move {
        let _ = stop.wait_for(|begun| *begun).await;
    };
    let running = tokio::spawn(async move { agent::run(&path, settings, shutdown).await });
    writing.wait_for(|begun| *begun).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!running.is_finished());
    go_on.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(folder.path().join("anchors.pem").exists());
    drop(io::files::FolderLock::take(folder.path()).unwrap());
}
