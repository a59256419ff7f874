//! The end of a life: a device is decommissioned, wipes itself and says so; what proves it is left in the
//! demo's folder, below `end-of-life/`.
use super::device::certificate;
use super::invariants::{ask, held, said};
use super::joined::Visitor;
use super::scene::{Scene, word};
use super::story::{MAKER, WHY_RETIRED};
use crate::failure::{Failure, failed};
use crate::limits::DEMO_ONBOARDING_SECONDS_MAX;
use io::FileKey;
use io::files::{create_private_dir, read_limited, write_atomic};
use io::tls::Identity;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::digest::{hex, sha256};
use wire::limits::LAST_REPORT_BYTES_MAX;
use wire::retirement::LastReport;
use wire::{Certificate, cms};

/// When the maker's support ended.
const SUPPORTED_UNTIL: &str = "2026-01-01T00:00:00Z";
const LAST_REPORT: &str = "last-report.cms";
const CERTIFICATE: &str = "certificate-of-decommission.cms";
const LDEVID: &str = "ldevid.pem";
const STOLEN: &str = "stolen.key";

/// Where the proofs are.
fn proofs(scene: &Scene) -> Result<PathBuf, Failure> {
    let folder = scene.folder().join("end-of-life");
    create_private_dir(&folder).map_err(failed)?;
    Ok(folder)
}

/// A thief copies the key that the device has in its domain: what the hub refuses later is not that the key
/// is gone.
fn steal(scene: &Scene) -> Result<(), Failure> {
    let device = scene.device_folder(&scene.plan.list()[scene.plan.retired()])?;
    let (copy, is_gone) = (proofs(scene)?.join(STOLEN), device.was_told_to_wipe());
    if is_gone || copy.exists() {
        return Ok(());
    }
    let (ldevid, _) = device.ldevid()?;
    for path in device.ldevid_key_paths()? {
        let key = FileKey::open(&path).map_err(failed)?;
        if wire::PublicKey::of(&key).is_ok_and(|key| key == *ldevid.public_key()) {
            let bytes = read_limited(&path, LAST_REPORT_BYTES_MAX).map_err(failed)?;
            write_atomic(&copy, &bytes, 0o600).map_err(failed)?;
        }
    }
    Ok(())
}

/// The retired device's identity in the domain, with the stolen key.
///
/// # Errors
/// [`Failure::Failed`] when it was not stolen.
pub fn stolen(scene: &Scene) -> Result<(Certificate, Identity), Failure> {
    let device = scene.device_folder(&scene.plan.list()[scene.plan.retired()])?;
    let path = device.path().join("ldevid/certificate.pem");
    let ldevid = certificate(&path)?.ok_or_else(|| failed(format!("there is no {}", path.display())))?;
    let key = FileKey::open(&proofs(scene)?.join(STOLEN)).map_err(failed)?;
    let identity = Identity { chain: vec![ldevid.der().to_vec()], signer: Arc::new(key) };
    Ok((ldevid, identity))
}

/// The device is decommissioned, and what proves it is fetched.
///
/// # Errors
/// [`Failure`], as the hub says it, or when the device takes too long.
pub async fn end_a_life(scene: &mut Scene, device: String) -> Result<(), Failure> {
    steal(scene)?;
    let set = json!({"maker": MAKER, "until": SUPPORTED_UNTIL});
    scene.operator.call("support set", set).await?;
    let shown = scene.operator.call("device show", json!({"device": device})).await?;
    if !is_unsupported(&shown) {
        return Err(failed(format!("the end of support is not seen: {shown}")));
    }
    scene.tell(format!(
        "  {} is unsupported: its maker's support ended {SUPPORTED_UNTIL}.",
        word(&shown["name"])
    ))?;
    // A thief comes with the copy, and stays.
    if shown["stage"] != "retired" {
        let (_, identity) = stolen(scene)?;
        scene.visitor = Some(Visitor::open(scene, &identity).await?);
    }
    let key = scene.key("decommission");
    let begin = json!({"device": device, "why": WHY_RETIRED});
    scene.operator.call_once("retirement begin", begin, &key).await?;
    scene.written.push(("retirement begin", device.clone()));
    let is_certified = |shown: &Json| !word(&shown["certificate"]).is_empty();
    let device_is = json!({"device": device});
    let within = DEMO_ONBOARDING_SECONDS_MAX;
    let archived = scene.until("retirement show", device_is, within, is_certified).await?;
    scene.step(format!("It wiped its {}, and said so last.", words(&archived["wiped"]))).await?;
    export(scene, &device).await
}

fn is_unsupported(shown: &Json) -> bool {
    shown["conditions"].as_array().is_some_and(|all| all.contains(&json!("unsupported")))
}

/// The support calendar says that the maker's support has ended, and every device shows it.
pub async fn ended_support_is_seen(scene: &mut Scene) -> Result<(), String> {
    let listed = ask(scene, "support list", json!({})).await?;
    let of_maker = |one: &&Json| one["maker"] == MAKER && one["product"] == "";
    let entry = listed["items"].as_array().into_iter().flatten().find(of_maker);
    held(entry.is_some_and(|one| one["has_ended"] == true), || format!("the calendar says: {listed}"))?;
    for device in scene.devices.clone() {
        let shown = ask(scene, "device show", json!({"device": device})).await?;
        held(is_unsupported(&shown), || format!("{} is not shown as unsupported", shown["name"]))?;
    }
    Ok(())
}

