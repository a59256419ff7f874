//! The chain: what an entry is, how it is hashed, what makes a journal broken. Pure.
use crate::permission::Session;
use crate::room::{Room, Subject};
use crate::time::Millis;
use sha2::{Digest, Sha256};
use std::fmt;

/// Sets these hashes apart from any other use of SHA-256 here.
const ENTRY_DOMAIN: &[u8] = b"steward-journal-1";
/// Sets these signatures apart from any other use of the hub's key.
const CHECKPOINT_DOMAIN: &[u8] = b"steward-checkpoint-1";
/// The hash before a lane's first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// What was done, before it is chained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The account, or `hub:WORKER`.
    pub actor: String,
    /// The room whose subject changed; `refusal` for a "no" to a known actor.
    pub room: String,
    /// What it is about.
    pub subject: Subject,
    /// The subject's version after it; 0 for a refusal.
    pub version: i64,
    /// The event as JSON; for a refusal its code.
    pub detail: String,
}

impl Entry {
    /// The entry of one event in room `R`.
    pub fn new<R: Room>(session: &Session, subject: &Subject, version: i64, detail: String) -> Self {
        Entry {
            actor: session.actor.clone(),
            room: R::NAME.into(),
            subject: subject.clone(),
            version,
            detail,
        }
    }
}

/// An entry in its place in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The writer's lane.
    pub lane: i64,
    /// 1, 2, 3 … within the lane, without gaps.
    pub seq: i64,
    /// When, by the hub's clock.
    pub at: Millis,
    /// The operation: `device retire`.
    pub action: String,
    /// What was done.
    pub entry: Entry,
    /// SHA-256 over the link before it and all fields above.
    pub hash: [u8; 32],
}

/// The end of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The lane.
    pub lane: i64,
    /// The last entry's number; 0 before the first.
    pub seq: i64,
    /// The last entry's hash.
    pub hash: [u8; 32],
}

impl Head {
    /// The head of an empty lane.
    pub fn genesis(lane: i64) -> Self {
        Head { lane, seq: 0, hash: GENESIS }
    }

    /// Chains `entry` to this head and moves the head to it.
    pub fn append(&mut self, at: Millis, action: &str, entry: Entry) -> Link {
        let seq = self.seq + 1;
        let mut link = Link { lane: self.lane, seq, at, action: action.into(), entry, hash: GENESIS };
        link.hash = hash(&self.hash, &link);
        (self.seq, self.hash) = (link.seq, link.hash);
        link
    }

    /// Moves the head over `link` if it is the next one and unchanged.
    ///
    /// # Errors
    /// What is broken, and where.
    pub fn follow(&mut self, link: &Link) -> Result<(), Broken> {
        if link.seq != self.seq + 1 {
            return Err(Broken { lane: self.lane, seq: self.seq + 1, what: What::Missing });
        }
        if hash(&self.hash, link) != link.hash {
            return Err(Broken { lane: self.lane, seq: link.seq, what: What::Changed });
        }
        (self.seq, self.hash) = (link.seq, link.hash);
        Ok(())
    }
}

/// The hash of `link` after `previous`. Each part is led by its length, so that no two different
/// links give the same bytes.
fn hash(previous: &[u8; 32], link: &Link) -> [u8; 32] {
    let Entry { actor, room, subject, version, detail } = &link.entry;
    let (lane, seq, at) = (link.lane.to_be_bytes(), link.seq.to_be_bytes(), link.at.0.to_be_bytes());
    let version = version.to_be_bytes();
    let parts: [&[u8]; 13] = [
        ENTRY_DOMAIN,
        previous,
        &lane,
        &seq,
        &at,
        link.action.as_bytes(),
        actor.as_bytes(),
        room.as_bytes(),
        subject.organisation.as_bytes(),
        subject.site.as_bytes(),
        subject.id.as_bytes(),
        &version,
        detail.as_bytes(),
    ];
    digest(&parts)
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}

/// A head, signed: nobody without the hub's key can shorten the lane behind it unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The head that it vouches for.
    pub head: Head,
    /// When it was signed.
    pub at: Millis,
    /// DER `Ecdsa-Sig-Value` over [`checkpoint_message`].
    pub signature: Vec<u8>,
}

/// The bytes that a checkpoint signs.
pub fn checkpoint_message(head: &Head, at: Millis) -> Vec<u8> {
    let mut message = CHECKPOINT_DOMAIN.to_vec();
    for number in [head.lane, head.seq, at.0] {
        message.extend_from_slice(&number.to_be_bytes());
    }
    message.extend_from_slice(&head.hash);
    message
}

/// Where a journal is broken, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The lane.
    pub lane: i64,
    /// The first bad entry, or the entry a bad checkpoint speaks of.
    pub seq: i64,
    /// How.
    pub what: What,
}

/// How a journal is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The entry is not there, or another one stands in its place.
    Missing,
    /// The entry does not fit its hash.
    Changed,
    /// The lane's stored head is not its last entry.
    Head,
    /// The checkpoint's signature is not by the hub's key.
    CheckpointSignature,
    /// The checkpoint vouches for another hash at this place.
    CheckpointHash,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Broken { lane, seq, what } = self;
        match what {
            What::Missing => write!(f, "lane {lane}: entry {seq} is missing or not in its place"),
            What::Changed => write!(f, "lane {lane}: entry {seq} was changed: it does not fit its hash"),
            What::Head => write!(f, "lane {lane}: the stored head does not fit the last entry {seq}"),
            What::CheckpointSignature => {
                write!(f, "lane {lane}: the checkpoint at entry {seq} is not signed by this hub")
            }
            What::CheckpointHash => {
                write!(f, "lane {lane}: entry {seq} is not the one that a signed checkpoint vouches for")
            }
        }
    }
}
