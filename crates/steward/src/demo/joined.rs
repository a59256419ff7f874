//! What must hold of births and of certificates in the domain.
use super::device::fingerprint;
use super::factory::Line;
use super::invariants::{ask, held, said};
use super::plan::Planned;
use super::retirement::stolen;
use super::scene::{AtWork, Scene};
use crate::limits::CALL_SECONDS_MAX;
use io::FileKey;
use io::http::client::{ClientError, Connection, Dialer, Failure as Broken, Request};
use io::http::url::Url;
use io::tls::Identity;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::{Certificate, PublicKey, est};

/// The certificates of a device that the operator's hub says are good.
async fn good(scene: &mut Scene, device: &str) -> Result<Vec<Certificate>, String> {
    let shown = ask(scene, "onboarding show", json!({"device": device})).await?;
    held(shown["admitted"] == true && shown["enrolled"] == true, || format!("{device} is not enrolled"))?;
    let listed = shown["ldevids"].as_array().into_iter().flatten();
    let texts = listed.filter_map(|ldevid| ldevid["certificate"].as_str());
    texts.map(|text| Certificate::from_pem(text).map_err(|why| format!("{device}: {why}"))).collect()
}

/// Who is at work has a certificate that is good now and whose key the device holds.
pub async fn operational_have_ldevids(scene: &mut Scene) -> Result<(), String> {
    let now = io::clock::now_millis();
    for device in scene.at_work().await.map_err(said)? {
        let mut keys = Vec::new();
        for path in device.folder.ldevid_key_paths().map_err(said)? {
            let key = FileKey::open(&path).map_err(|why| why.to_string())?;
            keys.push(PublicKey::of(&key).map_err(|why| why.to_string())?);
        }
        let good = good(scene, &device.id).await?;
        let now_good = good.iter().filter(|one| one.not_before() <= now && now < one.not_after());
        let holds = now_good.map(Certificate::public_key).any(|key| keys.contains(key));
        held(holds, || format!("{} has no good LDevID", device.serial_number))?;
    }
    Ok(())
}

/// What a device shows in its domain is what it was issued, for a key beside it.
pub async fn keys_match_folders(scene: &mut Scene) -> Result<(), String> {
    for device in scene.at_work().await.map_err(said)? {
        let (shown, _) = device.folder.ldevid().map_err(said)?;
        let is_known = good(scene, &device.id).await?.contains(&shown);
        held(is_known, || format!("{} shows a certificate that it was not issued", device.serial_number))?;
    }
    Ok(())
}

/// Who is at work was born at the manufacturer's hub, and showed the key that it was born with.
pub async fn births_match_devices(scene: &mut Scene) -> Result<(), String> {
    let shown = introductions(scene).await?;
    for AtWork { id, serial_number, folder } in scene.at_work().await.map_err(said)? {
        let arguments = json!({"serial_number": serial_number});
        let birth = scene.manufacturer.call("birth show", arguments).await.map_err(said)?;
        let key = folder.idevid_key().map_err(said)?;
        let key = fingerprint(&PublicKey::of(&key).map_err(|why| why.to_string())?);
        held(birth["born"] == true && birth["key"] == key.as_str(), || {
            format!("{serial_number} holds another key than it was born with")
        })?;
        held(shown.get(&id) == Some(&key), || format!("{serial_number} showed another key than its own"))?;
    }
    Ok(())
}

/// The keys that devices showed, by the devices' ids, as the journal tells it.
async fn introductions(scene: &mut Scene) -> Result<BTreeMap<String, String>, String> {
    let mut shown = BTreeMap::new();
    for entry in scene.export().await.map_err(said)?.iter().filter(|entry| entry["room"] == "onboarding") {
        let event: Json = serde_json::from_str(entry["detail"].as_str().unwrap_or_default())
            .map_err(|why| format!("an event that is no JSON: {why}"))?;
        let key = event["introduction"]["key"].as_str();
        if let (Some(id), Some(key)) = (entry["subject"].as_str(), key) {
            shown.insert(id.to_owned(), key.to_owned());
        }
    }
    Ok(shown)
}

/// The first device that was not wiped.
fn still_born(scene: &Scene) -> Option<Planned> {
    let retired = scene.plan.retired();
    let kept = scene.plan.list().into_iter().enumerate().filter(|(place, _)| *place != retired);
    kept.map(|(_, device)| device).next()
}

/// The factory, asked again for the same key, gives the IDevID that the device has.
pub async fn births_happen_once(scene: &mut Scene) -> Result<(), String> {
    // Who was wiped has no key to ask with.
    let Some(device) = still_born(scene) else { return Ok(()) };
    let folder = scene.device_folder(&device).map_err(said)?;
    let mut line = Line::open(&mut scene.manufacturer).await.map_err(said)?;
    let again = line.bear(&folder, &device).await;
    line.close(&mut scene.manufacturer).await.map_err(said)?;
    let has = folder.idevid().map_err(said)?;
    held(has == Some(again.map_err(said)?), || format!("{} got another IDevID", device.serial_number))
}

/// A retired device's certificate opens a connection and gets no byte; one at work is answered.
pub async fn retired_get_no_byte(scene: &mut Scene) -> Result<(), String> {
    for AtWork { serial_number, folder, .. } in scene.at_work().await.map_err(said)?.into_iter().take(1) {
        let (_, identity) = folder.ldevid().map_err(said)?;
        let answer = ask_as(scene, &identity).await?;
        held(answer.is_ok(), || format!("{serial_number} is at work and is not answered"))?;
    }
    let retired = scene.plan.list().swap_remove(scene.plan.retired());
    let (_, identity) = stolen(scene).map_err(said)?;
    match ask_as(scene, &identity).await?.map_err(|why| (why.to_string(), why.failure)) {
        Err((_, Broken::Closed(_) | Broken::RefusedByServer(_))) => Ok(()),
        Err((other, _)) => Err(other),
        Ok(()) => Err(format!("{} is retired and was answered", retired.serial_number)),
    }
}

/// Asks the operator's devices' listener over a new connection, and says whether there was an answer.
async fn ask_as(scene: &Scene, identity: &Identity) -> Result<Result<(), ClientError>, String> {
    let target = scene.operator.target().map_err(said)?;
    let tls = io::tls::client::anchored(&target.anchors, Some(identity)).map_err(|why| why.to_string())?;
    let url = Url::parse(&scene.operator.ready.devices).and_then(|url| url.with_target(est::CSR_ATTRS_PATH));
    let url = url.map_err(|why| why.to_string())?;
    let request = Request::get(url.clone()).within(Duration::from_secs(CALL_SECONDS_MAX));
    Ok(match Connection::open(&Dialer::new(tls), &url).await {
        Ok(mut connection) => connection.send(&request).await.map(drop),
        Err(why) => Err(why),
    })
}
