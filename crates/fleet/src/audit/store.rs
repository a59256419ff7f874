//! Rows of the journal, its lanes, its checkpoints, and the idempotency keys.
use super::rules::{Checkpoint, Entry, Head, Link};
use crate::room::Subject;
use crate::time::Millis;
use crate::tx::{Fault, FaultKind, Migration, Row, Tx, Value, many, one};
use std::sync::LazyLock;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "audit",
    number: 1,
    sql: "
CREATE TABLE lane (lane BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);
CREATE TABLE journal (
  lane BIGINT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
  room TEXT NOT NULL, organisation TEXT NOT NULL, site TEXT NOT NULL, subject TEXT NOT NULL,
  version BIGINT NOT NULL, detail TEXT NOT NULL, hash BYTEA NOT NULL, PRIMARY KEY (lane, seq));
CREATE INDEX journal_subject ON journal (room, organisation, subject, version);
CREATE INDEX journal_at ON journal (organisation, at, lane, seq);
CREATE INDEX journal_newest ON journal (at);
CREATE TABLE checkpoint (
  lane BIGINT NOT NULL, seq BIGINT NOT NULL, hash BYTEA NOT NULL, at BIGINT NOT NULL,
  signature BYTEA NOT NULL, PRIMARY KEY (lane, seq));
CREATE TABLE idempotency (
  actor TEXT NOT NULL, key TEXT NOT NULL, digest BYTEA NOT NULL, at BIGINT NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (actor, key));
CREATE INDEX idempotency_at ON idempotency (at);
",
}];

/// The head of `lane`, which is made if it is new.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn lane_open(tx: &mut dyn Tx, lane: i64) -> Result<Head, Fault> {
    let genesis = Head::genesis(lane);
    tx.exec(
        "INSERT INTO lane (lane, seq, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
        &[lane.into(), genesis.hash[..].into()],
    )?;
    let found = one(tx, "SELECT lane, seq, hash FROM lane WHERE lane = $1", &[lane.into()], head)?;
    Ok(found.unwrap_or(genesis))
}

/// The number of every lane that anything speaks of, whether or not its row is still there.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn lane_numbers(tx: &mut dyn Tx) -> Result<Vec<i64>, Fault> {
    many(
        tx,
        "SELECT lane FROM lane UNION SELECT lane FROM journal UNION SELECT lane FROM checkpoint ORDER BY 1",
        &[],
        |row| row.int(0),
    )
}

/// The head of every lane.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn lane_list(tx: &mut dyn Tx) -> Result<Vec<Head>, Fault> {
    many(tx, "SELECT lane, seq, hash FROM lane ORDER BY lane", &[], head)
}

/// Moves a lane's head, if nobody else did.
///
/// # Errors
/// [`FaultKind::Conflict`] when another writer holds the lane now.
pub fn lane_advance(tx: &mut dyn Tx, old: &Head, new: &Head) -> Result<(), Fault> {
    let moved = tx.exec(
        "UPDATE lane SET seq = $1, hash = $2 WHERE lane = $3 AND seq = $4 AND hash = $5",
        &[new.seq.into(), new.hash[..].into(), old.lane.into(), old.seq.into(), old.hash[..].into()],
    )?;
    match moved {
        1 => Ok(()),
        _ => Err(Fault::new(FaultKind::Conflict, format!("another writer holds lane {} now", old.lane))),
    }
}

/// Columns of an entry.
const ENTRY_COLUMNS: usize = 12;

/// Entries that one statement adds. One of them is one round trip to a server.
const ENTRIES: [usize; 3] = [64, 8, 1];

/// The statement for each of [`ENTRIES`].
static JOURNAL_ADD: LazyLock<[String; 3]> = LazyLock::new(|| {
    ENTRIES.map(|entries| {
        let row = |entry| {
            let parameters = (1..=ENTRY_COLUMNS).map(|column| format!("${}", entry * ENTRY_COLUMNS + column));
            format!("({})", parameters.collect::<Vec<_>>().join(", "))
        };
        format!(
            "INSERT INTO journal (lane, seq, at, action, actor, room, organisation, site, subject, version, detail, \
             hash) VALUES {}",
            (0..entries).map(row).collect::<Vec<_>>().join(", ")
        )
    })
});

