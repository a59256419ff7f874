//! The MASA's audit log of one device, RFC 8995 section 5.8.
use crate::certificate::Certificate;
use crate::date_time;
use crate::json::{JsonRefused, Object, Value, parse_object};
use crate::limits::{AUDIT_LOG_BYTES_MAX, AUDIT_LOG_EVENTS_MAX};
use crate::voucher::Assertion;
use base64ct::{Base64, Encoding};
use serde_json::{Map, json};

/// Media type of the log, RFC 8995 section 5.8.1. The request is the registrar's voucher-request.
pub const MEDIA_TYPE: &str = "application/json";

/// Where a registrar asks the MASA for the log, RFC 8995 section 5.8.
pub const REQUEST_PATH: &str = "/.well-known/brski/requestauditlog";

/// The version that RFC 8995 section 5.8.1 describes. A higher one has more information, not less.
pub const VERSION: u64 = 1;

/// The vouchers that were issued for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLog {
    /// The version of the format: [`VERSION`] or higher.
    pub version: u64,
    /// The vouchers, at least one.
    pub events: Vec<AuditEvent>,
    /// How many events are not there.
    pub truncation: Truncation,
}

/// One voucher that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When, in Unix milliseconds.
    pub date: i64,
    /// To which domain: see [`domain_id`].
    pub domain_id: Vec<u8>,
    /// The nonce as its text stood in the request; none if the voucher had none.
    pub nonce: Option<String>,
    /// On what grounds.
    pub assertion: Assertion,
    /// How many events of the same domain were left out.
    pub truncated: Option<u64>,
}

/// How many events were left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truncation {
    /// Repeated vouchers with a nonce.
    pub nonced_duplicates: u64,
    /// Repeated vouchers without a nonce.
    pub nonceless_duplicates: u64,
    /// Others: a log that lacks them is less acceptable (RFC 8995 section 5.8.1).
    pub arbitrary: u64,
}

/// What names a domain in the log: the subjectKeyIdentifier of the pinned certificate, or the
/// SPKI fingerprint if it has none (RFC 8995 section 5.8.2).
pub fn domain_id(pinned: &Certificate) -> Vec<u8> {
    match pinned.subject_key_id() {
        Some(id) => id.to_vec(),
        None => pinned.public_key().fingerprint().to_vec(),
    }
}

impl AuditLog {
    /// Reads a log in JSON. Counters and version may be strings of digits, as in RFC 8995 figure
    /// 18, which differs from its own CDDL. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`JsonRefused`]: the MASA is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let top = parse_object(text, AUDIT_LOG_BYTES_MAX)?;
        let events = top.required("events", "a list", Value::as_list)?;
        if events.len() > AUDIT_LOG_EVENTS_MAX {
            return Err(JsonRefused::TooMany("events".into(), AUDIT_LOG_EVENTS_MAX));
        }
        if events.is_empty() {
            return Err(JsonRefused::Field { field: "events".into(), wanted: "a list of one event or more" });
        }
        let counters = top.optional("truncation", "an object", Value::as_object)?;
        Ok(Self {
            version: top.required("version", NUMBER, number)?,
            events: events.iter().map(AuditEvent::read).collect::<Result<_, _>>()?,
            truncation: counters.map_or(Ok(Truncation::default()), Truncation::read)?,
        })
    }

    /// The log in JSON.
    ///
    /// # Errors
    /// [`JsonRefused`] for a log that no reader would take: without events or with too many, or
    /// with a date outside of the years 1970 to 9999. We are to blame.
    pub fn to_json(&self) -> Result<Vec<u8>, JsonRefused> {
        if self.events.is_empty() || self.events.len() > AUDIT_LOG_EVENTS_MAX {
            return Err(JsonRefused::TooMany("events".into(), AUDIT_LOG_EVENTS_MAX));
        }
        let events = self.events.iter().map(AuditEvent::write).collect::<Result<Vec<_>, _>>()?;
        let top = json!({
            "version": self.version,
            "events": events,
            "truncation": {
                "nonced duplicates": self.truncation.nonced_duplicates,
                "nonceless duplicates": self.truncation.nonceless_duplicates,
                "arbitrary": self.truncation.arbitrary,
            },
        });
        Ok(top.to_string().into_bytes())
    }
}

