//! Where a pledge is between two steps.
use super::message::Trouble;
use wire::Certificate;
use wire::est::CsrAttributes;

/// What a pledge waits for. A step takes it and leaves the next one.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// A connection, to do something over it.
    Opening(Errand),
    /// An answer.
    Talking(Talk),
    /// A new key, to ask for a certificate with these attributes.
    MakingKey(CsrAttributes),
    /// A request with these attributes.
    MakingCsr(CsrAttributes),
    /// The disk.
    Storing(Storing),
    /// A moment, to try again.
    Pausing(u64, Errand),
    /// The moment of the renewal.
    Resting(u64),
    /// Nothing any more.
    Over,
}

/// What is to be done over a new connection.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// To join or to renew, from the beginning.
    Begin,
    /// To repeat the very request that was answered 202, or not at all.
    Apply(Application),
    /// To tell that the LDevID arrived.
    Tell,
}

/// A certification request on its way.
#[derive(Clone, Debug)]
pub(super) struct Application {
    /// The request in DER.
    pub(super) csr: Vec<u8>,
    /// Since when it is answered 202.
    pub(super) pending_since: Option<u64>,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum Talk {
    /// `cacerts`.
    Anchors,
    /// `csrattrs`.
    Attributes,
    /// `simpleenroll` or `simplereenroll`.
    Application(Application),
    /// `enrollstatus`, of success.
    Success,
    /// `enrollstatus`, of this.
    Failure(Trouble),
}

/// What is being stored.
#[derive(Clone, Debug)]
pub(super) enum Storing {
    /// The authorities that were distributed.
    Anchors(Vec<Certificate>),
    /// The certificate that was issued.
    Ldevid(Box<Certificate>),
    /// That the keys before are gone.
    OnlyKey,
    /// That the registrar knows.
    Told,
}

impl State {
    /// In words.
    pub(super) fn waits_for(&self) -> &'static str {
        match self {
            Self::Opening(_) => "a connection",
            Self::Talking(_) => "an answer",
            Self::MakingKey(_) => "a key",
            Self::MakingCsr(_) => "a certification request",
            Self::Storing(_) => "the disk",
            Self::Pausing(..) | Self::Resting(_) => "time to pass",
            Self::Over => "nothing any more",
        }
    }
}
