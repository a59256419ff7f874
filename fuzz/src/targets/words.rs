//! Short texts: addresses, prefixes, names, identifiers, digests, times, waves, playbooks, nonces, authorities.
use fleet::id::Id;
use fleet::remediation::rules::Playbook;
use fleet::text::{Addresses, Class, Cursor, DateTime, Digest, Hex, Hosts, Label, Macs, Names, Slug, Waves};
use std::fmt::{Debug, Display};
use std::str::FromStr;
use wire::mud::Direction;
use wire::packet::Mac;
use wire::plan::Level;
use wire::prefix::Prefix;
use wire::voucher::{Assertion, Nonce};
use wire::{Oid, digest, mud};

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "192.0.2.0/24",
        "2001:db8::/32",
        "192.0.2.1,2001:db8::1",
        "02:00:5e:00:53:01",
        "1.3.6.1.4.1.32473.1.7",
        "0190163d-8694-739b-aea5-966c26f8ad91",
        "restart:2:60,re-apply-configuration:1:60,give-up",
        "BwcHBwcHBwcHBwcHBwcHBw==",
        "https://maker.example/lamp.json",
        "1,5,rest",
        "2026-01-01T00:00:00Z",
        "0707070707070707070707070707070707070707070707070707070707070707",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// What can be read is shown, and what is shown is read as the same.
fn shown<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value = text.parse::<T>().ok()?;
    assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
    Some(value)
}

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = (shown::<Prefix>(text), shown::<Mac>(text), shown::<Oid>(text));
    let _ = (shown::<Id>(text), shown::<Playbook>(text));
    let _ = (shown::<Slug>(text), shown::<Label>(text), shown::<Digest>(text));
    let _ = (shown::<Class>(text), shown::<Cursor>(text));
    let _ = shown::<Hosts>(text).map(|it| it.prefix());
    let _ = shown::<Addresses>(text).map(|it| it.items());
    let _ = shown::<Macs>(text).map(|it| it.items());
    let _ = shown::<Names>(text).map(|it| it.items().count());
    let _ = shown::<DateTime>(text).map(|it| it.millis());
    let _ = shown::<Waves>(text).map(|it| it.sizes());
    let _ = shown::<Hex>(text).map(|it| it.octets());
    let words = [
        Direction::from_word(text).map(Direction::word),
        Level::from_word(text).map(Level::word),
        Assertion::from_word(text).map(Assertion::word),
    ];
    assert!(words.into_iter().flatten().all(|word| word == text));
    if let Some(bytes) = digest::from_hex(text) {
        assert_eq!(digest::hex(&bytes), text);
    }
    if let Some(nonce) = Nonce::from_text(text) {
        assert_eq!(Nonce::from_octets(nonce.octets()).as_ref().map(Nonce::octets), Some(nonce.octets()));
    }
    if let Some(authority) = mud::authority(text) {
        assert!(text.contains(authority));
    }
}
