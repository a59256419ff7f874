//! The factory: its line gives every device its IDevID, at the door of the manufacturer's hub.
use super::access::UPDATE_HOST;
use super::configuration::FIRST;
use super::device::DeviceFolder;
use super::hubs::HubProcess;
use super::plan::Planned;
use super::scene::Scene;
use crate::failure::{Failure, failed};
use crate::limits::{CALL_SECONDS_MAX, DEMO_PUBLISH_SECONDS_MAX};
use io::http::StatusCode;
use io::http::client::{Client, Dialer, Request};
use io::http::header::{AUTHORIZATION, HeaderValue};
use io::http::url::Url;
use serde_json::{Value as Json, json};
use std::time::Duration;
use wire::certificate::{Name, NameAttribute};
use wire::limits::EST_BODY_BYTES_MAX;
use wire::mud::{
    AccessList, Ace, Action, DNS_CLASS, Direction, Matches, MudFile, NTP_CLASS, Ports, Transport,
};
use wire::prefix::Family;
use wire::{Certificate, PublicKey, csr, est};

/// What is made: the label under which devices are born.
pub const PRODUCT: &str = "lamp-7";
/// The kind of its hardware, under the arc for examples (RFC 5612).
pub const HARDWARE: &str = "1.3.6.1.4.1.32473.7";
/// The account of the factory's line.
const LINE: &str = "line-1";
/// When its description was written: 2026-11-22.
const DESCRIBED_AT: i64 = 1_795_349_461_000;

/// The factory's line, with a token of its own.
pub struct Line {
    client: Client,
    door: Url,
    bearer: HeaderValue,
    token: Json,
}

/// Offers the product; one that is offered already stays as it is.
///
/// # Errors
/// [`Failure`], as the hub says it.
pub async fn offer(scene: &mut Scene) -> Result<(), Failure> {
    let address = scene.manufacturer.ready.people.clone();
    let product = json!({
        "product": PRODUCT, "hardware_type": HARDWARE,
        "mud_url": format!("{address}/mud/{PRODUCT}.json"), "masa_url": address.trim_start_matches("https://"),
    });
    scene.manufacturer.call_unless("product add", product, "product-known").await?;
    publish(scene, &address).await
}

/// Publishes what the product needs of the network, and waits until it is signed.
async fn publish(scene: &mut Scene, address: &str) -> Result<(), Failure> {
    let file = description(address)?;
    let file = scene.manufacturer.put_blob(&file).await?;
    let publication = json!({"product": PRODUCT, "file": file});
    scene.manufacturer.call("product publish-description", publication).await?;
    let within = Duration::from_secs(DEMO_PUBLISH_SECONDS_MAX);
    let settled = |shown: &Json| shown["refused"] != "" || shown["file"] == file.as_str();
    let product = json!({"product": PRODUCT});
    let published = scene.manufacturer.until("product description", product, within, settled).await?;
    match published["refused"].as_str() {
        Some(why) if !why.is_empty() => Err(failed(format!("the description: {why}"))),
        _ => Ok(()),
    }
}

/// The MUD file of the product: names, time, the maker's update server, and nothing else.
fn description(address: &str) -> Result<Vec<u8>, Failure> {
    let ace = |name: &str, matches| Ace { name: name.into(), matches, action: Action::Accept };
    // A port of the other side, whichever way the packet goes.
    let port = |from, number| match from {
        Direction::FromDevice => (None, Some(Ports::Eq(number))),
        Direction::ToDevice => (Some(Ports::Eq(number)), None),
    };
    let udp = |from, class: &str, number| {
        let (source_port, destination_port) = port(from, number);
        let transport = Some(Transport::Udp { source_port, destination_port });
        Matches { controller: Some(class.into()), protocol: Some(17), transport, ..Matches::default() }
    };
    let updates = |from| {
        let (source_port, destination_port) = port(from, 443);
        let initiated = Some(Direction::FromDevice);
        let transport = Some(Transport::Tcp { source_port, destination_port, initiated });
        let host = Some(UPDATE_HOST.to_owned());
        let matches = Matches { protocol: Some(6), transport, ..Matches::default() };
        match from {
            Direction::FromDevice => Matches { destination_dnsname: host, ..matches },
            Direction::ToDevice => Matches { source_dnsname: host, ..matches },
        }
    };
    let list = |name: &str, from| AccessList {
        name: name.into(),
        family: Family::V4,
        entries: vec![
            ace("names", udp(from, DNS_CLASS, 53)),
            ace("time", udp(from, NTP_CLASS, 123)),
            ace("updates", updates(from)),
        ],
    };
    let file = MudFile {
        mud_url: format!("{address}/mud/{PRODUCT}.json"),
        last_update: DESCRIBED_AT,
        mud_signature: Some(format!("{address}/mud/{PRODUCT}.p7s")),
        cache_validity_hours: 48,
        is_supported: true,
        systeminfo: Some("A lamp that tells the time".into()),
        mfg_name: Some("Lumen".into()),
        model_name: Some("Lamp 7".into()),
        firmware_rev: None,
        software_rev: None,
        documentation: None,
        extensions: Vec::new(),
        from_device: vec![list("lamp-from", Direction::FromDevice)],
        to_device: vec![list("lamp-to", Direction::ToDevice)],
        ignored: Vec::new(),
    };
    file.to_json().map_err(failed)
}

