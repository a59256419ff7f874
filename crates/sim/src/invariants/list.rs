//! The names of what must be true, and what each says: one list, which worlds, the demo and its kill tests
//! share.

/// Where an invariant is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// In worlds of virtual time.
    Worlds,
    /// After the demo's story, however often it was killed.
    Stories,
    /// In both.
    Everywhere,
}

/// The name of an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What must be true.
    pub about: &'static str,
    /// Where it is looked at.
    pub place: Where,
}

const fn named(place: Where, name: &'static str, about: &'static str) -> Named {
    Named { name, about, place }
}

use Where::{Everywhere, Stories, Worlds};

/// All of them.
pub const NAMES: &[Named] = &[
    named(
        Everywhere,
        "journal-verifies",
        "the chain of each hub's journal is whole, and so are its checkpoints",
    ),
    named(Everywhere, "rows-equal-journal", "every row of a hub is the fold of its subject's journal"),
    named(Everywhere, "counts-equal-rows", "the counts by stage are those of the rows"),
    named(
        Everywhere,
        "ldevid-is-the-devices",
        "a device's certificate is one that the hub takes for good, and is for a key of the device",
    ),
    named(
        Everywhere,
        "one-voucher-per-nonce",
        "the maker's service issued no two vouchers for one nonce, and logged those that devices keep",
    ),
    named(Worlds, "operational-once", "every device that shall join is operational, and is one device"),
    named(Worlds, "key-with-certificate", "whoever holds a certificate holds its key, whenever power goes"),
    named(Worlds, "one-ldevid-per-key", "no two good certificates are for one key"),
    named(
        Worlds,
        "told-is-known",
        "what a device was told that the hub knows, the hub knows, whenever power goes",
    ),
    named(
        Worlds,
        "admitted-before-certified",
        "nobody holds a certificate, and none is good, of a device that was not admitted",
    ),
    named(
        Worlds,
        "pinned-is-logged",
        "a device trusts no other domain than the one that its maker's service logged for its nonce",
    ),
    named(Stories, "counts-equal-journal", "the counts by stage are what the exported journal alone tells"),
    named(Stories, "names-unique", "no two devices are called the same"),
    named(Stories, "every-write-has-an-entry", "whatever was answered stands in the journal"),
    named(Stories, "repeats-done-once", "a request that is sent again is done once"),
    named(Stories, "retired-stays-retired", "who is retired is retired, whatever is announced"),
    named(Stories, "viewers-change-nothing", "who may only look is refused a change"),
    named(Stories, "hubs-are-apart", "what one organisation's hub knows, the other's does not"),
    named(Stories, "ready-files-private", "nobody else may read the administrators' tokens"),
    named(Stories, "operational-have-ldevids", "who is at work holds a certificate that is good now"),
    named(
        Stories,
        "births-match-devices",
        "who is at work was born at its maker's, with the key that it showed",
    ),
    named(Stories, "births-happen-once", "every device was born once, with the identity that it holds"),
    named(
        Stories,
        "vouchers-name-the-domain",
        "a device trusts the domain because a voucher of its own maker, for itself, names it",
    ),
    named(
        Stories,
        "plans-precede-ldevids",
        "a device's plan, with its addresses, was active before it got its certificate",
    ),
    named(Stories, "described-passes", "what a description allows passes, and the rest does not"),
    named(Stories, "configurations-agree", "the hub's configuration of a device is the one in its file"),
    named(
        Stories,
        "firmware-agrees",
        "the firmware that runs is the one that the hub knows, and is what was signed",
    ),
    named(
        Stories,
        "flawed-fell-back",
        "a device on which a firmware failed kept the older one in its other slot",
    ),
    named(
        Stories,
        "third-wave-spared",
        "no device of the third wave was ever offered what was stopped before it",
    ),
    named(
        Stories,
        "older-is-refused",
        "a device refuses a manifest with a lower sequence number, offered once",
    ),
    named(
        Stories,
        "forged-is-refused",
        "a device refuses a manifest that is not signed as it must be, offered once",
    ),
    named(Stories, "held-are-narrow", "the plan of a device that is held is as narrow as its level"),
    named(Stories, "described-makes-no-finding", "a described flow makes no finding"),
    named(
        Stories,
        "mended-is-whole",
        "the device that was mended installed its firmware anew, and its slots are as its maker published them",
    ),
    named(Stories, "given-up-once", "one device was given up, after the tries that were allowed"),
    named(Stories, "posts-held-once", "every post is held by one device"),
    named(Stories, "ended-support-is-seen", "a device whose support has ended is shown as unsupported"),
    named(Stories, "retired-has-no-plan", "no plan is enforced for who is retired, and it is nowhere"),
    named(
        Stories,
        "retired-get-no-byte",
        "a revoked certificate gets no byte, on an open connection, a new one, or one that would resume",
    ),
    named(
        Stories,
        "wiped-holds-nothing",
        "a wiped device's folder holds no key, no configuration and no firmware, and none runs from there",
    ),
    named(Stories, "ends-are-proved", "the end of a life is proved by the device's own signed last report"),
];

/// Those that are looked at in `place`, as [`Where::Worlds`] or [`Where::Stories`].
pub fn of(place: Where) -> impl Iterator<Item = &'static Named> {
    NAMES.iter().filter(move |named| named.place == place || named.place == Everywhere)
}
