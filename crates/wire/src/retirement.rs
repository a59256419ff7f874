//! What a device and its hub tell each other at the end of a life: the order to wipe ([`Wipe`], a member of
//! [`Desired`](crate::control::Desired)) and the device's [`LastReport`]. Strict JSON, of our own making.
//!
//! A last report is signed with the key of the LDevID (CMS over the JSON) before that key is destroyed, and
//! told after it was: so it goes over a connection on which the device shows nothing, and its signature
//! alone says whose it is.
use crate::control::{DIGEST, digest, names, only};
use crate::date_time;
use crate::digest::{hex, sha256};
use crate::json::{JsonRefused, Object, Value, parse_object};
use crate::limits::{LAST_REPORT_BYTES_MAX, NAME_ATTRIBUTE_CHARS_MAX};
use crate::{Certificate, SignFailed, Signer, cms, oid};
use serde_json::json;

/// Where a last report is sent.
pub const LAST_REPORT_PATH: &str = "/steward/v1/last-report";
/// Media type of a last report: RFC 7193.
pub const MEDIA_TYPE: &str = "application/cms";
/// The version that is described here.
pub const VERSION: u64 = 1;

/// The order to wipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wipe {
    /// When the hub was asked for it: RFC 3339 text. The last report repeats it.
    pub at: String,
}

/// What a device says last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReport {
    /// The `at` of the order.
    pub at: String,
    /// The device's `serialNumber`.
    pub serial_number: String,
    /// SHA-256 of the LDevID whose key signed.
    pub certificate: [u8; 32],
    /// What the device does not have any more when this is told.
    pub wiped: Vec<String>,
}

const TIME: &str = "a time of RFC 3339";

fn time(value: &Value) -> Option<String> {
    value.as_text().filter(|text| date_time::parse(text).is_some()).map(str::to_owned)
}

impl Wipe {
    pub(crate) fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["at"])?;
        Ok(Self { at: fields.required("at", TIME, time)? })
    }

    pub(crate) fn write(&self) -> serde_json::Value {
        json!({"at": self.at})
    }

    /// Reads an order that a device wrote down.
    ///
    /// # Errors
    /// [`JsonRefused`].
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        Self::read(&parse_object(text, LAST_REPORT_BYTES_MAX)?)
    }

    /// The order in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        self.write().to_string().into_bytes()
    }
}

impl LastReport {
    /// Reads a last report.
    ///
    /// # Errors
    /// [`JsonRefused`]: the device is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let top = parse_object(text, LAST_REPORT_BYTES_MAX)?;
        only(&top, &["version", "at", "serial_number", "certificate", "wiped"])?;
        top.required("version", "1", |value| value.as_u64().filter(|version| *version == VERSION))?;
        let short = |value: &Value| {
            value.as_text().filter(|text| text.chars().count() <= NAME_ATTRIBUTE_CHARS_MAX).map(str::to_owned)
        };
        Ok(Self {
            at: top.required("at", TIME, time)?,
            serial_number: top.required("serial_number", "a text of at most 64 characters", short)?,
            certificate: top.required("certificate", DIGEST, digest)?,
            wiped: names(&top, "wiped")?,
        })
    }

    /// The report in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let Self { at, serial_number, certificate, wiped } = self;
        let fields = json!({
            "version": VERSION,
            "at": at,
            "serial_number": serial_number,
            "certificate": hex(certificate),
            "wiped": wiped,
        });
        fields.to_string().into_bytes()
    }

    /// The report, signed by the LDevID that it names. A device has no clock to state a time by.
    ///
    /// # Errors
    /// [`SignFailed`] when the key's place fails.
    pub fn sign(&self, ldevid: &Certificate, key: &dyn Signer) -> Result<Vec<u8>, SignFailed> {
        cms::sign(oid::DATA, &self.to_json(), ldevid, &[], key, None, false)
    }

    /// Reads a signed report; its signer must be the certificate that it names. Whether that is anybody's is
    /// for the caller to judge.
    ///
    /// # Errors
    /// [`LastReportRefused`]: whoever sent it is to blame.
    pub fn verify(message: &[u8]) -> Result<(Self, Certificate), LastReportRefused> {
        if message.len() > LAST_REPORT_BYTES_MAX {
            return Err(JsonRefused::TooLarge(LAST_REPORT_BYTES_MAX).into());
        }
        let verified = cms::verify(message, None, &[])?;
        if verified.content_type != oid::DATA {
            return Err(LastReportRefused::NotItsSigner);
        }
        let report = Self::from_json(&verified.content)?;
        if report.certificate != sha256(verified.signer.der()) {
            return Err(LastReportRefused::NotItsSigner);
        }
        Ok((report, verified.signer))
    }
}

/// Why a last report was refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LastReportRefused {
    /// Its signature.
    #[error(transparent)]
    Cms(#[from] cms::CmsRefused),
    /// What it says.
    #[error(transparent)]
    Json(#[from] JsonRefused),
    /// It names another certificate than that of its signer, or is no data.
    #[error("the last report is not signed by the certificate that it names")]
    NotItsSigner,
}
