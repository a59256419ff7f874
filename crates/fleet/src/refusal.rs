//! A "no" that is data: the same on every face, with a stable code, who is to blame, and what to do.
use crate::tx::{Fault, FaultKind};
use crate::words;

words! {
    /// Who can mend it.
    pub enum Blame {
        /// Who asked: what was sent is wrong, or comes at the wrong moment.
        Asker = "asker",
        /// Who runs the hub: a setting has to change.
        Operator = "operator",
        /// Disk, database, clock, kernel, network.
        Environment = "environment",
        /// A fault of Steward: report it.
        Us = "us",
    }
}

words! {
    /// What sort of "no" it is; the API's status follows from it.
    pub enum Sort {
        /// The request itself is not well-formed.
        Malformed = "malformed",
        /// Nobody known asks.
        NotSignedIn = "not-signed-in",
        /// The asker is known and may not do this.
        NotPermitted = "not-permitted",
        /// What it speaks of does not exist.
        NotFound = "not-found",
        /// It contradicts what is true now.
        Conflict = "conflict",
        /// It is more than a limit allows.
        TooMuch = "too-much",
        /// Not now; the same request may pass later.
        Later = "later",
        /// The rules know it, the code does not do it yet.
        NotYet = "not-yet",
        /// Something below failed.
        Failed = "failed",
    }
}

/// Why something was not done. Nothing of it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs: `device-unknown`.
    pub code: &'static str,
    /// What sort of "no" it is.
    pub sort: Sort,
    /// Who can mend it.
    pub blame: Blame,
    /// For people: what is wrong and what to do.
    pub detail: String,
}

impl Refusal {
    /// A refusal of `sort`; who is to blame follows from the sort.
    pub fn new(sort: Sort, code: &'static str, detail: impl Into<String>) -> Self {
        let blame = match sort {
            Sort::Later | Sort::Failed => Blame::Environment,
            Sort::NotYet => Blame::Us,
            _ => Blame::Asker,
        };
        Refusal { code, sort, blame, detail: detail.into() }
    }

    /// The same refusal, with somebody else to blame.
    #[must_use]
    pub fn blaming(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::DiskFull => Refusal::new(
                Sort::Later,
                "disk-full",
                format!("the hub's disk is full; free some space, no restart is needed ({})", fault.detail),
            ),
            FaultKind::Conflict => Refusal::new(
                Sort::Later,
                "changed-meanwhile",
                format!("somebody changed it at the same moment; ask again ({})", fault.detail),
            ),
            FaultKind::Unavailable => Refusal::new(
                Sort::Later,
                "store-unavailable",
                format!("the database does not answer; look at its own log ({})", fault.detail),
            ),
            FaultKind::Corrupt => Refusal::new(
                Sort::Failed,
                "store-corrupt",
                format!(
                    "the database holds what Steward did not write; run `steward check` ({})",
                    fault.detail
                ),
            ),
            FaultKind::Sql => Refusal::new(Sort::Failed, "store-fault", fault.detail).blaming(Blame::Us),
        }
    }
}
