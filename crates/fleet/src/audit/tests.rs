use super::rules::{Broken, Entry, GENESIS, Head, Link, What};
use crate::room::{Room, Subject};
use crate::time::Millis;

/// Every line of `stored` is read as an event of room `R` and written again as it was; there are
/// samples of `kinds` variants.
pub fn stored_events<R: Room>(stored: &[&str], kinds: usize) {
    let mut seen = std::collections::BTreeSet::new();
    for line in stored {
        let event: R::Event = serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        let again = serde_json::to_value(&event).expect("an event is JSON");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        seen.insert(again["event"].to_string());
    }
    assert_eq!(seen.len(), kinds, "a variant without a sample, or a sample without a variant");
}

fn entry(n: i64) -> Entry {
    Entry {
        actor: "alice".into(),
        room: "device".into(),
        subject: Subject { organisation: "main".into(), site: "main".into(), id: format!("d{n}") },
        version: 1,
        detail: r#"{"event":"admitted"}"#.into(),
    }
}

fn chain(length: i64) -> Vec<Link> {
    let mut head = Head::genesis(1);
    (1..=length).map(|n| head.append(Millis(1000 + n), "device admit", entry(n))).collect()
}

fn follow(links: &[Link]) -> Result<Head, Broken> {
    let mut head = Head::genesis(1);
    links.iter().try_for_each(|link| head.follow(link)).map(|()| head)
}

/// The hash of a known entry, computed independently with Python's hashlib over the same parts: a
/// change of the form would break every journal.
#[test]
fn the_form_of_the_hash_is_fixed() {
    let link = &chain(1)[0];
    assert_eq!(
        super::view::hex(&link.hash),
        "a99af1a2bba2c26f32bd08ce3ac2ded03e7d50cd6eceb17dc31f2c4871aa6b63"
    );
    assert_ne!(link.hash, GENESIS);
}

#[test]
fn an_untouched_chain_is_followed_to_its_head() {
    let links = chain(5);
    let head = follow(&links).expect("nobody touched it");
    assert_eq!((head.seq, head.hash), (5, links[4].hash));
}

#[test]
fn every_field_counts() {
    let changes: &[fn(&mut Link)] = &[
        |l| l.at = Millis(1),
        |l| l.action.push('x'),
        |l| l.entry.actor.push('x'),
        |l| l.entry.room.push('x'),
        |l| l.entry.subject.organisation.push('x'),
        |l| l.entry.subject.site.push('x'),
        |l| l.entry.subject.id.push('x'),
        |l| l.entry.version += 1,
        |l| l.entry.detail.push('x'),
        |l| l.hash[31] ^= 1,
        // The border between two fields counts too.
        |l| {
            l.entry.actor = "alic".into();
            l.action.push('e');
        },
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut links = chain(3);
        change(&mut links[1]);
        assert_eq!(follow(&links), Err(Broken { lane: 1, seq: 2, what: What::Changed }), "change {n}");
    }
}

#[test]
fn removed_and_swapped_entries_are_named() {
    let check = |links: Vec<Link>, seq: i64, what: What| {
        assert_eq!(follow(&links), Err(Broken { lane: 1, seq, what }));
    };
    let mut removed = chain(4);
    removed.remove(1);
    check(removed, 2, What::Missing);
    let mut swapped = chain(4);
    swapped.swap(1, 2);
    check(swapped, 2, What::Missing);
    let mut renumbered = chain(4);
    renumbered.swap(1, 2);
    (renumbered[1].seq, renumbered[2].seq) = (2, 3);
    check(renumbered, 2, What::Changed);
}
