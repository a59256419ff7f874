//! What must hold of the vouchers by which devices found their domain, and how it is made false.
use super::device::{DeviceFolder, certificate};
use super::invariants::{held, said};
use super::scene::Scene;
use crate::failure::{Failure, failed, usage};
use serde_json::json;
use std::collections::BTreeSet;
use wire::certificate::chain::{Purpose, verify_chain};
use wire::cms;
use wire::voucher::Voucher;

/// Every device that joined: its serial number, its folder, and the voucher that it keeps.
fn imprinted(scene: &Scene) -> Result<Vec<(String, DeviceFolder, Vec<u8>)>, String> {
    let mut found = Vec::new();
    for device in scene.plan.list() {
        let folder = scene.device_folder(&device).map_err(said)?;
        if let Some(voucher) = folder.voucher().map_err(said)? {
            found.push((device.serial_number, folder, voucher));
        }
    }
    held(found.len() == scene.plan.devices as usize, || "a device has no voucher".into())?;
    Ok(found)
}

/// Every device trusts the operator's domain because a voucher of its own maker, for itself, says so.
pub async fn vouchers_name_the_domain(scene: &mut Scene) -> Result<(), String> {
    let domain = certificate(&scene.operator.ready.ca).map_err(said)?;
    let maker = scene.maker().map_err(said)?;
    for (serial_number, folder, signed) in imprinted(scene)? {
        let verified = cms::verify(&signed, None, &[]).map_err(|why| format!("{serial_number}: {why}"))?;
        let anchors = std::slice::from_ref(&maker);
        verify_chain(&verified.signer, &verified.certificates, anchors, None, Purpose::Voucher)
            .map_err(|why| format!("{serial_number}: {why}"))?;
        let voucher =
            Voucher::from_json(&verified.content).map_err(|why| format!("{serial_number}: {why}"))?;
        held(voucher.serial_number == serial_number, || format!("{serial_number} keeps another's voucher"))?;
        held(voucher.pinned_domain_cert == domain, || format!("{serial_number} was told another domain"))?;
        let pinned = folder.pinned().map_err(said)?;
        held(pinned == domain, || format!("{serial_number} trusts another domain"))?;
    }
    Ok(())
}

/// The maker's service logged every voucher that a device keeps, and none twice for one nonce.
pub async fn vouchers_logged_once(scene: &mut Scene) -> Result<(), String> {
    for (serial_number, _, signed) in imprinted(scene)? {
        let verified = cms::verify(&signed, None, &[]).map_err(|why| format!("{serial_number}: {why}"))?;
        let voucher =
            Voucher::from_json(&verified.content).map_err(|why| format!("{serial_number}: {why}"))?;
        let nonce = voucher.nonce.ok_or_else(|| format!("{serial_number}: a voucher without nonce"))?;
        let log = scene.manufacturer.call("voucher show", json!({"serial_number": serial_number})).await;
        let log = log.map_err(said)?;
        let logged = log["vouchers"].as_array().into_iter().flatten();
        let nonces: Vec<&str> = logged.filter_map(|one| one["nonce"].as_str()).collect();
        let distinct: BTreeSet<&str> = nonces.iter().copied().collect();
        held(distinct.len() == nonces.len(), || format!("{serial_number}: two vouchers for one nonce"))?;
        held(distinct.contains(nonce.text()), || format!("{serial_number}: its voucher is not in the log"))?;
    }
    Ok(())
}

/// A device is made to trust its maker as its domain.
pub async fn exchange_the_domain(scene: &mut Scene) -> Result<(), Failure> {
    let maker = scene.maker()?;
    scene.device_folder(&scene.plan.list()[0])?.put_pinned(&maker)
}

/// A device gets another's voucher.
pub async fn exchange_the_voucher(scene: &mut Scene) -> Result<(), Failure> {
    let planned = scene.plan.list();
    let [first, second, ..] = planned.as_slice() else {
        return Err(usage("for a voucher to be exchanged, two devices are needed"));
    };
    let other = scene.device_folder(second)?.voucher()?.ok_or_else(|| failed("there is no voucher"))?;
    scene.device_folder(first)?.put_voucher(&other)
}
