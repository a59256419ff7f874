//! What a pledge says is to be done, and what it hears.
use super::check::{AnchorsRefused, LdevidRefused};
use super::voucher::VoucherRejected;
use crate::limits::{PENDING_HOURS_MAX, WORDS_CHARS_MAX};
use wire::certificate::Name;
use wire::est::{CsrAttribute, EstRefused};
use wire::{Certificate, PublicKey};

/// What a device has when it starts.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The identity from its factory (IEEE 802.1AR).
    pub idevid: Certificate,
    /// What it trusts before anything else.
    pub trust: FirstTrust,
    /// The authorities that the domain distributed, checked when they came.
    pub anchors: Vec<Certificate>,
    /// The certificate that it got in the domain, if it did.
    pub ldevid: Option<Certificate>,
    /// The keys that it made here, in any order.
    pub keys: Vec<PublicKey>,
    /// Whether the registrar knows that `ldevid` arrived.
    pub told: bool,
}

/// What a device trusts before anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstTrust {
    /// The domain's certificate, which somebody gave it. It is configured, and asks for no voucher (RFC
    /// 8995 section 5).
    Domain(Certificate),
    /// Its manufacturer, whose vouchers say what its domain is.
    Manufacturer {
        /// What signers of vouchers chain to, from the factory: RFC 8995 section 5.6.1.
        masa: Certificate,
        /// The pinned-domain-cert of the voucher that it accepted, if it did.
        pinned: Option<Box<Certificate>>,
    },
}

impl FirstTrust {
    /// The domain's certificate, once there is one.
    pub fn domain(&self) -> Option<&Certificate> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Manufacturer { pinned, .. } => pinned.as_deref(),
        }
    }

    /// What signers of vouchers chain to: nothing for a device that needs none.
    pub(super) fn masa(&self) -> &[Certificate] {
        match self {
            Self::Domain(_) => &[],
            Self::Manufacturer { masa, .. } => std::slice::from_ref(masa),
        }
    }
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Close the connection that there may be and open one to `registrar`. Answered by
    /// [`Input::Connected`] or [`Input::Lost`].
    Connect {
        /// Its URL, as it was configured.
        registrar: String,
        /// When it is believed.
        trust: Trust,
        /// What is shown to it.
        identity: Identity,
    },
    /// Sign a voucher-request (JSON) with the IDevID's key: [`wire::cms::sign`], with the path that came
    /// with it from the factory and without a time. Answered by [`Input::Signed`] or [`Input::Failed`].
    SignVoucherRequest(Vec<u8>),
    /// Send a request over the open connection. Answered by [`Input::Answered`] or [`Input::Lost`].
    Send(Request),
    /// Make a new key and have it on the disk. Answered by [`Input::KeyMade`] or [`Input::Failed`].
    MakeKey,
    /// Make a certification request ([`wire::csr::make`]). Answered by [`Input::CsrMade`] or
    /// [`Input::Failed`].
    MakeCsr {
        /// For this key.
        key: PublicKey,
        /// With this subject.
        subject: Name,
    },
    /// Have a change on the disk, all or nothing. Answered by [`Input::Stored`] or [`Input::Failed`].
    Store(Change),
    /// Close the connection, if there is one, and do nothing until this moment of the monotonic
    /// clock, in milliseconds. Answered by [`Input::Woken`].
    Wait(u64),
    /// The end: only a person can help. Nothing is answered.
    GiveUp(Failure),
}

/// How a server is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By [`check_server`](super::check_server) with these: the Explicit TA database of RFC 7030
    /// section 3.6.1.
    Anchors(Vec<Certificate>),
    /// Any server that holds the key of the certificate that it shows; it is judged later, by a voucher:
    /// the provisional connection of RFC 8995 section 5.1.
    Provisional,
}

/// What the device shows in the TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The identity from its factory.
    Idevid,
    /// The identity that it got here.
    Ldevid(Box<Certificate>),
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path at the registrar.
    pub path: &'static str,
    /// `Accept`, where it is to be sent.
    pub accept: Option<&'static str>,
    /// Media type and body of a POST; nothing for a GET.
    pub content: Option<(&'static str, Vec<u8>)>,
}

/// An HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`, as it came; empty if it did not.
    pub content_type: String,
    /// `Retry-After` in seconds, if it came in a form that says them.
    pub retry_after_seconds: Option<u64>,
    /// `Date`: the server's clock in Unix milliseconds.
    pub date_millis: Option<i64>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is to be on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A voucher was accepted: its domain is the device's from now on.
    Imprint(Box<Imprint>),
    /// The authorities that the domain distributes, in place of those before.
    Anchors(Vec<Certificate>),
    /// The device's certificate, in place of the one before. Its key is on the disk since
    /// [`Output::MakeKey`]; the certificate's public key says which it is, so that one rename switches
    /// both.
    Ldevid(Box<Certificate>),
    /// No other key than this.
    OnlyKey(PublicKey),
    /// The registrar knows that this certificate arrived.
    Told(Box<Certificate>),
}

