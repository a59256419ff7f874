//! The plans of a site: which a gate is to enforce, by their digests. Strict JSON, of our own making.
//!
//! A gate asks for the set at [`PLANS_PATH`] and names in `If-None-Match` the one that it enforces (its
//! [`digest`](PlanSet::digest) in quotes); it is answered 304 if there is no other for a while. It fetches
//! each plan that it lacks below that path by the plan's digest.
use crate::digest::{from_hex, hex, sha256};
use crate::json::{JsonRefused, Value, parse_object};
use crate::limits::{PLAN_SET_BYTES_MAX, SITE_PLANS_MAX};
use serde_json::json;
use std::collections::BTreeSet;

/// Where a gate asks for its site's plans; a plan is below it, by its digest in hexadecimal digits.
pub const PLANS_PATH: &str = "/steward/v1/plans";
/// Media type of a set and of a plan.
pub const MEDIA_TYPE: &str = "application/json";
/// The version that is described here.
pub const VERSION: u64 = 1;

/// The plans that a gate enforces, by their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanSet(pub BTreeSet<[u8; 32]>);

impl PlanSet {
    /// Reads a set.
    ///
    /// # Errors
    /// [`JsonRefused`]: whoever wrote it is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonRefused> {
        let top = parse_object(text, PLAN_SET_BYTES_MAX)?;
        let version = |value: &Value| value.as_u64().filter(|version| *version == VERSION);
        top.required("version", "the number 1", version)?;
        let plans = |value: &Value| {
            let list = value.as_list().filter(|list| list.len() <= SITE_PLANS_MAX)?;
            list.iter().map(|plan| plan.as_text().and_then(from_hex)).collect::<Option<BTreeSet<_>>>()
        };
        top.required("plans", "at most 4096 digests of 64 lower-case hexadecimal digits", plans).map(PlanSet)
    }

    /// The set in JSON, in one form only.
    pub fn to_json(&self) -> Vec<u8> {
        let plans: Vec<String> = self.0.iter().map(|digest| hex(digest)).collect();
        json!({"plans": plans, "version": VERSION}).to_string().into_bytes()
    }

    /// What names it: SHA-256 of its JSON, as hexadecimal digits.
    pub fn digest(&self) -> String {
        hex(&sha256(&self.to_json()))
    }
}

#[cfg(test)]
mod tests {
    use super::PlanSet;
    use crate::digest::{hex, sha256};

    #[test]
    fn a_set_is_read_back() {
        for count in [0, 1, 3] {
            let set = PlanSet((0..count).map(|n: u8| sha256(&[n])).collect());
            assert_eq!(PlanSet::from_json(&set.to_json()), Ok(set));
        }
    }

    #[test]
    fn what_is_no_set_is_refused_and_says_where() {
        let check = |text: &str, expect: &str| {
            let refused = PlanSet::from_json(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(expect), "{text}: {refused}");
        };
        check("[]", "object");
        check(r#"{"plans":[]}"#, "version");
        check(r#"{"version":2,"plans":[]}"#, "version");
        check(r#"{"version":1}"#, "plans");
        check(r#"{"version":1,"plans":["00"]}"#, "plans");
        let many = vec![format!("\"{}\"", hex(&sha256(b""))); 4097].join(",");
        check(&format!(r#"{{"version":1,"plans":[{many}]}}"#), "plans");
    }
}
