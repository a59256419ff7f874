//! What a device and its hub tell each other at a check-in: what it has ([`Report`]), and what it shall
//! have ([`Desired`]). Strict JSON, of our own making.
//!
//! A hub and its devices are not of one age. So each side ignores whole members of the outermost object
//! that it does not know, and keeps their names: a device tells its hub in `not_understood` what it was
//! asked in vain. Inside of a member that is known, an unknown one is refused: half understood is
//! misunderstood. Another `version` is refused.
//!
//! Documents travel in base64: their digest is over their bytes, whatever these are.
use crate::digest::{from_hex, hex};
use crate::json::{JsonRefused, Object, Value, parse_object};
use crate::limits::{
    CONFIGURATION_BYTES_MAX, CONFIRM_SECONDS_MAX, CONTROL_BYTES_MAX, CONTROL_ENVELOPE_BYTES_MAX,
    CONTROL_NAME_CHARS_MAX, CONTROL_NAMES_MAX, CONTROL_REASON_CHARS_MAX,
};
use crate::retirement::Wipe;
use base64ct::{Base64, Encoding};
use serde_json::{Map, json};

mod firmware;
#[cfg(test)]
mod tests;

pub use firmware::{FirmwareNotKept, FirmwareReport, OrderReport, Progress, Running};

/// Where a device checks in.
pub const CHECK_IN_PATH: &str = "/steward/v1/check-in";
/// Where a device fetches the image of a firmware that it was offered, by its SHA-256 in hexadecimal digits.
pub const BLOBS_PATH: &str = "/steward/v1/blobs/";
/// The first word of a 403: the hub does not know the LDevID (any more), and the device is to enrol again with
/// its IDevID.
pub const ENROL_AGAIN: &str = "enrol-again";
/// The first word of a 403: the LDevID that was shown is not a good one of the domain (any more).
pub const LDEVID_ENDED: &str = "ldevid-ended";
/// Media type of both bodies.
pub const MEDIA_TYPE: &str = "application/json";
/// The version that is described here.
pub const VERSION: u64 = 1;

/// What a device has: the body of a check-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its configuration.
    pub configuration: ConfigurationReport,
    /// Its firmware, if it has any.
    pub firmware: Option<FirmwareReport>,
    /// Members of the last [`Desired`], and words of its `wanted`, that it does not know.
    pub not_understood: Vec<String>,
    /// Names of members that we do not know; not written.
    pub unknown: Vec<String>,
}

/// What a device says of its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationReport {
    /// SHA-256 of what its file holds now; nothing when the file cannot be read.
    pub digest: Option<[u8; 32]>,
    /// Why the file cannot be read.
    pub trouble: Option<String>,
    /// The order that it took up last and that was confirmed; 0 for none.
    pub applied: u32,
    /// The order that it tries: this very check-in is made by it.
    pub trial: Option<u32>,
    /// The last order that it did not keep.
    pub last: Option<NotKept>,
    /// The file's bytes, when the hub wanted them.
    pub document: Option<Vec<u8>>,
}

/// An order that a device did not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotKept {
    /// Its number.
    pub order: u32,
    /// It was tried and taken back, rather than refused at once.
    pub reverted: bool,
    /// Why, for people.
    pub why: String,
}

/// What a device shall have: the answer to a check-in. An empty one says that all is as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// A configuration to take up.
    pub configuration: Option<Apply>,
    /// A firmware to install: a SUIT envelope.
    pub firmware: Option<Vec<u8>>,
    /// The number of an order to start the firmware anew; a hub gives none twice to one device.
    pub restart: Option<u32>,
    /// The number of an order to install `firmware` anew, although it runs already.
    pub reinstall: Option<u32>,
    /// The hub saw this order at work: it may be kept.
    pub confirmed: Option<u32>,
    /// The hub wants to have the configuration's document with the next report.
    pub send_configuration: bool,
    /// The device's life here is over: it is to destroy its keys and its configuration.
    pub wipe: Option<Wipe>,
    /// Names of members, and words of `wanted`, that we do not know; not written.
    pub unknown: Vec<String>,
}

/// A configuration to take up, until it is confirmed or its time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apply {
    /// The order's number; a hub gives none twice to one device.
    pub order: u32,
    /// What the device's file must hold before: nothing else is overwritten. Nothing when the file
    /// could not be read.
    pub over: Option<[u8; 32]>,
    /// The new file.
    pub document: Vec<u8>,
    /// Within how many seconds a check-in has to succeed by it.
    pub confirm_seconds: u32,
}

