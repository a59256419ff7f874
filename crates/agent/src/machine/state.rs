//! Where a pledge is between two steps.
use super::message::{Imprint, Trouble};
use wire::Certificate;
use wire::est::CsrAttributes;
use wire::voucher::VoucherRequest;

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
    /// The signature of a voucher-request to the server that showed this.
    Signing(Box<VoucherRequest>, Vec<Certificate>),
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
    /// To join or to renew, from the beginning: without a domain, by asking for a voucher.
    Begin,
    /// To repeat the very voucher-request that was answered 202, or not at all.
    Appeal(Box<Appeal>),
    /// To tell that a voucher was accepted, and to go on from the beginning.
    Imprinted,
    /// To repeat the very request that was answered 202, or not at all.
    Apply(Application),
    /// To tell that the LDevID arrived.
    Tell,
}

/// A voucher-request on its way.
#[derive(Clone, Debug)]
pub(super) struct Appeal {
    /// What it says.
    pub(super) asks: VoucherRequest,
    /// The same, signed.
    pub(super) signed: Vec<u8>,
    /// What the server showed that it is for.
    pub(super) server: Vec<Certificate>,
    /// Since when it is answered 202.
    pub(super) pending_since: Option<u64>,
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
    /// `requestvoucher`.
    Voucher(Box<Appeal>),
    /// `voucher_status`, of success.
    Imprinted,
    /// `voucher_status`, of this.
    Rejected(Trouble),
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
    /// What a voucher pinned.
    Imprint(Box<Imprint>),
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
            Self::Signing(..) => "a signature",
            Self::Storing(_) => "the disk",
            Self::Pausing(..) | Self::Resting(_) => "time to pass",
            Self::Over => "nothing any more",
        }
    }
}