/// Adds entries to the journal.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_add(tx: &mut dyn Tx, mut links: &[Link]) -> Result<(), Fault> {
    for (entries, sql) in ENTRIES.into_iter().zip(&*JOURNAL_ADD) {
        while let Some((now, later)) = links.split_at_checked(entries) {
            let args: Vec<Value> = now.iter().flat_map(columns).collect();
            tx.exec(sql, &args)?;
            links = later;
        }
    }
    Ok(())
}

fn columns(link: &Link) -> [Value; ENTRY_COLUMNS] {
    let Entry { actor, room, subject, version, detail } = &link.entry;
    [
        link.lane.into(),
        link.seq.into(),
        link.at.0.into(),
        link.action.as_str().into(),
        actor.as_str().into(),
        room.as_str().into(),
        subject.organisation.as_str().into(),
        subject.site.as_str().into(),
        subject.id.as_str().into(),
        (*version).into(),
        detail.as_str().into(),
        link.hash[..].into(),
    ]
}

/// The entries of a lane after `seq`, oldest first.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_walk(tx: &mut dyn Tx, lane: i64, seq: i64, limit: u16) -> Result<Vec<Link>, Fault> {
    many(
        tx,
        "SELECT lane, seq, at, action, actor, room, organisation, site, subject, version, detail, hash \
         FROM journal WHERE lane = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        &[lane.into(), seq.into(), i64::from(limit).into()],
        link,
    )
}

/// The entries of an organisation in the order of their lanes, after (`lane`, `seq`).
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_export(
    tx: &mut dyn Tx,
    organisation: &str,
    after: (i64, i64),
    limit: u16,
) -> Result<Vec<Link>, Fault> {
    many(
        tx,
        "SELECT lane, seq, at, action, actor, room, organisation, site, subject, version, detail, hash \
         FROM journal WHERE (lane, seq) > ($1, $2) AND organisation = $3 ORDER BY lane, seq LIMIT $4",
        &[after.0.into(), after.1.into(), organisation.into(), i64::from(limit).into()],
        link,
    )
}

/// The entries of an organisation, newest first, before (`at`, `lane`, `seq`).
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_list(
    tx: &mut dyn Tx,
    organisation: &str,
    before: (i64, i64, i64),
    limit: u16,
) -> Result<Vec<Link>, Fault> {
    many(
        tx,
        "SELECT lane, seq, at, action, actor, room, organisation, site, subject, version, detail, hash \
         FROM journal WHERE organisation = $1 AND (at, lane, seq) < ($2, $3, $4) \
         ORDER BY at DESC, lane DESC, seq DESC LIMIT $5",
        &[organisation.into(), before.0.into(), before.1.into(), before.2.into(), i64::from(limit).into()],
        link,
    )
}

/// The entries about one subject of a room, newest first, before a place of the journal: its time, lane and number.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_timeline(
    tx: &mut dyn Tx,
    room: &str,
    organisation: &str,
    id: &str,
    (at, lane, seq): (i64, i64, i64),
    limit: u16,
) -> Result<Vec<Link>, Fault> {
    many(
        tx,
        "SELECT lane, seq, at, action, actor, room, organisation, site, subject, version, detail, hash \
         FROM journal WHERE room = $1 AND organisation = $2 AND subject = $3 AND (at, lane, seq) < ($4, $5, $6) \
         ORDER BY version DESC LIMIT $7",
        &[
            room.into(),
            organisation.into(),
            id.into(),
            at.into(),
            lane.into(),
            seq.into(),
            i64::from(limit).into(),
        ],
        link,
    )
}

/// The next subject of `room` in the journal after `after`, with its newest site.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_next_subject(
    tx: &mut dyn Tx,
    room: &str,
    after: (&str, &str),
) -> Result<Option<Subject>, Fault> {
    one(
        tx,
        "SELECT organisation, site, subject FROM journal \
         WHERE room = $1 AND (organisation, subject) > ($2, $3) \
         ORDER BY organisation, subject, version LIMIT 1",
        &[room.into(), after.0.into(), after.1.into()],
        |row| Subject::read(row, 0),
    )
}

/// The events of a subject after `version`, oldest first, each with its version.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_events(
    tx: &mut dyn Tx,
    room: &str,
    subject: &Subject,
    version: i64,
    limit: u16,
) -> Result<Vec<(i64, String)>, Fault> {
    many(
        tx,
        "SELECT version, detail FROM journal \
         WHERE room = $1 AND organisation = $2 AND subject = $3 AND version > $4 ORDER BY version LIMIT $5",
        &[
            room.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
            version.into(),
            i64::from(limit).into(),
        ],
        |row| Ok((row.int(0)?, row.text(1)?.to_string())),
    )
}

