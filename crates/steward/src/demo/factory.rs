//! The factory: its line gives every device its IDevID, at the door of the manufacturer's hub.
use super::device::DeviceFolder;
use super::hubs::HubProcess;
use super::plan::Planned;
use super::scene::Scene;
use crate::failure::{Failure, failed};
use crate::limits::CALL_SECONDS_MAX;
use io::http::StatusCode;
use io::http::client::{Client, Dialer, Request};
use io::http::header::{AUTHORIZATION, HeaderValue};
use io::http::url::Url;
use serde_json::{Value as Json, json};
use std::time::Duration;
use wire::certificate::{Name, NameAttribute};
use wire::limits::EST_BODY_BYTES_MAX;
use wire::{Certificate, PublicKey, csr, est};

/// What is made: the label under which devices are born.
const PRODUCT: &str = "lamp-7";
/// The kind of its hardware, under the arc for examples (RFC 5612).
const HARDWARE: &str = "1.3.6.1.4.1.32473.7";
/// The account of the factory's line.
const LINE: &str = "line-1";

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
        "mud_url": format!("{address}/mud/{PRODUCT}.json"), "masa_url": address,
    });
    scene.manufacturer.call_unless("product add", product, "product-known").await
}

/// Bears the devices that have no IDevID yet.
///
/// # Errors
/// [`Failure`], as the hub or the disk says it.
pub async fn bear_all(scene: &mut Scene, planned: &[Planned]) -> Result<(), Failure> {
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
