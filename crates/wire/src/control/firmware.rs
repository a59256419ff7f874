//! What a device says of its firmware.
use super::{DIGEST, NUMBER, REASON, digest, number, only, reason};
use crate::digest::hex;
use crate::json::{JsonRefused, Object, Value};
use serde_json::{Map, json};

/// What a device says of its firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirmwareReport {
    /// What runs and has answered; nothing when none does.
    pub running: Option<Running>,
    /// The last that was tried in vain, or refused.
    pub not_kept: Option<FirmwareNotKept>,
    /// How far the newest order for it is; a member of its own in the report.
    pub order: Option<OrderReport>,
}

/// How far a device is with an order to start its firmware anew, or to install it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderReport {
    /// The order's number.
    pub order: u32,
    /// How far it is.
    pub progress: Progress,
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The device took it up, and it is not over.
    UnderWay,
    /// A process that was started after the order has answered; after an order to install, from the slot
    /// that was written.
    Done,
    /// It could not be done, and why, for people.
    Failed(String),
}

/// The firmware that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its manifest's sequence number.
    pub sequence_number: u64,
    /// Its manifest's digest, as it was signed.
    pub manifest: [u8; 32],
}

/// A firmware that was refused, or tried and taken back. In the words of draft-ietf-suit-report, its
/// manifest's digest and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareNotKept {
    /// Its manifest's sequence number, if the manifest was authentic.
    pub sequence_number: Option<u64>,
    /// Its manifest's digest, if the manifest was authentic.
    pub manifest: Option<[u8; 32]>,
    /// It was started, rather than refused before.
    pub tried: bool,
    /// A reason of draft-ietf-suit-report section "suit-report-result", by its name.
    pub reason: String,
    /// Why, for people.
    pub why: String,
}

const SEQUENCE_NUMBER: &str = "a whole number";

impl FirmwareReport {
    pub(super) fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["running", "not_kept"])?;
        let running = fields.optional("running", "an object", Value::as_object)?;
        let not_kept = fields.optional("not_kept", "an object", Value::as_object)?;
        Ok(Self {
            running: running.map(Running::read).transpose()?,
            not_kept: not_kept.map(FirmwareNotKept::read).transpose()?,
            order: None,
        })
    }

    pub(super) fn write(&self) -> serde_json::Value {
        let mut fields = Map::new();
        let running = self
            .running
            .as_ref()
            .map(|it| json!({"sequence_number": it.sequence_number, "manifest": hex(&it.manifest)}));
        fields.extend(running.map(|it| ("running".into(), it)));
        fields.extend(self.not_kept.as_ref().map(|it| ("not_kept".into(), it.write())));
        serde_json::Value::Object(fields)
    }
}

/// The words of `progress`.
const UNDER_WAY: &str = "under-way";
const DONE: &str = "done";
const FAILED: &str = "failed";

impl OrderReport {
    pub(super) fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["number", "progress", "why"])?;
        let order = fields.required("number", NUMBER, number)?;
        let why = fields.optional("why", REASON, reason)?.unwrap_or_default();
        let progress = fields.required("progress", "under-way, done or failed", |word| {
            Some(match word.as_text()? {
                UNDER_WAY => Progress::UnderWay,
                DONE => Progress::Done,
                FAILED => Progress::Failed(why.clone()),
                _ => return None,
            })
        })?;
        Ok(Self { order, progress })
    }

    pub(super) fn write(&self) -> serde_json::Value {
        match &self.progress {
            Progress::UnderWay => json!({"number": self.order, "progress": UNDER_WAY}),
            Progress::Done => json!({"number": self.order, "progress": DONE}),
            Progress::Failed(why) => json!({"number": self.order, "progress": FAILED, "why": why}),
        }
    }
}

impl Running {
    fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["sequence_number", "manifest"])?;
        Ok(Self {
            sequence_number: fields.required("sequence_number", SEQUENCE_NUMBER, Value::as_u64)?,
            manifest: fields.required("manifest", DIGEST, digest)?,
        })
    }
}

impl FirmwareNotKept {
    fn read(fields: &Object) -> Result<Self, JsonRefused> {
        only(fields, &["sequence_number", "manifest", "tried", "reason", "why"])?;
        Ok(Self {
            sequence_number: fields.optional("sequence_number", SEQUENCE_NUMBER, Value::as_u64)?,
            manifest: fields.optional("manifest", DIGEST, digest)?,
            tried: fields.required("tried", "true or false", Value::as_bool)?,
            reason: fields.required("reason", REASON, reason)?,
            why: fields.required("why", REASON, reason)?,
        })
    }

    fn write(&self) -> serde_json::Value {
        let mut fields = Map::new();
        fields.extend(self.sequence_number.map(|it| ("sequence_number".into(), it.into())));
        fields.extend(self.manifest.map(|it| ("manifest".into(), hex(&it).into())));
        fields.insert("tried".into(), self.tried.into());
        fields.insert("reason".into(), self.reason.as_str().into());
        fields.insert("why".into(), self.why.as_str().into());
        serde_json::Value::Object(fields)
    }
}
