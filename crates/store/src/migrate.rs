//! The rooms' tables: each migration runs once, and is never edited after it has run anywhere.
use crate::engine::{Batch, Engine};
use fleet::tx::{Fault, FaultKind, Fill, Migration, Tx, many};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (
  room TEXT NOT NULL, number BIGINT NOT NULL, digest BYTEA NOT NULL, PRIMARY KEY (room, number));";

/// Runs what has not run yet, all of it or nothing.
///
/// # Errors
/// A fault of the engine; or [`fleet::tx::FaultKind::Corrupt`] when a migration that has run was
/// edited since, or the database knows one that this program does not.
pub fn migrate(engine: &mut dyn Engine, rooms: &[&[Migration]]) -> Result<(), Fault> {
    engine.batch(&mut |tx| {
        tx.hold_tables()?;
        tx.script(TABLE)?;
        for missing in missing(tx, rooms)? {
            run(tx, &missing)?;
        }
        Ok(())
    })
}

/// Looks whether everything has run.
///
/// # Errors
/// As [`migrate`], and when something has not run.
pub fn look(tx: &mut dyn Tx, rooms: &[&[Migration]]) -> Result<(), Fault> {
    let missing = missing(tx, rooms).map_err(|why| match why.kind {
        FaultKind::Sql => Fault::corrupt(format!(
            "there are no tables of Steward; start `steward serve` on it once ({})",
            why.detail
        )),
        _ => why,
    })?;
    match missing.first() {
        None => Ok(()),
        Some(Migration { room, number, .. }) => Err(Fault::corrupt(format!(
            "the database is older than this program: migration {number} of `{room}` has not run; \
             start `steward serve` on it once"
        ))),
    }
}

/// What has not run yet, in order; what has run must be what we know.
fn missing(tx: &mut dyn Tx, rooms: &[&[Migration]]) -> Result<Vec<Migration>, Fault> {
    let done = many(tx, "SELECT room, number, digest FROM migration", &[], |row| {
        Ok(((row.text(0)?.to_string(), row.int(1)?), row.digest(2)?))
    })?;
    let mut done: BTreeMap<(String, i64), [u8; 32]> = done.into_iter().collect();
    let mut missing = Vec::new();
    for migration in rooms.iter().copied().flatten() {
        match done.remove(&(migration.room.into(), migration.number)) {
            None => missing.push(*migration),
            Some(ran) if ran == digest(migration) => {}
            Some(_) => return Err(edited(migration)),
        }
    }
    match done.keys().next() {
        None => Ok(missing),
        Some((room, number)) => Err(Fault::corrupt(format!(
            "the database is newer than this program: migration {number} of `{room}` is not known here; \
             use the newer steward, or restore a backup of before"
        ))),
    }
}

fn edited(Migration { room, number, .. }: &Migration) -> Fault {
    Fault::corrupt(format!(
        "migration {number} of `{room}` was edited after it had run on this database; \
         undo that and add the next number instead"
    ))
}

fn run(tx: &mut dyn Batch, migration: &Migration) -> Result<(), Fault> {
    tx.script(migration.sql)?;
    let is_its = |fill: &&Fill| (fill.room, fill.number) == (migration.room, migration.number);
    if let Some(fill) = fleet::FILLS.iter().find(is_its) {
        (fill.run)(tx)?;
    }
    tx.exec(
        "INSERT INTO migration (room, number, digest) VALUES ($1, $2, $3)",
        &[migration.room.into(), migration.number.into(), digest(migration)[..].into()],
    )?;
    Ok(())
}

fn digest(migration: &Migration) -> [u8; 32] {
    Sha256::digest(migration.sql).into()
}
