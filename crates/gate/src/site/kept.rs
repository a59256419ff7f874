//! The plans on a gate's disk: each by its digest, and the set that is enforced.
use super::plan_path;
use io::files::{
    FileError, create_private_dir, read_limited, remove_durably, remove_leftovers, write_atomic,
};
use std::path::PathBuf;
use wire::digest::{from_hex, sha256};
use wire::limits::{PLAN_BYTES_MAX, PLAN_SET_BYTES_MAX};
use wire::plan::{Plan, PlanSet};

/// Which plans are enforced.
const SET: &str = "set.json";

/// A folder of plans.
pub(super) struct Kept {
    folder: PathBuf,
}

/// What was enforced when the gate stopped.
pub(super) enum Last {
    /// This gate never enforced anything.
    Nothing,
    /// It is not known any more.
    Damaged,
    /// This.
    Set(PlanSet),
}

/// A plan that a hub gave is not the one that it named, or none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    /// The hub.
    #[error("the hub gave another plan than it named")]
    AnotherPlan,
    /// The hub.
    #[error("the hub gave no plan: {0}")]
    NoPlan(String),
    /// The environment.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Kept {
    /// Opens the folder, or makes it.
    pub(super) fn open(folder: PathBuf) -> Result<Self, FileError> {
        create_private_dir(&folder)?;
        remove_leftovers(&folder)?;
        Ok(Self { folder })
    }

    /// The set that was enforced last.
    pub(super) fn set(&self) -> Result<Last, FileError> {
        let bytes = match read_limited(&self.folder.join(SET), PLAN_SET_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(why) if why.is_missing() => return Ok(Last::Nothing),
            Err(why) => return Err(why),
        };
        let set = PlanSet::from_json(&bytes);
        let set = set.inspect_err(|why| tracing::warn!(%why, "{SET} is damaged; the hub is asked again"));
        Ok(set.map_or(Last::Damaged, Last::Set))
    }

    /// A plan; nothing when it is not there, or is not what its name says.
    pub(super) fn plan(&self, digest: &[u8; 32]) -> Result<Option<Plan>, FileError> {
        let path = plan_path(&self.folder, digest);
        let bytes = match read_limited(&path, PLAN_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(why) if why.is_missing() => return Ok(None),
            Err(why) => return Err(why),
        };
        let plan = Some(&bytes).filter(|bytes| sha256(bytes) == *digest);
        let plan = plan.and_then(|bytes| Plan::from_json(bytes).ok());
        if plan.is_none() {
            tracing::warn!(file = %path.display(), "a plan is damaged; it is fetched anew");
        }
        Ok(plan)
    }

    /// Keeps a plan that was fetched.
    pub(super) fn add(&self, digest: &[u8; 32], bytes: &[u8]) -> Result<Plan, NotKept> {
        if sha256(bytes) != *digest {
            return Err(NotKept::AnotherPlan);
        }
        let plan = Plan::from_json(bytes).map_err(|why| NotKept::NoPlan(why.to_string()))?;
        write_atomic(&plan_path(&self.folder, digest), bytes, 0o600)?;
        Ok(plan)
    }

    /// Notes that `set` is enforced, and forgets every other plan.
    pub(super) fn put_set(&self, set: &PlanSet) -> Result<(), FileError> {
        write_atomic(&self.folder.join(SET), &set.to_json(), 0o600)?;
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(from_hex);
            if stem.is_some_and(|digest| !set.0.contains(&digest)) {
                remove_durably(&path)?;
            }
        }
        Ok(())
    }
}