impl AuditEvent {
    fn read(value: &Value) -> Result<Self, JsonRefused> {
        let wanted = "a list of objects";
        let fields =
            value.as_object().ok_or_else(|| JsonRefused::Field { field: "events".into(), wanted })?;
        Ok(Self {
            date: fields.required("date", "a date and time as in RFC 3339", |value| {
                date_time::parse(value.as_text()?)
            })?,
            domain_id: fields
                .required("domainID", "base64", |value| Base64::decode_vec(value.as_text()?).ok())?,
            nonce: fields.required("nonce", "a text or null", |value| match value {
                Value::Null => Some(None),
                other => other.as_text().map(|text| Some(text.to_owned())),
            })?,
            assertion: fields.required("assertion", "verified, logged or proximity", |value| {
                Assertion::from_word(value.as_text()?)
            })?,
            truncated: fields.optional("truncated", NUMBER, number)?,
        })
    }

    fn write(&self) -> Result<serde_json::Value, JsonRefused> {
        let wanted = "a time of the years 1970 to 9999";
        let refused = || JsonRefused::Field { field: "date".into(), wanted };
        let mut fields = Map::new();
        fields.insert("date".into(), date_time::format(self.date).ok_or_else(refused)?.into());
        fields.insert("domainID".into(), Base64::encode_string(&self.domain_id).into());
        fields.insert("nonce".into(), self.nonce.clone().into());
        fields.insert("assertion".into(), self.assertion.word().into());
        if let Some(truncated) = self.truncated {
            fields.insert("truncated".into(), truncated.into());
        }
        Ok(fields.into())
    }
}

impl Truncation {
    fn read(fields: &Object) -> Result<Self, JsonRefused> {
        let counter = |name| Ok(fields.optional(name, NUMBER, number)?.unwrap_or(0));
        Ok(Self {
            nonced_duplicates: counter("nonced duplicates")?,
            nonceless_duplicates: counter("nonceless duplicates")?,
            arbitrary: counter("arbitrary")?,
        })
    }
}

const NUMBER: &str = "an unsigned number";

fn number(value: &Value) -> Option<u64> {
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    value.as_u64().or_else(|| value.as_text().filter(digits)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"date":"2019-05-15T17:25:55.644-04:00","domainID":"BduJhdHPpfhQLyponf48JzXSGZ8=","nonce":null,"assertion":"logged"}"#;

    fn read(text: &str) -> Result<AuditLog, String> {
        AuditLog::from_json(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_is_read_as_written() {
        let log = read(&format!(r#"{{"version":2,"new":0,"events":[{EVENT}]}}"#)).unwrap();
        assert_eq!((log.version, log.truncation), (2, Truncation::default()));
        assert_eq!(log.events[0].domain_id.len(), 20);
        assert_eq!(log.events[0].nonce, None);
        assert_eq!(AuditLog::from_json(&log.to_json().unwrap()), Ok(log));
    }

    #[test]
    fn logs_that_are_refused() {
        let check = |text: &str, expect: &str| {
            let error = read(&text.replace("EVENT", EVENT)).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check(r#"{"events":[EVENT]}"#, "\"version\" is missing");
        check(r#"{"version":-1,"events":[EVENT]}"#, "\"version\" is not an unsigned");
        check(r#"{"version":"1.","events":[EVENT]}"#, "\"version\" is not an unsigned");
        check(r#"{"version":1}"#, "\"events\" is missing");
        check(r#"{"version":1,"events":[]}"#, "\"events\" is not a list of one");
        check(r#"{"version":1,"events":[1]}"#, "\"events\" is not a list of objects");
        check(r#"{"version":1,"events":[{}]}"#, "\"date\" is missing");
        check(r#"{"version":1,"events":[EVENT],"truncation":{"arbitrary":"x"}}"#, "\"arbitrary\" is not");
        let many = vec![EVENT; AUDIT_LOG_EVENTS_MAX + 1].join(",");
        check(&format!(r#"{{"version":1,"events":[{many}]}}"#), "over 4096 entries");
        let wordless = EVENT.replace("logged", "guessed");
        check(&format!(r#"{{"version":1,"events":[{wordless}]}}"#), "\"assertion\" is not verified");
        let nonceless = EVENT.replace("\"nonce\":null,", "");
        check(&format!(r#"{{"version":1,"events":[{nonceless}]}}"#), "\"nonce\" is missing");
    }
}