/// The word of `wanted` for [`Desired::send_configuration`].
const CONFIGURATION: &str = "configuration";

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`JsonRefused`]: the device is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let top = parse_object(text, CONTROL_BYTES_MAX)?;
        check_version(&top)?;
        let configuration = top.required("configuration", "an object", Value::as_object)?;
        let firmware = top.optional("firmware", "an object", Value::as_object)?;
        let order = top.optional("order", "an object", Value::as_object)?;
        let order = order.map(OrderReport::read).transpose()?;
        let firmware = firmware.map(FirmwareReport::read).transpose()?;
        Ok(Self {
            configuration: ConfigurationReport::read(configuration)?,
            firmware: firmware.map(|firmware| FirmwareReport { order, ..firmware }),
            not_understood: names(&top, "not_understood")?,
            unknown: unknown(&top, &["version", "configuration", "firmware", "order", "not_understood"]),
        })
    }

    /// The report in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut top = Map::new();
        top.insert("version".into(), VERSION.into());
        top.insert("configuration".into(), self.configuration.write());
        top.extend(self.firmware.as_ref().map(|firmware| ("firmware".into(), firmware.write())));
        let order = self.firmware.as_ref().and_then(|firmware| firmware.order.as_ref());
        top.extend(order.map(|order| ("order".into(), order.write())));
        if !self.not_understood.is_empty() {
            top.insert("not_understood".into(), self.not_understood.as_slice().into());
        }
        serde_json::Value::Object(top).to_string().into_bytes()
    }
}

impl ConfigurationReport {
    fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["digest", "trouble", "applied", "trial", "last", "document"])?;
        let last = fields.optional("last", "an object", Value::as_object)?;
        Ok(Self {
            digest: fields.optional("digest", DIGEST, digest)?,
            trouble: fields.optional("trouble", REASON, reason)?,
            applied: fields.optional("applied", NUMBER, number)?.unwrap_or(0),
            trial: fields.optional("trial", NUMBER, number)?,
            last: last.map(NotKept::read).transpose()?,
            document: fields.optional("document", DOCUMENT, document)?,
        })
    }

    fn write(&self) -> serde_json::Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<serde_json::Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("digest", self.digest.map(|digest| hex(&digest).into()));
        put("trouble", self.trouble.as_deref().map(Into::into));
        put("applied", Some(self.applied.into()));
        put("trial", self.trial.map(Into::into));
        put("last", self.last.as_ref().map(NotKept::write));
        put("document", self.document.as_deref().map(|bytes| Base64::encode_string(bytes).into()));
        serde_json::Value::Object(fields)
    }
}

impl NotKept {
    fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["order", "reverted", "why"])?;
        Ok(Self {
            order: fields.required("order", NUMBER, number)?,
            reverted: fields.required("reverted", "true or false", Value::as_bool)?,
            why: fields.required("why", REASON, reason)?,
        })
    }

    fn write(&self) -> serde_json::Value {
        json!({"order": self.order, "reverted": self.reverted, "why": self.why})
    }
}

impl Desired {
    /// Whether all is as it should be.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads what a hub answered.
    ///
    /// # Errors
    /// [`JsonRefused`]: the hub is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let top = parse_object(text, CONTROL_BYTES_MAX)?;
        check_version(&top)?;
        let apply = top.optional("configuration", "an object", Value::as_object)?;
        let (known, others): (Vec<_>, Vec<_>) =
            names(&top, "wanted")?.into_iter().partition(|word| word == CONFIGURATION);
        let known_members =
            ["version", "configuration", "firmware", "restart", "reinstall", "confirmed", "wanted", "wipe"];
        let mut unknown = unknown(&top, &known_members);
        unknown.extend(others);
        unknown.truncate(CONTROL_NAMES_MAX);
        let firmware = top.optional("firmware", ENVELOPE, envelope)?;
        let reinstall = top.optional("reinstall", NUMBER, number)?;
        if reinstall.is_some() && firmware.is_none() {
            return Err(JsonRefused::Missing("firmware".into()));
        }
        Ok(Self {
            configuration: apply.map(Apply::read).transpose()?,
            firmware,
            restart: top.optional("restart", NUMBER, number)?,
            reinstall,
            confirmed: top.optional("confirmed", NUMBER, number)?,
            send_configuration: !known.is_empty(),
            wipe: top.optional("wipe", "an object", Value::as_object)?.map(Wipe::read).transpose()?,
            unknown,
        })
    }

    /// The answer in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut top = Map::new();
        top.insert("version".into(), VERSION.into());
        top.extend(self.configuration.as_ref().map(|apply| ("configuration".into(), apply.write())));
        let envelope = self.firmware.as_deref().map(Base64::encode_string);
        top.extend(envelope.map(|envelope| ("firmware".into(), envelope.into())));
        top.extend(self.restart.map(|order| ("restart".into(), order.into())));
        top.extend(self.reinstall.map(|order| ("reinstall".into(), order.into())));
        top.extend(self.confirmed.map(|order| ("confirmed".into(), order.into())));
        if self.send_configuration {
            top.insert("wanted".into(), json!([CONFIGURATION]));
        }
        top.extend(self.wipe.as_ref().map(|wipe| ("wipe".into(), wipe.write())));
        serde_json::Value::Object(top).to_string().into_bytes()
    }
}

