//! Rows of operations, and of contact.
use super::Control;
use super::rules::{self, Operation, Phase, State};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Tx, many, one};
use std::collections::BTreeMap;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "control",
    number: 1,
    sql: "
CREATE TABLE control (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  newest BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE TABLE operation (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, number BIGINT NOT NULL,
  kind TEXT NOT NULL, about TEXT NOT NULL, phase TEXT NOT NULL, is_open BIGINT NOT NULL,
  asked_at BIGINT NOT NULL, deadline BIGINT NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (organisation, site, device, number));
CREATE INDEX operation_deadline ON operation (is_open, deadline);
CREATE TABLE contact (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  seen BIGINT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (organisation, site, device));
",
}];

fn operations(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<u32, Operation>, Fault> {
    let found = many(
        tx,
        "SELECT number, kind, about, phase, asked_at, deadline, why FROM operation \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &subject.key(),
        |row| {
            let operation = Operation {
                kind: row.parsed(1)?,
                about: row.text(2)?.into(),
                phase: row.parsed(3)?,
                asked_at: Millis(row.int(4)?),
                deadline: Millis(row.int(5)?),
                why: row.text(6)?.into(),
            };
            Ok((row.int(0)?, operation))
        },
    )?;
    found.into_iter().map(|(number, operation)| Ok((small(number)?, operation))).collect()
}

fn small(number: i64) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|_| Fault::corrupt(format!("{number} is no operation's number")))
}

fn operation_save(
    tx: &mut dyn Tx,
    subject: &Subject,
    number: u32,
    operation: &Operation,
) -> Result<(), Fault> {
    let Operation { kind, about, phase, asked_at, deadline, why } = operation;
    let row = [
        i64::from(number).into(),
        kind.as_str().into(),
        about.as_str().into(),
        phase.as_str().into(),
        i64::from(Phase::is_open(*phase)).into(),
        asked_at.0.into(),
        deadline.0.into(),
        why.as_str().into(),
    ];
    tx.exec(
        "INSERT INTO operation (organisation, site, device, number, kind, about, phase, is_open, asked_at, \
         deadline, why) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (organisation, site, device, number) DO UPDATE SET \
         phase = excluded.phase, is_open = excluded.is_open, why = excluded.why",
        &subject.key_and(row),
    )?;
    Ok(())
}

fn save_operations(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    for number in old.operations.keys().filter(|number| !new.operations.contains_key(number)) {
        tx.exec(
            "DELETE FROM operation \
             WHERE organisation = $1 AND site = $2 AND device = $3 AND number = $4",
            &subject.key_and([i64::from(*number).into()]),
        )?;
    }
    let changed = new.operations.iter().filter(|(number, o)| old.operations.get(number) != Some(o));
    changed.into_iter().try_for_each(|(number, o)| operation_save(tx, subject, *number, o))
}

/// Devices with an open operation whose deadline passed.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn operations_late(tx: &mut dyn Tx, now: Millis, limit: u16) -> Result<Vec<Subject>, Fault> {
    let late = many(
        tx,
        "SELECT organisation, site, device FROM operation WHERE is_open = 1 AND deadline < $1 \
         ORDER BY deadline LIMIT $2",
        &[now.0.into(), i64::from(limit).into()],
        |row| Subject::read(row, 0),
    )?;
    Ok(late)
}

/// Notes when a device was last heard of, and with which configuration.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn contact_note(tx: &mut dyn Tx, subject: &Subject, seen: Millis, digest: &str) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO contact (organisation, site, device, seen, digest) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (organisation, site, device) DO UPDATE SET \
         seen = excluded.seen, digest = excluded.digest",
        &subject.key_and([seen.0.into(), digest.into()]),
    )?;
    Ok(())
}

/// When a device was last heard of.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn contact_find(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<Millis>, Fault> {
    one(
        tx,
        "SELECT seen FROM contact WHERE organisation = $1 AND site = $2 AND device = $3",
        &subject.key(),
        |row| Ok(Millis(row.int(0)?)),
    )
}

impl Room for Control {
    const NAME: &'static str = "control";
    crate::room::rules!(on_time);

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT newest, version FROM control WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            |row| Ok((row.int(0)?, row.int(1)?)),
        )?;
        let Some((newest, version)) = found else { return Ok(None) };
        Ok(Some((State { operations: operations(tx, subject)?, newest: small(newest)? }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row = [i64::from(change.new.newest).into(), change.new_version.into()];
        let row = row.into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO control (newest, version, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE control SET newest = $1, version = $2 \
                 WHERE organisation = $3 AND site = $4 AND device = $5 AND version = $6",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        save_operations(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM control", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
