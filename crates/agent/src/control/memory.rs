//! What a device has to remember of orders, as it lies on its disk.
use crate::limits::MEMORY_FILE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use wire::json::{JsonRefused, parse_object};

/// *Stored.* What a device remembers of the hub's orders for its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The order that it took up last and that was confirmed; 0 for none.
    pub applied: u32,
    /// The order on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// The last order that it did not keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<NotKept>,
}

/// *Stored.* An order on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The order's number.
    pub order: u32,
    /// SHA-256 of its document.
    pub digest: [u8; 32],
    /// Within how many seconds it has to prove itself.
    pub confirm_seconds: u32,
    /// How often the device has started since.
    pub starts: u32,
}

/// *Stored.* An order that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotKept {
    /// The order's number.
    pub order: u32,
    /// It was tried and taken back.
    pub reverted: bool,
    /// Why.
    pub why: String,
}

impl Memory {
    /// Reads what a device wrote.
    ///
    /// # Errors
    /// [`MemoryRefused`]: somebody changed the file.
    pub fn from_json(text: &[u8]) -> Result<Self, MemoryRefused> {
        parse_object(text, MEMORY_FILE_BYTES_MAX)?;
        serde_json::from_slice(text).map_err(|why| JsonRefused::Malformed(why.to_string()).into())
    }

    /// As it is written.
    ///
    /// # Errors
    /// [`MemoryRefused`], which plain numbers and texts do not come to.
    pub fn to_json(&self) -> Result<Vec<u8>, MemoryRefused> {
        serde_json::to_vec(self).map_err(|why| JsonRefused::Malformed(why.to_string()).into())
    }
}

/// What a device remembered cannot be read. Somebody changed the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the device remembers of its configuration cannot be read: {0}; remove the file")]
pub struct MemoryRefused(#[from] JsonRefused);

#[cfg(test)]
mod tests {
    use super::{Memory, NotKept, Trial};

    #[test]
    fn what_is_written_is_read() {
        let trial = Trial { order: 2, digest: [7; 32], confirm_seconds: 60, starts: 1 };
        let not_kept = NotKept { order: 1, reverted: true, why: "no answer".into() };
        let full = Memory { applied: 3, trial: Some(trial), not_kept: Some(not_kept) };
        for memory in [Memory::default(), full] {
            assert_eq!(Memory::from_json(&memory.to_json().unwrap()).unwrap(), memory);
        }
        assert_eq!(Memory::default().to_json().unwrap(), br#"{"applied":0}"#);
        for bad in ["", "{}", r#"{"applied":0,"x":1}"#, r#"{"applied":0,"applied":1}"#, r#"{"applied":-1}"#] {
            assert!(Memory::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
