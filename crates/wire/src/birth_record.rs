//! Birth records: a manufacturer says, signed, which device it made with which identity. An operator can
//! expect a device by its record before it has seen it.
//!
//! No standard has such a record. Ours is JSON, signed as CMS (RFC 5652) with the content in it, and kept as
//! PEM.
use crate::certificate::chain::{ChainRefused, Purpose, verify_chain};
use crate::cms::{self, CmsRefused};
use crate::date_time;
use crate::json::{JsonRefused, Object, Value, parse_object};
use crate::limits::{BIRTH_RECORD_BYTES_MAX, BIRTH_RECORD_PEM_BYTES_MAX};
use crate::signed::SignFailed;
use crate::{Certificate, Oid, Signer, oid};
use serde_json::json;

/// The version that is written and read.
const VERSION: u64 = 1;
const TOP: &str = "steward-birth-record";
const LABEL: &str = "CMS";
const MEMBERS: [&str; 7] = [
    "version",
    "serial-number",
    "product",
    "hardware-type",
    "idevid-sha256",
    "idevid-serial-number",
    "born-at",
];

/// What a manufacturer says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BirthRecord {
    /// The device's serial number: `serialNumber` of its IDevID.
    pub serial_number: String,
    /// What it is, in the manufacturer's words.
    pub product: String,
    /// The kind of hardware.
    pub hardware_type: Oid,
    /// SHA-256 of its IDevID, as hexadecimal digits.
    pub idevid_sha256: String,
    /// The serial number of its IDevID, as hexadecimal digits.
    pub idevid_serial_number: String,
    /// When it was born, in Unix milliseconds.
    pub born_at: i64,
}

/// A record whose signature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub record: BirthRecord,
    /// The anchor that vouches for its signer.
    pub anchor: Certificate,
}

impl BirthRecord {
    /// The record in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let record = json!({TOP: {
            "version": VERSION,
            "serial-number": self.serial_number,
            "product": self.product,
            "hardware-type": self.hardware_type.to_string(),
            "idevid-sha256": self.idevid_sha256,
            "idevid-serial-number": self.idevid_serial_number,
            "born-at": date_time::format(self.born_at),
        }});
        record.to_string().into_bytes()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`JsonRefused`]: whoever signed it is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let top = parse_object(text, BIRTH_RECORD_BYTES_MAX)?;
        let fields: &Object = top.required(TOP, "an object", Value::as_object)?;
        // A version is all that tells what a record means: what it does not know, it does not say.
        fields.required("version", "1", |v| v.as_u64().filter(|v| *v == VERSION))?;
        if let Some(unknown) = fields.0.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(JsonRefused::Field { field: unknown.clone(), wanted: "a member of version 1" });
        }
        let text = |name: &str| fields.required(name, "a text", Value::as_text).map(str::to_owned);
        Ok(Self {
            serial_number: text("serial-number")?,
            product: text("product")?,
            hardware_type: fields
                .required("hardware-type", "an object identifier", |v| v.as_text()?.parse().ok())?,
            idevid_sha256: text("idevid-sha256")?,
            idevid_serial_number: text("idevid-serial-number")?,
            born_at: fields.required("born-at", "a date and time", |v| date_time::parse(v.as_text()?))?,
        })
    }
}

/// Signs a record in JSON, with the certificates of `chain` along with it.
///
/// # Errors
/// [`SignFailed`] when the key's place fails.
pub fn sign(
    json: &[u8],
    certificate: &Certificate,
    chain: &[Certificate],
    signer: &dyn Signer,
    signing_time: i64,
) -> Result<Vec<u8>, SignFailed> {
    cms::sign(oid::DATA, json, certificate, chain, signer, Some(signing_time), false)
}

/// A signed record as PEM.
pub fn to_pem(der: &[u8]) -> String {
    der::pem::encode_string(LABEL, der::pem::LineEnding::LF, der)
        .expect("the label is fixed and the length is bounded")
}

/// Verifies a signed record in PEM. Its signer's time is not judged: records are read long after births, as
/// makers' certificates are (RFC 8995 section 2.6.2).
///
/// # Errors
/// [`RecordRefused`]: whoever made it is to blame, or the operator for a missing anchor.
pub fn verify(pem: &str, anchors: &[Certificate]) -> Result<Verified, RecordRefused> {
    if pem.len() > BIRTH_RECORD_PEM_BYTES_MAX {
        return Err(RecordRefused::NotPem);
    }
    // Tools that write files end them with a line of their own.
    let (label, der) = der::pem::decode_vec(pem.trim().as_bytes()).map_err(|_| RecordRefused::NotPem)?;
    if label != LABEL {
        return Err(RecordRefused::NotPem);
    }
    let verified = cms::verify(&der, None, anchors)?;
    if verified.content_type != oid::DATA {
        return Err(RecordRefused::ContentType(verified.content_type));
    }
    // A signer of descriptions is what a signer of births is.
    let purpose = Purpose::Description;
    let path = verify_chain(&verified.signer, &verified.certificates, anchors, None, purpose)?;
    let anchor = path.anchor().clone();
    Ok(Verified { record: BirthRecord::from_json(&verified.content)?, anchor })
}

/// Why a birth record was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordRefused {
    /// No PEM block of at most [`BIRTH_RECORD_PEM_BYTES_MAX`].
    #[error("the text is not one CMS message in PEM of at most {BIRTH_RECORD_PEM_BYTES_MAX} bytes")]
    NotPem,
    /// Its signature does not verify.
    #[error(transparent)]
    Message(#[from] CmsRefused),
    /// Signed as something else.
    #[error("the signature is over {0} and not over id-data")]
    ContentType(Oid),
    /// Nobody whom we trust vouches for the signer; the operator may trust it.
    #[error("the record's signer is not trusted: {0}")]
    Signer(#[from] ChainRefused),
    /// Not a record.
    #[error("what is signed is no birth record: {0}")]
    Json(#[from] JsonRefused),
}
