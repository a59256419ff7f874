//! What the hub asks of blobs, for the people and workers that bring and fetch them. No face offers these:
//! a blob goes over a route of its own.
use super::{rules, store};
use crate::limits::STEP_ROWS_MAX;
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::Cx;
use crate::text::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A blob.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct BlobView {
    /// Its SHA-256, as hexadecimal digits.
    pub digest: String,
    /// How many bytes it has.
    pub bytes: i64,
}

/// The blob with this digest.
///
/// # Errors
/// `blob-unknown`, or a fault of the store.
pub fn find(cx: &mut Cx, digest: &str) -> Result<BlobView, Refusal> {
    let organisation = cx.session.organisation.as_str();
    match store::blob_find(cx.tx, organisation, digest)? {
        Some(bytes) => Ok(BlobView { digest: digest.into(), bytes }),
        None => {
            let detail = format!("no blob has the SHA-256 {digest}; put it first (`steward blob put`)");
            Err(Refusal::new(Sort::NotFound, "blob-unknown", detail))
        }
    }
}

/// Find a blob
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// Its SHA-256
    pub digest: Digest,
}

impl Operation for Find {
    const NAME: &'static str = "blob find";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = BlobView;

    fn run(&self, cx: &mut Cx) -> Result<BlobView, Refusal> {
        find(cx, self.digest.as_str())
    }
}

/// List blobs by digest, for whoever compares them with their files
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Only those after this digest
    pub after: String,
}

impl Operation for Kept {
    const NAME: &'static str = "blob kept";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    /// The next of them; none when there are no more.
    type Answer = Vec<BlobView>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<BlobView>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let found = store::blob_list(cx.tx, organisation, &self.after, STEP_ROWS_MAX)?;
        Ok(found.into_iter().map(|(digest, bytes)| BlobView { digest, bytes }).collect())
    }
}

/// The bytes of a blob are on the disk
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Their SHA-256
    pub digest: Digest,
    /// How many there are
    pub bytes: i64,
}

impl Operation for Keep {
    const NAME: &'static str = "blob keep";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = BlobView;

    fn run(&self, cx: &mut Cx) -> Result<BlobView, Refusal> {
        let (organisation, digest) = (cx.session.organisation.as_str(), self.digest.as_str());
        store::blob_keep(cx.tx, organisation, digest, self.bytes, cx.now)?;
        Ok(BlobView { digest: digest.into(), bytes: self.bytes })
    }
}

/// Keep blobs no longer that nobody holds
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Only those after this digest
    pub after: String,
}

/// What was swept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Swept {
    /// Digests of blobs that are not kept any more; their files may go.
    pub digests: Vec<String>,
    /// Where to go on, if there may be more.
    pub next: Option<String>,
}

impl Operation for Sweep {
    const NAME: &'static str = "blob sweep";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = Swept;

    fn run(&self, cx: &mut Cx) -> Result<Swept, Refusal> {
        let (organisation, before) =
            (cx.session.organisation.as_str(), rules::unheld_before(cx.sound_now()?));
        let old = store::blob_list_before(cx.tx, organisation, before, &self.after, STEP_ROWS_MAX)?;
        let next = (old.len() == usize::from(STEP_ROWS_MAX)).then(|| old.last().cloned()).flatten();
        let mut digests = Vec::new();
        for digest in old {
            let mut held = false;
            for holds in crate::BLOB_HOLDERS {
                held = held || holds(cx.tx, organisation, &digest)?;
            }
            if !held {
                store::blob_remove(cx.tx, organisation, &digest)?;
                digests.push(digest);
            }
        }
        Ok(Swept { digests, next })
    }
}
