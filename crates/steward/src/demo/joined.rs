//! What must hold of births and of certificates in the domain.
use super::device::fingerprint;
use super::factory::Line;
use super::invariants::{ask, held, said};
use super::retirement::stolen;
use super::scene::{AtWork, Scene};
use crate::failure::{Failure, failed};
use crate::limits::CALL_SECONDS_MAX;
use io::FileKey;
use io::http::client::{ClientError, Connection, Dialer, Failure as Broken, Request};
use io::http::url::Url;
use io::tls::Identity;
use rustls::ClientConfig;
use rustls::client::Resumption;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
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

/// As many were born as there are, and the factory, asked again for a device's key, gives the IDevID that it has.
pub async fn births_happen_once(scene: &mut Scene) -> Result<(), String> {
    let born = scene.manufacturer.all("birth list").await.map_err(said)?.len();
    held(born == scene.plan.devices as usize, || format!("{born} were born"))?;
    let mut line = Line::open(&mut scene.manufacturer).await.map_err(said)?;
    let again = bear_again(scene, &mut line).await;
    line.close(&mut scene.manufacturer).await.map_err(said)?;
    again
}

async fn bear_again(scene: &Scene, line: &mut Line) -> Result<(), String> {
    for device in scene.plan.list() {
        let folder = scene.device_folder(&device).map_err(said)?;
        // Who was wiped has no key to ask with.
        if folder.was_told_to_wipe() {
            continue;
        }
        let again = line.bear(&folder, &device).await.map_err(said)?;
        let has = folder.idevid().map_err(said)?;
        held(has == Some(again), || format!("{} got another IDevID", device.serial_number))?;
    }
    Ok(())
}

/// A retired device's certificate gets no byte, however it comes; one at work is answered.
pub async fn retired_get_no_byte(scene: &mut Scene) -> Result<(), String> {
    for AtWork { serial_number, folder, .. } in scene.at_work().await.map_err(said)?.into_iter().take(1) {
        let (_, identity) = folder.ldevid().map_err(said)?;
        let answer = Door::of(scene, &identity).map_err(said)?.ask().await;
        held(answer.is_ok(), || format!("{serial_number} is at work and is not answered"))?;
    }
    let (_, identity) = stolen(scene).map_err(said)?;
    let mut answers = vec![("a new connection", Door::of(scene, &identity).map_err(said)?.ask().await)];
    // In a story that was played again after the retirement nobody came before it.
    if let Some(Visitor { door, open }) = &mut scene.visitor {
        answers.push(("an open connection", open.send(&door.request).await.map(drop)));
        answers.push(("a connection that would resume", door.ask().await));
    }
    let mut wrong = Vec::new();
    for (way, answer) in answers {
        match answer.map_err(|why| (why.to_string(), why.failure)) {
            Err((_, Broken::Closed(_) | Broken::RefusedByServer(_))) => {}
            Err((other, _)) => wrong.push(format!("{way}: {other}")),
            Ok(()) => wrong.push(format!("{way} was answered")),
        }
    }
    held(wrong.is_empty(), || wrong.join("; "))
}

/// The operator's listener for devices, for who comes with one identity. It keeps what a server gives to be
/// resumed by.
struct Door {
    dialer: Dialer,
    request: Request,
}

impl Door {
    fn of(scene: &Scene, identity: &Identity) -> Result<Self, Failure> {
        let anchors = scene.operator.target()?.anchors;
        let tls = io::tls::client::anchored(&anchors, Some(identity)).map_err(failed)?;
        let mut tls = ClientConfig::clone(&tls);
        tls.resumption = Resumption::in_memory_sessions(1);
        let url =
            Url::parse(&scene.operator.ready.devices).and_then(|url| url.with_target(est::CSR_ATTRS_PATH));
        let request = Request::get(url.map_err(failed)?).within(Duration::from_secs(CALL_SECONDS_MAX));
        Ok(Door { dialer: Dialer::new(Arc::new(tls)), request })
    }

    /// Asks over a new connection, and says whether there was an answer.
    async fn ask(&self) -> Result<(), ClientError> {
        let mut connection = Connection::open(&self.dialer, &self.request.url).await?;
        connection.send(&self.request).await.map(drop)
    }
}

/// Who was answered over a connection and keeps it open.
pub struct Visitor {
    door: Door,
    open: Connection,
}

impl Visitor {
    /// Comes with `identity`, and is answered.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it is not.
    pub async fn open(scene: &Scene, identity: &Identity) -> Result<Self, Failure> {
        let door = Door::of(scene, identity)?;
        let mut open = Connection::open(&door.dialer, &door.request.url).await.map_err(failed)?;
        open.send(&door.request).await.map_err(failed)?;
        Ok(Visitor { door, open })
    }
}
