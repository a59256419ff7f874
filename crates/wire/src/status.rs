//! What a pledge tells its registrar about its voucher and its enrolment: RFC 8995 sections 5.7
//! and 5.9.4. Both bodies have one form.
use crate::json::{JsonRefused, Object, Value, parse_object};
use crate::limits::STATUS_BYTES_MAX;
use serde_json::Map;

/// Media type of both bodies.
pub const MEDIA_TYPE: &str = "application/json";

/// Where a pledge tells what it thinks of its voucher, RFC 8995 section 5.7.
pub const VOUCHER_STATUS_PATH: &str = "/.well-known/brski/voucher_status";

/// Where a pledge tells how its enrolment went, RFC 8995 section 5.9.4.
pub const ENROLL_STATUS_PATH: &str = "/.well-known/brski/enrollstatus";

/// The version that RFC 8995 sections 5.7 and 5.9.4 describe. A registrar that receives a higher
/// one should tell a person.
pub const VERSION: u64 = 1;

/// One status message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The version of the format.
    pub version: u64,
    /// Whether it went well.
    pub good: bool,
    /// Why it did not, for people. A pledge may be talking to an attacker: say nothing that helps
    /// one.
    pub reason: Option<String>,
    /// Whatever else the pledge says.
    pub reason_context: Option<Value>,
    /// Names of fields that we do not know; RFC 8995 section 5.7 wants them logged.
    pub unknown: Vec<String>,
}

impl Status {
    /// It went well.
    pub fn success() -> Self {
        Self { version: VERSION, good: true, reason: None, reason_context: None, unknown: Vec::new() }
    }

    /// It did not, and why.
    pub fn failure(reason: &str) -> Self {
        Self { good: false, reason: Some(reason.into()), ..Self::success() }
    }

    /// Reads a message in JSON.
    ///
    /// # Errors
    /// [`JsonRefused`]: the pledge is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let Object(mut fields) = parse_object(text, STATUS_BYTES_MAX)?;
        let reason_context = fields.remove("reason-context");
        let fields = Object(fields);
        let known = ["version", "status", "reason"];
        Ok(Self {
            version: fields.required("version", "an unsigned number", Value::as_u64)?,
            good: fields.required("status", "true or false", Value::as_bool)?,
            reason: fields.optional("reason", "a text", Value::as_text)?.map(str::to_owned),
            reason_context,
            unknown: fields.0.into_keys().filter(|name| !known.contains(&name.as_str())).collect(),
        })
    }

    /// The message in JSON; unknown fields are not written.
    pub fn to_json(&self) -> Vec<u8> {
        let mut fields = Map::new();
        fields.insert("version".into(), self.version.into());
        fields.insert("status".into(), self.good.into());
        fields.extend(self.reason.as_ref().map(|reason| ("reason".into(), reason.as_str().into())));
        fields.extend(self.reason_context.as_ref().map(|value| ("reason-context".into(), value.into())));
        serde_json::Value::Object(fields).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        match (Status::from_json(text.as_bytes()), expect) {
            (Ok(status), Ok(expect)) => assert_eq!(String::from_utf8_lossy(&status.to_json()), expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn messages() {
        let good = String::from_utf8(Status::success().to_json()).unwrap();
        check(&good, Ok(r#"{"status":true,"version":1}"#));
        let bad = String::from_utf8(Status::failure("no").to_json()).unwrap();
        check(&bad, Ok(r#"{"reason":"no","status":false,"version":1}"#));
        check(r#"{"status":true,"version":7,"x":1}"#, Ok(r#"{"status":true,"version":7}"#));
        let literal = r#"{"reason-context":"x","status":false,"version":1}"#;
        check(literal, Ok(literal));
        check(r#"{"status":true}"#, Err("\"version\" is missing"));
        check(r#"{"version":1}"#, Err("\"status\" is missing"));
        // RFC 8995 section 5.7: keys are case sensitive and lowercase.
        check(r#"{"version":1,"Status":true}"#, Err("\"status\" is missing"));
        check(r#"{"version":1,"status":"true"}"#, Err("\"status\" is not true or false"));
        check(r#"{"version":1,"status":true,"reason":1}"#, Err("\"reason\" is not a text"));
    }

    #[test]
    fn unknown_fields_are_told() {
        let status = Status::from_json(br#"{"status":true,"version":1,"Reason":"x"}"#).unwrap();
        assert_eq!((status.reason, status.unknown), (None, vec!["Reason".to_string()]));
    }
}