/// What is kept of a voucher that was accepted. The certificate decides; voucher and request are for a
/// person who asks why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imprint {
    /// The domain's certificate: the voucher's pinned-domain-cert.
    pub pinned: Certificate,
    /// The voucher, as it came.
    pub voucher: Vec<u8>,
    /// The voucher-request that it answers, as it was sent.
    pub request: Vec<u8>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// There is a connection, to the server that showed this: its own certificate first, whose key it
    /// holds.
    Connected(Vec<Certificate>),
    /// There is no connection, or it ended without an answer.
    Lost(String),
    /// The server answered.
    Answered(Answer),
    /// The key is on the disk.
    KeyMade(PublicKey),
    /// The certification request in DER.
    CsrMade(Vec<u8>),
    /// The signed voucher-request: CMS in DER.
    Signed(Vec<u8>),
    /// The change is on the disk.
    Stored,
    /// The device itself could not do it.
    Failed(String),
    /// Time has passed.
    Woken,
    /// The hub does not know the LDevID any more and wants the device to enrol again with its IDevID. It comes
    /// unasked, while time passes.
    Lapsed,
}

/// What went wrong, and may go better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The network, or a server that refuses us without a word.
    #[error("the registrar cannot be reached: {0}")]
    Lost(String),
    /// The device's own disk or key store.
    #[error("the device could not do it: {0}")]
    Device(String),
    /// The server accepted the request and asks to wait (202): somebody has to admit the device.
    #[error("the registrar asks to wait: somebody has to admit the device")]
    Pending,
    /// The server, or what stands behind it.
    #[error("the registrar answered {0} to {1}")]
    ServerFailed(u16, &'static str),
    /// The server does not want this.
    #[error("the registrar refused {path} with {status}: {words}")]
    Refused {
        /// What was asked.
        path: &'static str,
        /// The HTTP status.
        status: u16,
        /// What it said, shortened.
        words: String,
    },
    /// Nobody admitted the device for so long.
    #[error("nobody has admitted the device for {PENDING_HOURS_MAX} hours (RFC 8995 section 5.6)")]
    NotAdmitted,
    /// The server's answer has another media type.
    #[error("the answer to {path} is `{found}`, not `{wanted}` (RFC 7030 section 3.2.4)")]
    MediaType {
        /// What was asked.
        path: &'static str,
        /// What came, shortened.
        found: String,
        /// What should have come.
        wanted: &'static str,
    },
    /// The server's answer cannot be read.
    #[error("the answer to {0} cannot be read: {1}")]
    Unreadable(&'static str, EstRefused),
    /// The voucher is not for this device and this server.
    #[error(transparent)]
    Voucher(#[from] VoucherRejected),
    /// The server distributes anchors that are not the domain's.
    #[error(transparent)]
    Anchors(#[from] AnchorsRefused),
    /// The server wants of a request what the device cannot give.
    #[error("the registrar's CSR attributes want what this device cannot give: {0:?}")]
    Attributes(Vec<CsrAttribute>),
    /// The server issued another certificate than was asked for.
    #[error(transparent)]
    Ldevid(#[from] LdevidRefused),
}

impl Trouble {
    /// What is told about it: short, in one line.
    pub(super) fn words(&self) -> String {
        shortened(&self.to_string())
    }
}

/// At most [`WORDS_CHARS_MAX`] characters of somebody else's text, without control characters.
pub(crate) fn shortened(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_CHARS_MAX).collect()
}

/// Why a person has to help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The factory's identity cannot be used. Its maker is to blame.
    #[error("the IDevID's subject has no serialNumber (RFC 8995 section 2.3.1)")]
    NoSerialNumber,
    /// The given certificate cannot be used. Whoever laid it into the folder is to blame.
    #[error("the anchor is not the certificate of an authority (RFC 5280 section 4.2.1.9)")]
    AnchorIsNoAuthority,
    /// The device's certificate has no key or is not for it. Somebody changed its files.
    #[error("the device's LDevID cannot be used: {0}; restore its folder, or remove its LDevID and claim it")]
    Ldevid(LdevidRefused),
    /// The registrar kept on refusing.
    #[error("given up after {tries} refusals; the last: {last}")]
    Refused {
        /// How often it was tried.
        tries: u32,
        /// What was said last.
        last: Trouble,
    },
}
