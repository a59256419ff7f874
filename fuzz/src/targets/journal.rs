//! A lane of the journal: pieces are the texts of its entries; the last octets change one of them.
use crate::pieces::{Pieces, joined};
use fleet::audit::rules::{Entry, Head, Link, checkpoint_message};
use fleet::room::Subject;
use fleet::time::Millis;

pub fn seeds() -> Vec<Vec<u8>> {
    let entry: [&[u8]; 6] = [b"alice", b"device", b"main", b"hall", b"device admit", br#"{"event":"admitted"}"#];
    vec![joined(&entry), joined(&[entry, entry].concat())]
}

/// The field that `number` means.
fn field(link: &mut Link, number: usize) -> &mut String {
    let Link { action, entry, .. } = link;
    let Entry { actor, room, subject, detail, .. } = entry;
    [actor, room, &mut subject.site, &mut subject.id, action, detail].into_iter().nth(number % 6).expect("of six")
}

pub fn run(input: &[u8]) {
    let texts: Vec<String> = Pieces(input).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    let (genesis, mut head) = (Head::genesis(1), Head::genesis(1));
    let append = |texts: &[String; 6]| {
        let [actor, room, site, id, action, detail] = texts.clone();
        let subject = Subject { organisation: "main".into(), site, id };
        head.append(Millis(7), &action, Entry { actor, room, subject, version: 1, detail })
    };
    let links: Vec<Link> = texts.as_chunks().0.iter().map(append).collect();
    let mut follower = genesis;
    links.iter().for_each(|link| follower.follow(link).expect("a lane that nobody changed"));
    assert_eq!(follower, head);
    let Some(last) = input.last() else { return };
    for at in 0..links.len() {
        let mut follower = genesis;
        let (before, rest) = links.split_at(at);
        before.iter().for_each(|link| follower.follow(link).expect("a lane that nobody changed"));
        let mut changed = rest[0].clone();
        let text = field(&mut changed, usize::from(*last));
        // From one field to the next, or out of nothing: the same octets in other places are other entries.
        let moved = text.pop();
        field(&mut changed, usize::from(*last) + 1).insert(0, moved.unwrap_or('x'));
        assert!(follower.follow(&changed).is_err(), "a changed entry is not seen: {changed:?}");
        if let Some(next) = rest.get(1) {
            assert!(follower.follow(next).is_err(), "a missing entry is not seen");
        }
        let (here, there) = (checkpoint_message(&follower, Millis(7)), checkpoint_message(&head, Millis(7)));
        assert!(follower == head || here != there, "two heads, one checkpoint");
    }
}