impl Apply {
    fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["order", "over", "document", "confirm_seconds"])?;
        let seconds = |value: &Value| number(value).filter(|s| (1..=CONFIRM_SECONDS_MAX).contains(s));
        Ok(Self {
            order: fields.required("order", NUMBER, number)?,
            over: fields.optional("over", DIGEST, digest)?,
            document: fields.required("document", DOCUMENT, document)?,
            confirm_seconds: fields.required("confirm_seconds", "a number of seconds, 1 to 3600", seconds)?,
        })
    }

    fn write(&self) -> serde_json::Value {
        let mut fields = Map::new();
        fields.insert("order".into(), self.order.into());
        fields.extend(self.over.map(|digest| ("over".into(), hex(&digest).into())));
        fields.insert("document".into(), Base64::encode_string(&self.document).into());
        fields.insert("confirm_seconds".into(), self.confirm_seconds.into());
        serde_json::Value::Object(fields)
    }
}

const NUMBER: &str = "a whole number from 0 to 4294967295";
pub(crate) const DIGEST: &str = "64 lower-case hexadecimal digits";
const REASON: &str = "a text of at most 512 characters";
const ENVELOPE: &str = "a SUIT envelope of at most 12288 bytes in base64";
const DOCUMENT: &str = "at most 16384 bytes in base64";

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| number.try_into().ok())
}

pub(crate) fn digest(value: &Value) -> Option<[u8; 32]> {
    value.as_text().and_then(from_hex)
}

fn reason(value: &Value) -> Option<String> {
    value.as_text().filter(|text| text.chars().count() <= CONTROL_REASON_CHARS_MAX).map(str::to_owned)
}

fn is_name(text: &str) -> bool {
    text.chars().count() <= CONTROL_NAME_CHARS_MAX
}

fn document(value: &Value) -> Option<Vec<u8>> {
    let bytes = Base64::decode_vec(value.as_text()?).ok()?;
    (bytes.len() <= CONFIGURATION_BYTES_MAX).then_some(bytes)
}

fn envelope(value: &Value) -> Option<Vec<u8>> {
    let bytes = Base64::decode_vec(value.as_text()?).ok()?;
    (bytes.len() <= CONTROL_ENVELOPE_BYTES_MAX).then_some(bytes)
}

fn check_version(top: &Object) -> Result<(), JsonRefused> {
    top.required("version", "1", |value| value.as_u64().filter(|version| *version == VERSION)).map(drop)
}

/// A list of a few words.
pub(crate) fn names(top: &Object, field: &str) -> Result<Vec<String>, JsonRefused> {
    let Some(list) = top.optional(field, "a list", Value::as_list)? else { return Ok(Vec::new()) };
    if list.len() > CONTROL_NAMES_MAX {
        return Err(JsonRefused::TooMany(field.into(), CONTROL_NAMES_MAX));
    }
    let wrong = || JsonRefused::Field { field: field.into(), wanted: "a list of short texts" };
    let name = |word: &Value| word.as_text().filter(|text| is_name(text)).map(str::to_owned);
    list.iter().map(|word| name(word).ok_or_else(wrong)).collect()
}

/// The names of other members than these, as far as they may be told again.
fn unknown(top: &Object, known: &[&str]) -> Vec<String> {
    let others = top.0.keys().filter(|name| !known.contains(&name.as_str()) && is_name(name));
    others.take(CONTROL_NAMES_MAX).cloned().collect()
}

/// No other members than these.
pub(crate) fn only(fields: &Object, known: &[&str]) -> Result<(), JsonRefused> {
    match fields.0.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(JsonRefused::Unknown(name.clone())),
    }
}