/// The calendar's entry is taken out.
pub async fn forget_the_end_of_support(scene: &mut Scene) -> Result<(), Failure> {
    scene.operator.call("support clear", json!({"maker": MAKER})).await.map(drop)
}

fn words(list: &Json) -> String {
    let words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".into(),
    }
}

/// Lays what proves the end into the demo's folder.
async fn export(scene: &mut Scene, device: &str) -> Result<(), Failure> {
    let exported = scene.operator.call("retirement export", json!({"device": device})).await?;
    let text = |name: &str| exported[name].as_str().unwrap_or_default().to_owned();
    let folder = proofs(scene)?;
    let mut remote = scene.operator.asked_with(&scene.operator.ready.token)?;
    for (name, digest) in [(CERTIFICATE, text("certificate")), (LAST_REPORT, text("last_report"))] {
        let bytes = remote.blob(&digest).await?;
        write_atomic(&folder.join(name), &bytes, 0o600).map_err(failed)?;
    }
    write_atomic(&folder.join(LDEVID), text("ldevid").as_bytes(), 0o600).map_err(failed)?;
    scene.tell(format!("  What proves it is in {}.", folder.display()))
}

fn proof(scene: &Scene, name: &str) -> Result<Vec<u8>, String> {
    let path = proofs(scene).map_err(said)?.join(name);
    read_limited(&path, LAST_REPORT_BYTES_MAX).map_err(|why| why.to_string())
}

/// A wiped device's folder holds no key, no configuration and no firmware, and none runs from there.
pub async fn wiped_holds_nothing(scene: &mut Scene) -> Result<(), String> {
    let device = scene.plan.list().swap_remove(scene.plan.retired());
    let folder = scene.device_folder(&device).map_err(said)?.path().to_owned();
    for folder in [folder.join("ldevid"), folder] {
        let entries = std::fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        for entry in entries {
            let name = entry.map_err(|why| why.to_string())?.file_name().to_string_lossy().into_owned();
            let is_left = name.ends_with(".key") || name.starts_with("configuration") || name == "slots";
            held(!is_left, || format!("{} still holds {name}", folder.display()))?;
        }
    }
    let folder = scene.device_folder(&device).map_err(said)?.path().to_owned();
    let runs = processes_in(&folder).map_err(|why| why.to_string())?;
    held(runs.is_empty(), || format!("{runs:?} still run in {}", folder.display()))
}

/// The processes that work in `folder` or below, removed or not, as the kernel tells it.
///
/// # Errors
/// The kernel cannot be asked.
pub fn processes_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let is_id = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Who has ended meanwhile, or is another's, works nowhere.
        let works_in = std::fs::read_link(entry.path().join("cwd"));
        found
            .extend(Some(name).filter(|name| is_id(name) && works_in.is_ok_and(|it| it.starts_with(folder))));
    }
    Ok(found)
}

/// What the device said last is signed by its LDevID, and the domain certifies the end with it.
pub async fn ends_are_proved(scene: &mut Scene) -> Result<(), String> {
    let device = scene.devices[scene.plan.retired()].clone();
    let exported = ask(scene, "retirement export", json!({"device": device})).await?;
    let archived = exported["ldevid"].as_str().unwrap_or_default();
    let archived = Certificate::from_pem(archived).map_err(|why| why.to_string())?;
    let last_report = proof(scene, LAST_REPORT)?;
    let (report, signer) = LastReport::verify(&last_report).map_err(|why| why.to_string())?;
    held(signer == archived, || "another LDevID signed the last report".into())?;
    let serial_number = scene.plan.list().swap_remove(scene.plan.retired()).serial_number;
    held(report.serial_number == serial_number, || "it is another device's last report".into())?;
    let verified = cms::verify(&proof(scene, CERTIFICATE)?, None, &[]).map_err(|why| why.to_string())?;
    let domain = certificate(&scene.operator.ready.ca).map_err(said)?;
    let domain: Vec<Certificate> = domain.into_iter().collect();
    verify_chain(&verified.signer, &verified.certificates, &domain, None, Purpose::Registrar)
        .map_err(|why| why.to_string())?;
    let text: Json = serde_json::from_slice(&verified.content).map_err(|why| why.to_string())?;
    let names_it = text["last_report"] == hex(&sha256(&last_report)).as_str() && text["is_wiped"] == true;
    held(names_it, || "the certificate of decommission is of another report".into())
}

/// The device gets a key again.
pub async fn put_a_key_back(scene: &mut Scene) -> Result<(), Failure> {
    let device = scene.plan.list().swap_remove(scene.plan.retired());
    scene.device_folder(&device)?.idevid_key().map(drop)
}

/// One byte of the last report is changed.
pub async fn change_the_last_report(scene: &mut Scene) -> Result<(), Failure> {
    let path = proofs(scene)?.join(LAST_REPORT);
    let mut bytes = read_limited(&path, LAST_REPORT_BYTES_MAX).map_err(failed)?;
    // The last byte is the signature's.
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    write_atomic(&path, &bytes, 0o600).map_err(failed)
}