/// The time of the newest entry over all lanes, of those that count: see [`clock`](super::clock).
///
/// # Errors
/// A [`Fault`] of the store.
pub fn journal_newest(tx: &mut dyn Tx) -> Result<Millis, Fault> {
    let found = one(
        tx,
        "SELECT at FROM journal WHERE NOT EXISTS (SELECT 1 FROM accepted_lane \
         WHERE accepted_lane.lane = journal.lane AND accepted_lane.seq >= journal.seq) \
         ORDER BY at DESC LIMIT 1",
        &[],
        |row| row.int(0),
    )?;
    Ok(Millis(found.unwrap_or(0)))
}

/// Keeps a signed checkpoint.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn checkpoint_add(tx: &mut dyn Tx, checkpoint: &Checkpoint) -> Result<(), Fault> {
    let Checkpoint { head, at, signature } = checkpoint;
    tx.exec(
        "INSERT INTO checkpoint (lane, seq, hash, at, signature) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &[head.lane.into(), head.seq.into(), head.hash[..].into(), at.0.into(), signature[..].into()],
    )?;
    Ok(())
}

/// The checkpoints of a lane at `from` to `to`, both included.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn checkpoint_list(
    tx: &mut dyn Tx,
    lane: i64,
    from: i64,
    to: i64,
    limit: u16,
) -> Result<Vec<Checkpoint>, Fault> {
    many(
        tx,
        "SELECT lane, seq, hash, at, signature FROM checkpoint \
         WHERE lane = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT $4",
        &[lane.into(), from.into(), to.into(), i64::from(limit).into()],
        checkpoint,
    )
}

/// The newest checkpoint of a lane.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn checkpoint_newest(tx: &mut dyn Tx, lane: i64) -> Result<Option<Checkpoint>, Fault> {
    one(
        tx,
        "SELECT lane, seq, hash, at, signature FROM checkpoint WHERE lane = $1 ORDER BY seq DESC LIMIT 1",
        &[lane.into()],
        checkpoint,
    )
}

/// What an idempotency key stood for: the digest of the request, and its answer as JSON.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn idempotency_find(
    tx: &mut dyn Tx,
    actor: &str,
    key: &str,
) -> Result<Option<([u8; 32], String)>, Fault> {
    one(
        tx,
        "SELECT digest, answer FROM idempotency WHERE actor = $1 AND key = $2",
        &[actor.into(), key.into()],
        |row| Ok((row.digest(0)?, row.text(1)?.to_string())),
    )
}

/// Keeps what an idempotency key stands for.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn idempotency_add(
    tx: &mut dyn Tx,
    actor: &str,
    key: &str,
    digest: &[u8; 32],
    at: Millis,
    answer: &str,
) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO idempotency (actor, key, digest, at, answer) VALUES ($1, $2, $3, $4, $5)",
        &[actor.into(), key.into(), digest[..].into(), at.0.into(), answer.into()],
    )?;
    Ok(())
}

/// Forgets the idempotency keys that are older than `before`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn idempotency_forget(tx: &mut dyn Tx, before: Millis) -> Result<u64, Fault> {
    tx.exec("DELETE FROM idempotency WHERE at < $1", &[before.0.into()])
}

fn head(row: &Row) -> Result<Head, Fault> {
    Ok(Head { lane: row.int(0)?, seq: row.int(1)?, hash: row.digest(2)? })
}

fn checkpoint(row: &Row) -> Result<Checkpoint, Fault> {
    Ok(Checkpoint { head: head(row)?, at: Millis(row.int(3)?), signature: row.bytes(4)?.into() })
}

fn link(row: &Row) -> Result<Link, Fault> {
    let subject = Subject::read(row, 6)?;
    let entry = Entry {
        actor: row.text(4)?.into(),
        room: row.text(5)?.into(),
        subject,
        version: row.int(9)?,
        detail: row.text(10)?.into(),
    };
    Ok(Link {
        lane: row.int(0)?,
        seq: row.int(1)?,
        at: Millis(row.int(2)?),
        action: row.text(3)?.into(),
        entry,
        hash: row.digest(11)?,
    })
}
