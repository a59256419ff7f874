//! Plans as canonical JSON: keys in order, no blanks, one way to write each value.
use super::{Entry, PLAN_VERSION, Plan};
use crate::digest::sha256;
use crate::limits::{
    PLAN_ADDRESSES_MAX, PLAN_BYTES_MAX, PLAN_ENTRIES_MAX, PLAN_ID_BYTES_MAX, PLAN_MEMBERS_MAX,
    PLAN_REMOTES_MAX,
};
use crate::mud::Direction;
use crate::packet::Mac;
use crate::prefix::{Family, Prefix, merged};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanRefused`]: whoever made it is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, PlanRefused> {
        if text.len() > PLAN_BYTES_MAX {
            return Err(PlanRefused::Limit("bytes", PLAN_BYTES_MAX));
        }
        let plan: Self =
            serde_json::from_slice(text).map_err(|error| PlanRefused::Malformed(error.to_string()))?;
        if plan.to_json()? != text {
            return Err(PlanRefused::NotCanonical);
        }
        Ok(plan)
    }

    /// The plan as canonical JSON.
    ///
    /// # Errors
    /// [`PlanRefused`] for a plan that no reader would take.
    pub fn to_json(&self) -> Result<Vec<u8>, PlanRefused> {
        self.check()?;
        let value = serde_json::to_value(self).map_err(|error| PlanRefused::Malformed(error.to_string()))?;
        let text = value.to_string().into_bytes();
        if text.len() > PLAN_BYTES_MAX {
            return Err(PlanRefused::Limit("bytes", PLAN_BYTES_MAX));
        }
        Ok(text)
    }

    /// The SHA-256 of the canonical JSON, in hexadecimal digits: the plan's name.
    ///
    /// # Errors
    /// [`PlanRefused`] for a plan that no reader would take.
    pub fn digest(&self) -> Result<String, PlanRefused> {
        Ok(sha256(&self.to_json()?).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The limits and the rules that the types do not hold.
    fn check(&self) -> Result<(), PlanRefused> {
        if self.version != PLAN_VERSION {
            return Err(PlanRefused::Version(self.version));
        }
        limit("addresses", self.macs.len(), PLAN_ADDRESSES_MAX)?;
        limit("addresses", self.addresses.len(), PLAN_ADDRESSES_MAX)?;
        limit("entries", self.entries.len(), PLAN_ENTRIES_MAX)?;
        for entry in &self.entries {
            limit("bytes of an id", entry.id.len(), PLAN_ID_BYTES_MAX)?;
            limit("conditions on the other side", entry.remotes.len(), PLAN_REMOTES_MAX)?;
            let of_family = |prefix: &Prefix| prefix.family() == entry.family;
            let mut sides = entry.remotes.iter().flat_map(|remote| &remote.members).chain(&entry.device);
            if !sides.all(of_family) {
                return Err(PlanRefused::Entry(entry.id.clone(), "names addresses of another family"));
            }
            for remote in &entry.remotes {
                limit("addresses of a condition", remote.members.len(), PLAN_MEMBERS_MAX)?;
            }
            entry.check_order().map_err(|why| PlanRefused::Entry(entry.id.clone(), why))?;
        }
        Ok(())
    }
}

impl Entry {
    /// Sets are in order and nothing stands in them twice, so that a gate can load them as they are.
    fn check_order(&self) -> Result<(), &'static str> {
        for ranges in [&self.device_ports, &self.remote_ports] {
            let ends: Vec<u16> = ranges.iter().flat_map(|(first, last)| [*first, *last]).collect();
            let apart = ends.chunks(2).zip(ends.chunks(2).skip(1)).all(|(one, next)| one[1] < next[0]);
            if !apart || !ends.is_sorted() {
                return Err("has ranges of ports that are not in order and apart");
            }
        }
        for prefixes in self.remotes.iter().map(|remote| &remote.members).chain([&self.device]) {
            if merged(prefixes.iter().copied()) != *prefixes {
                return Err("has prefixes that are not in order, or one inside of another");
            }
        }
        Ok(())
    }
}

fn limit(what: &'static str, count: usize, most: usize) -> Result<(), PlanRefused> {
    if count > most { Err(PlanRefused::Limit(what, most)) } else { Ok(()) }
}

/// Why a plan was refused. Whoever made it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// Over a limit.
    #[error("the plan has more {0} than {1}")]
    Limit(&'static str, usize),
    /// Not the JSON of a plan.
    #[error("the plan is malformed: {0}")]
    Malformed(String),
    /// Another form than ours.
    #[error("the plan has version {0}; we know {PLAN_VERSION}")]
    Version(u8),
    /// The same plan would be written otherwise, and have another digest.
    #[error("the plan is not written in canonical JSON")]
    NotCanonical,
    /// An entry contradicts itself.
    #[error("the plan's entry \"{0}\" {1}")]
    Entry(String, &'static str),
}

/// Serde for a type by its text.
macro_rules! as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

as_text!(Mac, Prefix);

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match String::deserialize(from)?.as_str() {
            "ipv4" => Ok(Self::V4),
            "ipv6" => Ok(Self::V6),
            _ => Err(de::Error::custom("a family is ipv4 or ipv6")),
        }
    }
}

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Direction {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Self::from_word(&word).ok_or_else(|| de::Error::custom("a direction is from-device or to-device"))
    }
}