/// Bears the devices that have no IDevID yet.
///
/// # Errors
/// [`Failure`], as the hub or the disk says it.
pub async fn bear_all(scene: &mut Scene, planned: &[Planned]) -> Result<(), Failure> {
    let authority = scene.maker()?;
    let mut unborn = Vec::new();
    for device in planned {
        let folder = scene.device_folder(device)?;
        if folder.idevid()?.is_none() {
            unborn.push((device, folder));
        }
    }
    if unborn.is_empty() {
        return Ok(());
    }
    let mut line = Line::open(&mut scene.manufacturer).await?;
    for (device, folder) in unborn {
        let idevid = line.bear(&folder, device).await?;
        folder.put_masa(&authority)?;
        folder.put_configuration(FIRST)?;
        folder.put_idevid(&idevid)?;
    }
    line.close(&mut scene.manufacturer).await
}

impl Line {
    /// Gives the line a token.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn open(hub: &mut HubProcess) -> Result<Self, Failure> {
        let account = json!({"account": LINE, "permission": "operate"});
        hub.call_unless("account add", account, "account-known").await?;
        let token = hub.call("token issue", json!({"account": LINE, "label": "line", "days": 1})).await?;
        let secret = token["secret"].as_str().unwrap_or_default();
        let mut bearer = HeaderValue::try_from(format!("Bearer {secret}")).map_err(failed)?;
        bearer.set_sensitive(true);
        let target = hub.target()?;
        let tls = io::tls::client::anchored(&target.anchors, None).map_err(failed)?;
        let path = format!("/.well-known/est/{PRODUCT}/simpleenroll");
        let door = target.url.with_target(&path).map_err(failed)?;
        Ok(Line { client: Client::new(Dialer::new(tls)), door, bearer, token: token["id"].clone() })
    }

    /// Asks for the IDevID of a device; asked again for the same key, the factory gives the same one.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the door gives none.
    pub async fn bear(&mut self, folder: &DeviceFolder, device: &Planned) -> Result<Certificate, Failure> {
        let key = folder.idevid_key()?;
        let subject = Name::new(&[(NameAttribute::SerialNumber, &device.serial_number)]).map_err(failed)?;
        let request = csr::make(&subject, None, &key).map_err(failed)?;
        let request = Request::post(self.door.clone(), est::PKCS10, est::encode_body(&request))
            .header(AUTHORIZATION, self.bearer.clone())
            .within(Duration::from_secs(CALL_SECONDS_MAX))
            .answer_bytes_max(EST_BODY_BYTES_MAX);
        let answer = self.client.send(&request).await.map_err(failed)?;
        if answer.status != StatusCode::OK {
            let why = String::from_utf8_lossy(&answer.body);
            return Err(failed(format!("{} was not born: {} {why}", device.serial_number, answer.status)));
        }
        let key = PublicKey::of(&key).map_err(failed)?;
        let certificates = est::decode_body(&answer.body).and_then(|der| est::read_certs_only(&der));
        let own = certificates.map_err(failed)?.into_iter().find(|one| *one.public_key() == key);
        own.ok_or_else(|| failed("the factory's answer holds no certificate for the key that was sent"))
    }

    /// Takes the token away.
    ///
    /// # Errors
    /// [`Failure`], as the hub says it.
    pub async fn close(self, hub: &mut HubProcess) -> Result<(), Failure> {
        hub.call("credential revoke", json!({"account": LINE, "id": self.token})).await.map(drop)
    }
}
